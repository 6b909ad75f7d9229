"""`sidra chat`: the conversation in a terminal, over the API or in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, cast

import typer

from app.commands.terminal import Failed, JsonFlag, console, emit, say
from app.visible import visible, visible_deep

if TYPE_CHECKING:
    from rich.console import Console

    from app.runtime import Runtime
    from app.settings import Settings

_LEAVE = {"exit", "quit", "bye", ":q"}


class Talker(Protocol):
    """Somebody who answers."""

    def turn(self, message: str, thread_id: str | None) -> Generator[dict[str, Any], None, None]:
        """One turn, event by event."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("chat")(chat)


def chat(
    user: Annotated[str, typer.Option(help="Who is talking.")] = "terminal",
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="Say this, print the answer and leave.")
    ] = None,
    thread: Annotated[str | None, typer.Option(help="Conversation to go on with.")] = None,
    filters: Annotated[list[str] | None, typer.Option("--filter", help="As in `sidra recommend`.")] = None,
    k: Annotated[int, typer.Option(min=1, max=20, help="How many items.")] = 5,
    llm: Annotated[str | None, typer.Option(help="embedded, none, openai or scripted.")] = None,
    generator: Annotated[
        str | None,
        typer.Option(help="compact, lm or vllm, when no API is asked; default SIDRA_GENERATOR."),
    ] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    json_: JsonFlag = False,
) -> None:
    """Talk. Uses the API at SIDRA_API_URL if that is set, else everything in this process."""
    from app.commands.filter_syntax import parse_filters
    from app.settings import load_settings

    if json_ and message is None:
        raise typer.BadParameter("--json goes with --message")
    settings = load_settings(llm=llm, home=home, generator=generator)
    rule = parse_filters(filters or [])
    talker = make_talker(settings, user, rule, k)
    try:
        if message is not None:
            end = _answer(talker, message, thread, None if json_ else console())
            if json_:
                emit(end)
            return
        _converse(talker, thread)
    finally:
        talker.close()


def make_talker(settings: Settings, user: str, rule: Any, k: int) -> Talker:
    """Over the API when an address is set, else in this process."""
    if settings.api_url:
        return _Remote(settings, user, rule.model_dump(mode="json") if rule is not None else None, k)
    return _Local(settings, user, rule, k)


def _converse(talker: Talker, thread: str | None) -> None:
    screen = console()
    say("Say what you are looking for; an empty line or `quit` ends.")
    while True:
        try:
            text = screen.input("\n[bold green]you[/] ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if not text or text.lower() in _LEAVE:
            return
        try:
            thread = _answer(talker, text, thread, screen)["thread_id"]
        except KeyboardInterrupt:
            say("(stopped)")


def _answer(talker: Talker, text: str, thread: str | None, screen: Console | None) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    with closing(talker.turn(text, thread)) as events:
        for event in events:
            if event["type"] == "step" and event["status"] == "end":
                steps.append({name: event[name] for name in ("node", "ms", "detail")})
            elif event["type"] == "slate" and screen is not None and event["final"]:
                _draw_cards(event, screen)
            elif event["type"] == "token" and screen is not None:
                screen.print(visible(event["text"]), end="", markup=False)
            elif event["type"] == "error":
                raise Failed(visible(event["message"]))
            elif event["type"] == "end":
                if screen is not None:
                    screen.print()
                    if event["degraded"]:
                        say(f"(not as usual: {visible(event['degraded_reason'])})")
                return {**event, "steps": steps}
    raise Failed("the answer broke off; try again")


def _draw_cards(event: dict[str, Any], screen: Console) -> None:
    from rich.markup import escape

    event = visible_deep(event)
    for card in event["cards"]:
        facts = [_plain(value) for value in list(card["facts"].values())[:4]]
        screen.print(
            f"  [bold]{card['slot']}. {escape(card['title'])}[/]  [dim]{escape(' · '.join(f for f in facts if f))}[/]"
        )
        if card["reason"]:
            screen.print(f"     {card['reason']}", markup=False)
    if event["note"]:
        screen.print(event["note"], markup=False)


def _plain(value: Any) -> str:
    return ", ".join(str(part) for part in value[:3]) if isinstance(value, list) else str(value)


class _Remote:
    def __init__(self, settings: Settings, user: str, rule: dict[str, Any] | None, k: int) -> None:
        from app.client import SidraClient

        self._client = SidraClient(settings.client_url, settings.key)
        self._options: dict[str, Any] = {"user": user, "filter": rule, "k": k}

    def turn(self, message: str, thread_id: str | None) -> Generator[dict[str, Any], None, None]:
        """One turn over HTTP."""
        return self._client.chat(message, thread_id=thread_id, **self._options)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class _Local:
    def __init__(self, settings: Settings, user: str, rule: Any, k: int) -> None:

        self._loop = asyncio.new_event_loop()
        self._options: dict[str, Any] = {"user_id": user, "filter": rule, "k": k}
        say("Loading ...")
        self._runtime: Runtime = self._loop.run_until_complete(self._open(settings))

    @staticmethod
    async def _open(settings: Settings) -> Runtime:
        from app.runtime import Runtime

        runtime = Runtime(settings)
        runtime.start()
        await runtime.wait()
        if not runtime.ready:
            sentence = runtime.sentence()
            await runtime.close()
            raise Failed(sentence)
        return runtime

    def turn(self, message: str, thread_id: str | None) -> Generator[dict[str, Any], None, None]:
        """One turn in this process."""
        from app.streaming import Pump

        async def begin() -> Pump[Any]:
            turn = self._runtime.conversations.turn(message=message, thread_id=thread_id, **self._options)
            return Pump(cast("AsyncGenerator[Any, None]", turn))

        pump = self._loop.run_until_complete(begin())
        try:
            while True:
                yield self._loop.run_until_complete(pump.get()).model_dump(mode="json")
        except StopAsyncIteration:
            return
        finally:
            self._loop.run_until_complete(pump.aclose())

    def close(self) -> None:
        """Stop the language model and close the stores."""
        self._loop.run_until_complete(self._runtime.close())
        self._loop.close()
