"""`sidra eval next-wish`: whether suggestions name what people choose next."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.commands.terminal import Bar, JsonFlag, say


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("next-wish")(next_wish)


def next_wish(
    users: Annotated[int | None, typer.Option(min=1, help="A random sample of so many users; default all.")] = None,
    llm: Annotated[str, typer.Option(help="Language model that adds suggestions for some users.")] = "none",
    llm_users: Annotated[int, typer.Option(min=1, help="So many of them.")] = 20,
    split: Annotated[str, typer.Option(help="test, or validation while choosing settings.")] = "test",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    release: Annotated[str | None, typer.Option(help="Release to measure; default the current one.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    json_: JsonFlag = False,
) -> None:
    """How often a suggestion's tags fit the next interaction, beside simpler suggestions; how often interest moves."""
    from agents.llm.factory import make_chat_model
    from app.commands.evaluate import tell
    from app.commands.recommend import open_recommender
    from app.runtime import llm_settings
    from app.settings import load_settings
    from eval.next_wish import evaluate_next_wish

    if split not in {"test", "validation"}:
        raise typer.BadParameter("--split is test or validation")
    settings = load_settings(home=home, llm=llm)
    recommender = open_recommender(settings, release)
    make = None if settings.llm == "none" else partial(make_chat_model, llm_settings(settings))
    try:
        with Bar() as bar:
            report = evaluate_next_wish(
                recommender,
                llm=make,
                llm_users=llm_users,
                llm_start_s=settings.llm_start_s,
                users=users,
                stage=split,
                seed=seed,
                progress=bar,
            )
    finally:
        recommender.close()
    tell(report, json_)
    if not json_:
        for texts in report.detail["examples"][:5]:
            say("  ".join(f"[{text}]" for text in texts))
