"""`sidra calm`: a text in calmer words."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from app.commands.terminal import Failed, JsonFlag, console, emit, say
from app.visible import visible

if TYPE_CHECKING:
    from agents.calm.types import Mode
    from app.settings import Settings

_MODES = ("balanced", "cool", "raw")


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("calm")(calm)


def calm(
    text: Annotated[str | None, typer.Argument(help="The text; `-` reads standard input.")] = None,
    mode: Annotated[str, typer.Option(help="balanced, cool, or raw to measure only.")] = "balanced",
    file: Annotated[Path | None, typer.Option(help="Read the text from a file instead.")] = None,
    related: Annotated[
        list[Path] | None, typer.Option(help="File with a related text that COOL may take its background from; repeat.")
    ] = None,
    llm: Annotated[str | None, typer.Option(help="embedded, none, openai or scripted.")] = None,
    json_: JsonFlag = False,
) -> None:
    """Show a text in calmer words, with what changed; names, numbers and negations stay.

    Uses the API at SIDRA_API_URL if that is set, else everything in this process.
    """
    from app.settings import load_settings

    if mode.lower() not in _MODES:
        raise typer.BadParameter(f"--mode is one of {', '.join(_MODES)}, not {mode!r}")
    if (text is None) == (file is None):
        raise typer.BadParameter("give a text, `-` for standard input, or --file")
    settings = load_settings(llm=llm)
    said = _read(file) if file is not None else sys.stdin.read() if text == "-" else str(text)
    sources = [_read(path) for path in related or []]
    answer = (
        _remote(settings, said, mode.lower(), sources)
        if settings.api_url
        else _local(settings, said, mode.lower(), sources)
    )
    if json_:
        emit(answer)
    else:
        _tell(answer)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Failed(f"{path} isn't UTF-8 text ({error.reason} at byte {error.start})") from error


def _remote(settings: Settings, text: str, mode: str, related: list[str]) -> dict[str, Any]:
    from app.client import SidraClient

    with SidraClient(settings.client_url, settings.key) as client:
        answer = client.calm([text], mode, related=related)
    return {**answer["results"][0], **{name: answer[name] for name in ("rewriter", "degraded", "degraded_reason")}}


def _local(settings: Settings, text: str, mode: str, related: list[str]) -> dict[str, Any]:
    async def work(mode: Mode) -> dict[str, Any]:
        from agents.calm.adjust import calm as calm_texts
        from agents.calm.types import CalmRequest, Source
        from agents.llm.factory import make_chat_model
        from agents.llm.protocol import TurnBudget
        from app.runtime import llm_settings

        model = make_chat_model(llm_settings(settings))
        await model.start()
        try:
            status = await model.wait_ready(settings.llm_start_s)
            missing = status.state not in {"off", "ready"}
            sources = tuple(Source(item_id=f"related-{n}", text=each) for n, each in enumerate(related, 1))
            request = CalmRequest(text=text, sources=sources)
            budget = TurnBudget(calls=40, tokens=40_000, seconds=300)
            results = calm_texts([request], mode, model if model.available else None, budget)
            found = [result async for result in results]
            return {
                **found[0].model_dump(mode="json"),
                "rewriter": model.name if model.available else "rules",
                "degraded": missing,
                "degraded_reason": f"{status.reason}; rules reworded" if missing else "",
            }
        finally:
            await model.aclose()

    return asyncio.run(work(cast("Mode", mode)))


def _tell(answer: dict[str, Any]) -> None:
    if answer["degraded"]:
        say(f"(not as usual: {visible(answer['degraded_reason'])})")
    console().print(visible(answer["text"]), markup=False, soft_wrap=True)
    changed = sum(sentence["changed"] for sentence in answer["sentences"])
    by = {"llm": f"by {answer['rewriter']}", "lexicon": "by rules with a word list", "unchanged": "nobody changed it"}
    say(
        f"{answer['mode'].upper()}, {by.get(answer['made_by'], answer['made_by'])}: {changed} of "
        f"{len(answer['sentences'])} sentences changed; stimulus {answer['stimulus_before']:.2f} before, "
        f"{answer['stimulus_after']:.2f} after"
    )
    for mark in answer["marks"]:
        say(f"  {visible(mark)}")
