"""`sidra eval emotion` and `sidra eval calm`: whether emotions are named rightly, and whether calming calms."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.terminal import Bar, Failed, JsonFlag, console, emit, say

if TYPE_CHECKING:
    from agents.llm.protocol import ChatModel
    from app.settings import Settings
    from eval.figures import Report

Home = Annotated[Path | None, typer.Option(help="Folder of releases.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Llm = Annotated[str, typer.Option(help="none (lexicon), embedded, openai or scripted.")]


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("emotion")(emotion)
    group.command("calm")(calm)


def emotion(
    data: Annotated[str, typer.Option(help="Folder of GoEmotions, or `hub`.")],
    emotion6: Annotated[Path | None, typer.Option(help="Folder of the set emotion6, to measure on it too.")] = None,
    weights: Annotated[Path | None, typer.Option(help="From `sidra train-emotion`; default those shipped.")] = None,
    seed: Seed = 0,
    json_: JsonFlag = False,
) -> None:
    """Macro-F1 over six emotions with intervals, beside a word list and the majority; and texts a second."""
    from app.commands.evaluate import tell
    from eval.emotion import evaluate_emotion
    from recsys_core.emotion import EmotionClassifier

    with Bar() as bar:
        report = evaluate_emotion(
            EmotionClassifier.load(weights), goemotions_source=data, emotion6_folder=emotion6, seed=seed, progress=bar
        )
    tell(report, json_)


def calm(
    data: Annotated[Path | None, typer.Option(help="Folder of AG News.")] = None,
    items: Annotated[int, typer.Option(min=4, help="Articles, a quarter of each category.")] = 800,
    llm: Llm = "none",
    traps: Annotated[bool, typer.Option("--traps", help="Forty texts with traps instead of the news.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write a page with plots.")] = None,
    seed: Seed = 0,
    home: Home = None,
    json_: JsonFlag = False,
) -> None:
    """RAW, BALANCED and COOL of the same news: stimulus, similarity, facts, reading ease, tests.

    Calmed texts are kept in SIDRA_HOME/calm, so a run that was cut off begins with what it had.
    """
    from app.settings import load_settings

    settings = load_settings(home=home, llm=llm)
    if traps:
        asyncio.run(_traps(settings, json_))
        return
    if data is None:
        raise typer.BadParameter("--data names the folder of AG News (docs/calm.md says where from)")
    with Bar() as bar:
        report = asyncio.run(_news(settings, data, items, seed, bar))
    if html is not None:
        from eval.calm.page import write_page

        say(f"Page with plots: {write_page(report, html)}")
    _tell(report, json_)


async def _news(settings: Settings, data: Path, items: int, seed: int, bar: Bar) -> Report:
    from agents.calm.adjust import Calmer
    from eval.calm.news import read_news, sample
    from eval.calm.run import evaluate_calm

    articles = read_news(data)
    calmer = Calmer.open(settings.home / "calm")
    model = await _model(settings)
    try:
        return await evaluate_calm(sample(articles, items, seed), articles, calmer, model, seed=seed, progress=bar)
    finally:
        calmer.close()
        if model is not None:
            await model.aclose()


async def _traps(settings: Settings, json_: bool) -> None:
    from agents.calm.adjust import Calmer
    from eval.calm.traps import spring
    from eval.figures import make_context

    calmer = Calmer.open(settings.home / "calm")
    model = await _model(settings)
    try:
        sprung = await spring(calmer, model)
    finally:
        calmer.close()
        if model is not None:
            await model.aclose()
    caught = sum(bool(one.wrong) for one in sprung)
    if json_:
        rows = [one.model_dump() for one in sprung]
        figures = {"traps": len(sprung), "caught": caught}
        emit({"figures": figures, "context": make_context(seed=0).model_dump(), "detail": {"traps": rows}})
        return
    _table([(one.name, one.made_by, one.after, "; ".join(one.wrong)) for one in sprung], "trap", "by", "shown", "wrong")
    say(f"{caught} of {len(sprung)} traps caught")


async def _model(settings: Settings) -> ChatModel | None:
    if settings.llm == "none":
        return None
    from agents.llm.factory import make_chat_model
    from app.runtime import llm_settings

    model = make_chat_model(llm_settings(settings))
    await model.start()
    status = await model.wait_ready(settings.llm_start_s)
    if status.state != "ready":
        await model.aclose()
        raise Failed(f"the language model is {status.state}: {status.reason}; --llm none measures the lexicon")
    return model


def _tell(report: Report, json_: bool) -> None:
    from app.commands.evaluate import tell

    tell(report, json_)
    if not json_:
        for statement, holds in report.detail["verdicts"].items():
            say(f"{'confirmed' if holds else 'not confirmed':>13}: {statement}")


def _table(rows: list[tuple[Any, ...]], *heads: str) -> None:
    from rich.table import Table

    table = Table(*heads, box=None, header_style="bold")
    for row in rows:
        table.add_row(*map(str, row))
    console().print(table)
