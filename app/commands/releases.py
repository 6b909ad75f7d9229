"""`sidra releases`: which there are, which is in use, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.terminal import JsonFlag, console, emit, say

Home = Annotated[Path | None, typer.Option(help="Folder of releases.")]


def register(cli: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="List, choose and roll back releases.", no_args_is_help=True)
    group.command("list")(list_releases)
    group.command("use")(use)
    group.command("rollback")(rollback)
    cli.add_typer(group, name="releases")


def list_releases(home: Home = None, json_: JsonFlag = False) -> None:
    """All releases, the one in use marked."""
    from app.settings import load_settings
    from recsys_core.releases.store import ReleaseStore

    found = ReleaseStore(load_settings(home=home).home).list()
    if json_:
        emit({"releases": [info.model_dump(mode="json") for info in found]})
        return
    if not found:
        say("There is no release yet; `sidra build` makes one.")
        return
    from rich.table import Table

    table = Table("", "release", "created", "data set", "items", "problem", box=None, header_style="bold")
    for info in found:
        mark = "→" if info.current else ""
        table.add_row(mark, info.id, info.created[:19], info.dataset, str(info.item_count), info.problem or "")
    console().print(table)


def use(
    release: Annotated[str, typer.Argument(help="Id of a release.")], home: Home = None, json_: JsonFlag = False
) -> None:
    """Make a release the current one. A running API goes on with its own until it is started again."""
    from app.settings import load_settings
    from recsys_core.releases.store import ReleaseStore

    ReleaseStore(load_settings(home=home).home).use(release)
    _tell(release, json_)


def rollback(home: Home = None, json_: JsonFlag = False) -> None:
    """Go back to the release that was current before."""
    from app.settings import load_settings
    from recsys_core.releases.store import ReleaseStore

    _tell(ReleaseStore(load_settings(home=home).home).rollback(), json_)


def _tell(release: str, json_: bool) -> None:
    if json_:
        emit({"current": release})
    else:
        say(f"Release {release} is current; restart the API to serve it.")
