"""`sidra serve` and `sidra ui`: the API and the page, each in the foreground."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.terminal import Failed, say

Host = Annotated[str | None, typer.Option(help="Address to listen on.")]

ROOT = Path(__file__).resolve().parent.parent.parent
"""Folder of the code; the page runs in it, because its theme lies there."""


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command("serve")(serve)
    cli.command("ui")(ui)


def serve(
    host: Host = None,
    port: Annotated[int | None, typer.Option(help="Port of the API.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    llm: Annotated[str | None, typer.Option(help="embedded, none, openai or scripted.")] = None,
    generator: Annotated[str | None, typer.Option(help="compact, or lm in a release built with it.")] = None,
) -> None:
    """Serve the current release over HTTP. The port opens at once; /readyz says when answers can be had."""
    from app.settings import load_settings

    settings = load_settings(host=host, port=port, home=home, llm=llm, generator=generator)
    listener = take_port(settings.host, settings.port, "SIDRA_PORT", "--port")
    import uvicorn

    from app.api import create_app

    say(f"API at {settings.client_url} (documentation at {settings.client_url}/docs)")
    config = uvicorn.Config(create_app(settings), log_level="warning", timeout_graceful_shutdown=5)
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def ui(
    host: Host = None,
    port: Annotated[int | None, typer.Option(help="Port of the page.")] = None,
    api: Annotated[str | None, typer.Option(help="Address of the API.")] = None,
) -> None:
    """Serve the chat page. It talks to the API at SIDRA_API_URL, by default the one on this machine."""
    from app.settings import load_settings

    settings = load_settings(host=host, ui_port=port, api_url=api)
    take_port(settings.host, settings.ui_port, "SIDRA_UI_PORT", "--port").close()
    say(f"Page at {settings.page_url}, talking to {settings.client_url}")
    command = page_command(settings)
    os.chdir(ROOT)
    os.execvpe(command[0], command, os.environ | page_environment(settings))


def page_command(settings: Any) -> list[str]:
    """The command that runs the page in the foreground."""
    page = ROOT / "app" / "chat_ui.py"
    return [
        *(sys.executable, "-m", "streamlit", "run", str(page)),
        *("--server.address", settings.host, "--server.port", str(settings.ui_port)),
        *("--server.headless", "true", "--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"),
        *("--client.toolbarMode", "minimal", "--client.showErrorDetails", "none"),
    ]


def page_environment(settings: Any) -> dict[str, str]:
    """What the page's process needs to know; the key travels in the environment, never on a command line."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    found = {"SIDRA_API_URL": settings.client_url, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    if settings.key:
        found["SIDRA_API_KEY"] = settings.key
    return found


def take_port(host: str, port: int, variable: str, flag: str) -> socket.socket:
    """A socket that listens on the port.

    Raises:
        Failed: somebody else has it, or the address isn't this machine's; names the setting.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Failed(f"port {port} on {host} is taken; set {variable} (or {flag}) to a free one") from error
        raise Failed(f"cannot listen on {host}:{port}: {error.strerror}; check SIDRA_HOST and {variable}") from error
    return listener
