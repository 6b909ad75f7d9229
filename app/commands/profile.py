"""`sidra profile USER`: what is known of a user, written by rules or a language model; in process."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.terminal import JsonFlag, emit, say
from app.visible import visible

if TYPE_CHECKING:
    from agents.profile.service import ProfileState
    from app.settings import Settings


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("profile")(profile)


def profile(
    user: Annotated[str, typer.Argument(help="Whose profile.")],
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Write it anew, by the language model if one is set.")
    ] = False,
    llm: Annotated[str | None, typer.Option(help="none, embedded, openai or scripted; default SIDRA_LLM.")] = None,
    candidates: Annotated[
        int | None, typer.Option(min=1, max=16, help="How many the language model writes; the best is kept.")
    ] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    json_: JsonFlag = False,
) -> None:
    """Show a user's profile, line by line, with who wrote it, when and why."""
    from app.settings import load_settings

    settings = load_settings(home=home, llm=llm, profile_candidates=candidates)
    if not user.strip():
        raise typer.BadParameter("USER: say whose profile, as the interaction log names them")
    state = asyncio.run(_state(settings, user, refresh=refresh))
    if json_:
        emit(
            {**state.profile.model_dump(mode="json"), "user_id": user, "text": state.profile.text, "known": state.known}
        )
    else:
        _draw(user, state)


async def _state(settings: Settings, user: str, *, refresh: bool) -> ProfileState:
    from agents.llm.factory import make_chat_model
    from agents.llm.none import NoChatModel
    from agents.profile.config import ProfileConfig
    from agents.profile.service import ProfileService
    from agents.store import FeedbackStore, ProfileStore, open_database
    from app.commands.recommend import open_recommender, with_changes
    from app.runtime import database_config, llm_settings

    opened = open_recommender(settings)
    # without --refresh nothing is asked of a language model, so none is loaded
    model = make_chat_model(llm_settings(settings)) if refresh else NoChatModel()
    try:
        database = open_database(database_config(settings))
        try:
            if refresh:
                await model.start()
                await model.wait_ready(settings.llm_start_s)
            config = ProfileConfig(candidates=settings.profile_candidates, refresh_after=settings.profile_refresh_after)
            service = ProfileService(model, ProfileStore(database), config)
            thumbs = FeedbackStore(database).of(user)
            recommender = with_changes(opened)
            ask = service.refresh if refresh else service.current
            return await ask(user, recommender, thumbs)
        finally:
            await model.aclose()
            database.close()
    finally:
        opened.close()


def _draw(user: str, state: ProfileState) -> None:
    found = state.profile
    if not found.lines:
        say(f"Nothing is known of {visible(user)}: no history in this release and no thumbs.")
        return
    for line in found.lines:
        marks = [word for word, holds in (("yours", line.by == "user"), ("pinned", line.pinned)) if holds]
        say(visible(line.text) + (f"  [{', '.join(marks)}]" if marks else ""))
    when = datetime.fromtimestamp(found.written, UTC).strftime("%Y-%m-%d %H:%M UTC")
    author = {"rules": "by rules", "llm": f"by {found.model}", "user": "by the user"}[found.by]
    chosen = f", the best of {found.candidates}" if found.candidates > 1 else ""
    say(f"Version {found.version}, written {author} on {when}{chosen}: {visible(found.why)}.")
    if found.mark:
        say(visible(found.mark))
    if found.barred:
        say(f"Struck out: {visible(', '.join(found.barred))}")
