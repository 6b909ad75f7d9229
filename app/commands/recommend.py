"""`sidra recommend`: one list, in process, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.terminal import JsonFlag, console, emit, say
from app.visible import visible

if TYPE_CHECKING:
    from agents.store import Database
    from app.schemas import RecommendAnswer
    from app.settings import Settings
    from recsys_core.serving.recommender import Recommender

_FILTER_HELP = "field=value, field!=value, field>=n, field<=n, field=a..b, or a JSON rule; repeat for several."


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("recommend")(recommend)


def recommend(
    user: Annotated[str | None, typer.Option(help="Whose history and thumbs to use.")] = None,
    history: Annotated[
        list[str] | None, typer.Option(help="An item id, oldest first; repeat. Instead of --user.")
    ] = None,
    task: Annotated[
        str, typer.Option(help="for_you, query, category, long_tail, discover, season or holiday.")
    ] = "for_you",
    instruction: Annotated[str, typer.Option(help="What is wanted, in plain words.")] = "",
    about: Annotated[
        str, typer.Option(help="What you say of yourself; alone it is enough for a list, beside --user it leans.")
    ] = "",
    filters: Annotated[list[str] | None, typer.Option("--filter", help=_FILTER_HELP)] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="An item id that must not come; repeat.")] = None,
    like: Annotated[list[str] | None, typer.Option(help="An item id the list should resemble; repeat.")] = None,
    k: Annotated[int, typer.Option(min=1, max=500, help="How many items.")] = 10,
    beam: Annotated[str, typer.Option(help="Width of the search, 1 to 1000; or `exact`, which misses nothing.")] = "20",
    generator: Annotated[str | None, typer.Option(help="compact, lm or vllm; default SIDRA_GENERATOR.")] = None,
    model: Annotated[str, typer.Option(help="sidra, generator, item_cf or popularity.")] = "sidra",
    release: Annotated[str | None, typer.Option(help="Release to ask; default the current one.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    json_: JsonFlag = False,
) -> None:
    """Recommend items for a user, a history, a self-description, an instruction, or all of them."""
    from pydantic import ValidationError

    from app.commands.filter_syntax import parse_filters
    from app.recommending import answer
    from app.schemas import RecommendBody
    from app.settings import load_settings

    settings = load_settings(home=home, generator=generator)
    try:
        rule = parse_filters(filters or [])
        body = RecommendBody(
            user_id=user,
            history=history or [],
            task=task,  # type: ignore[arg-type]
            instruction=instruction,
            about=about,
            filter=rule,
            exclude=exclude or [],
            anchors=like or [],
            k=k,
            **search_of(beam),
            model=model,  # type: ignore[arg-type]
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise typer.BadParameter(f"{name}: {first['msg']}") from error
    opened = open_recommender(settings, release)
    try:
        recommender = with_changes(opened)
        thumbs = stored_thumbs(settings, user)
        kept = stored_profile(settings, user, recommender, thumbs) if not (instruction or about) else ("", "")
        result = answer(recommender, body, thumbs, kept)
    finally:
        opened.close()
    if json_:
        emit(result.model_dump(mode="json"))
    else:
        _draw(result, recommender.catalogue.item_noun)


def search_of(beam: str) -> dict[str, Any]:
    """Fields of a request: a width, or an exact search.

    Raises:
        typer.BadParameter: neither a number nor `exact`.
    """
    if beam.strip().lower() == "exact":
        return {"search": "exact"}
    try:
        return {"beam": int(beam)}
    except ValueError:
        raise typer.BadParameter(f"--beam is a number from 1 to 1000 or `exact`, not {beam!r}") from None


def open_recommender(settings: Settings, release_id: str | None = None) -> Recommender:
    """The recommender of a release as it was built; :func:`with_changes` lays later changes over it.

    Raises:
        ReleaseError: there is none, or it can't be read.
    """
    from recsys_core.releases.store import ReleaseStore

    release = ReleaseStore(settings.home).open(release_id)
    # After the release is found: a missing one should be told at once, not after torch is loaded.
    from app.recommending import beam_config, generator_servers
    from recsys_core.serving.recommender import Recommender

    return Recommender.open(
        release,
        vector_store=settings.vector_store,
        generator=settings.generator,
        beam=beam_config(settings),
        servers=generator_servers(settings),
    )


def with_changes(recommender: Recommender) -> Recommender:
    """The same with what was withdrawn, re-tagged and added since."""
    from recsys_core.serving.live import LiveRecommender

    return LiveRecommender(recommender).current()


def stored_thumbs(settings: Settings, user: str | None) -> dict[str, int]:
    """The thumbs of a user from earlier conversations on this machine."""
    from agents.store import FeedbackStore

    database = _stored(settings) if user is not None else None
    if database is None or user is None:
        return {}
    try:
        return FeedbackStore(database).of(user)
    finally:
        database.close()


def stored_profile(
    settings: Settings, user: str | None, recommender: Recommender, thumbs: dict[str, int]
) -> tuple[str, str]:
    """What a user says of themselves on the page, and the profile that is kept."""
    from agents.llm.none import NoChatModel
    from agents.profile.service import ProfileService
    from agents.store import ProfileStore

    database = _stored(settings) if user is not None else None
    if database is None or user is None:
        return "", ""
    try:
        return ProfileService(NoChatModel(), ProfileStore(database)).words(user, recommender, thumbs)
    finally:
        database.close()


def _stored(settings: Settings) -> Database | None:
    """The tables of users; None where nothing has been kept yet."""
    from agents.store import open_database
    from agents.store.opening import USERS_FILE
    from app.runtime import database_config

    config = database_config(settings)
    if config.url is None and not (config.folder / USERS_FILE).is_file():
        return None
    return open_database(config)


def _draw(result: RecommendAnswer, noun: str) -> None:
    from rich.table import Table
    from rich.text import Text

    for note in result.notes:
        say(visible(note))
    if not result.items:
        say(f"No {noun} are allowed by the filter and the exclusions.")
        return
    names = list(dict.fromkeys(name for item in result.items for name in item.attributes))[:4]
    table = Table("#", "id", "title", *names, "log p", box=None, header_style="bold")
    for place, item in enumerate(result.items, 1):
        facts = [_plain(item.attributes.get(name)) for name in names]
        # as text: a title may look like markup
        cells = [Text(visible(cell)) for cell in (item.item_id, item.title, *facts)]
        table.add_row(str(place), *cells, f"{item.log_probability:.2f}")
    console().print(table)
    took = sum(result.timings_ms.values())
    if result.expanded is not None:
        say(f"exact: {result.expanded} prefixes expanded")
    say(f"{result.allowed} {noun} allowed, {took:.0f} ms, generator {result.generator}, release {result.release}")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in value[:3])
    return "" if value is None else str(value)
