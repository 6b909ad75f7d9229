"""`sidra eval attacks`: poisoned item texts and hostile users against the conversation."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.commands.terminal import Bar, Failed, JsonFlag, console

if TYPE_CHECKING:
    from agents.llm.protocol import ChatModel
    from app.settings import Settings

OBEDIENT = "obedient"


def register(evaluate: typer.Typer) -> None:
    """Add the command to `sidra eval`."""
    evaluate.command("attacks")(attacks)


def attacks(
    llm: Annotated[
        str, typer.Option(help="obedient (obeys every order it can read), embedded, none, openai or scripted.")
    ] = OBEDIENT,
    conversations: Annotated[int | None, typer.Option(min=1, max=8, help="The first so many only.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of users, places and resamples.")] = 0,
    release: Annotated[str | None, typer.Option(help="Release to attack; default the current one.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    json_: JsonFlag = False,
) -> None:
    """Share of attacks that succeed, utility with and without them, shifted places, extra tool calls, memory writes.

    Runs in this process on a copy of the catalogue; nothing is stored.
    """
    from app.commands.recommend import open_recommender, with_changes
    from app.settings import load_settings

    kind: Literal["embedded", "none", "openai", "scripted"] | None = None if llm == OBEDIENT else llm  # type: ignore[assignment]
    settings = load_settings(home=home, llm=kind)
    opened = open_recommender(settings, release)
    try:
        with Bar() as bar:
            report = asyncio.run(_attack(with_changes(opened), settings, llm, seed, conversations, bar))
    finally:
        opened.close()
    if json_:
        typer.echo(report.to_json())
        return
    from rich.table import Table

    table = Table("figure", "value", box=None, header_style="bold")
    for name, value in report.figures.items():
        table.add_row(name, f"{value:g}")
    console().print(table)


async def _attack(recommender: Any, settings: Settings, llm: str, seed: int, limit: int | None, bar: Bar) -> Any:
    from eval.attacks.run import run_attacks

    model = await _model(settings, llm)
    try:
        return await run_attacks(recommender, model, seed=seed, limit=limit, progress=bar)
    finally:
        await model.aclose()


async def _model(settings: Settings, llm: str) -> ChatModel:
    if llm == OBEDIENT:
        from eval.attacks.obedient import ObedientModel

        return ObedientModel()
    from agents.llm.factory import make_chat_model
    from app.runtime import llm_settings

    model = make_chat_model(llm_settings(settings))
    await model.start()
    status = await model.wait_ready(settings.llm_start_s)
    if status.state not in {"ready", "off"}:
        await model.aclose()
        raise Failed(f"the language model is {status.state}: {status.reason}")
    return model
