"""`sidra bench memory`: thousands of turns in one process, and whether it stays as large as it is."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from app.commands.terminal import Bar, JsonFlag, console


def bench_memory(
    turns: Annotated[int, typer.Option(min=10, help="How many turns.")] = 5000,
    keep: Annotated[int, typer.Option(min=1, help="Conversations that are not deleted, the newest ones.")] = 20,
    llm: Annotated[str, typer.Option(help="scripted (one sentence, always the same) or none.")] = "scripted",
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    json_: JsonFlag = False,
) -> None:
    """Hold thousands of turns one after the other; report how resident memory and files grow after the warm-up."""
    from agents.llm.none import NoChatModel
    from app.commands.recommend import open_recommender
    from app.settings import load_settings
    from eval.bench.memory import bench_memory as measure
    from eval.bench.memory import scripted_model

    if llm not in {"scripted", "none"}:
        raise typer.BadParameter("scripted or none: this measures Sidra, not a language model", param_hint="--llm")
    recommender = open_recommender(load_settings(home=home), None)
    try:
        with TemporaryDirectory(prefix="sidra-turns-") as folder, Bar() as bar:
            model = scripted_model() if llm == "scripted" else NoChatModel()
            report = measure(recommender, model, Path(folder), turns, keep=keep, progress=bar)
    finally:
        recommender.close()
    if json_:
        typer.echo(report.to_json())
        return
    from rich.table import Table

    table = Table("figure", "value", box=None, header_style="bold")
    for name, value in report.figures.items():
        table.add_row(name, f"{value:,.3f}".rstrip("0").rstrip("."))
    console().print(table)
