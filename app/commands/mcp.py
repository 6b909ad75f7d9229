"""`sidra mcp`: the tools for other agents, over the Model Context Protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.terminal import say

if TYPE_CHECKING:
    from mcp.server import Server

    from app.settings import Settings
    from recsys_core.serving.recommender import Recommender

GUEST = "guest"


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("mcp")(mcp)


def mcp(
    user: Annotated[str, typer.Option(help="For whom every call is made; an unknown one is a guest.")] = GUEST,
    http: Annotated[bool, typer.Option("--http", help="Listen on this machine instead of standard input.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="With --http: the port.")] = 8020,
    release: Annotated[str | None, typer.Option(help="Release to serve; default the current one.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
) -> None:
    """Serve the tools over MCP: on standard input and output, or with --http at http://127.0.0.1:PORT/mcp.

    Standard output belongs to the protocol; sentences for people go to standard error.
    """
    from app.commands.recommend import open_recommender
    from app.settings import load_settings

    settings = load_settings(home=home)
    opened = open_recommender(settings, release)
    try:
        server = _server(opened, settings, user)
        if http:
            _listen(server, port)
        else:
            import anyio

            say(f"MCP on standard input for user {user!r}, release {opened.release.id}")
            anyio.run(_speak, server)
    finally:
        opened.close()


def _server(opened: Recommender, settings: Settings, user: str) -> Server[Any]:
    from agents.calm.as_tool import RuleCalmer
    from agents.view import make_title_index
    from app.commands.recommend import stored_thumbs
    from recsys_core.serving.live import LiveRecommender
    from tools.mcp_server import mcp_server

    live = LiveRecommender(opened)
    known: list[Any] = [None, None]

    def current() -> tuple[Any, Any]:
        recommender = live.current()
        if recommender is not known[0]:
            known[:] = [recommender, make_title_index(recommender).offering(recommender.catalogue.offered)]
        return recommender, known[1]

    def thumbs() -> dict[str, int]:
        stored = stored_thumbs(settings, user)
        return {item: value for item, value in stored.items() if item in current()[0].catalogue}

    current()
    return mcp_server(current, user, thumbs, calms=RuleCalmer(opened.text))


async def _speak(server: Server[Any]) -> None:
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def _listen(server: Server[Any], port: int) -> None:
    import uvicorn

    from app.commands.serve import take_port

    run: Callable[..., None] = uvicorn.Server(
        uvicorn.Config(server.streamable_http_app(host="127.0.0.1"), log_level="warning")
    ).run
    listener = take_port("127.0.0.1", port, "--port", "--port")
    say(f"MCP at http://127.0.0.1:{port}/mcp")
    with listener:
        run(sockets=[listener])
