"""`sidra releases`: which there are, which is in use, the way back, and further items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.terminal import Bar, JsonFlag, console, emit, say

Home = Annotated[Path | None, typer.Option(help="Folder of releases.")]


def register(cli: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="List, choose, extend and roll back releases.", no_args_is_help=True)
    group.command("list")(list_releases)
    group.command("use")(use)
    group.command("rollback")(rollback)
    group.command("extend")(extend)
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


def extend(
    items: Annotated[Path, typer.Option(help="New items: CSV, TSV, Parquet or JSON Lines, columns as for an import.")],
    mapping: Annotated[Path | None, typer.Option(help="TOML file that says which column is what.")] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="key=column on top of that, as id=sku; repeat.")
    ] = None,
    paths: Annotated[int, typer.Option(min=1, max=64, help="Semantic IDs that each new item gets at most.")] = 4,
    home: Home = None,
    json_: JsonFlag = False,
) -> None:
    """Add items to the current release without training; the new release becomes current in one step.

    Old items keep their semantic IDs, the generator its weights. A row that can't be used stops everything.
    """
    from app.settings import load_settings
    from recsys_core.catalog.importer import ColumnMapping
    from recsys_core.generator.cold import ColdConfig
    from recsys_core.generator.cold_paths import PathConfig
    from recsys_core.releases.added import EXTENSION
    from recsys_core.releases.extend import ExtendConfig, extend_release
    from recsys_core.releases.store import ReleaseStore

    columns = ColumnMapping.load(mapping) if mapping is not None else ColumnMapping()
    cold = ColdConfig(paths=PathConfig(registered=paths, candidates=max(8, paths)))
    with Bar() as bar:

        def report(event: Any) -> None:
            bar(event.stage, 0 if event.kind == "start" else 100, 100)

        release = extend_release(
            ReleaseStore(load_settings(home=home).home),
            items,
            columns.with_flags(map_ or []),
            ExtendConfig(cold=cold),
            report=report,
        )
    extension = release.manifest.config[EXTENSION]
    added, left_out = extension["added"], extension["left_out"]
    if json_:
        emit(
            {
                "current": release.id,
                "added": added,
                "left_out": left_out,
                "release": release.manifest.model_dump(mode="json"),
            }
        )
    else:
        say(f"{added} new, {release.manifest.item_count} in all.")
        if left_out:
            say(
                f"Left out of the new release, since added items are unknown to it: generator {', '.join(left_out)}. "
                "`sidra build --with-lm` trains it anew; until then SIDRA_GENERATOR must be compact."
            )
        _tell(release.id, json_)


def _tell(release: str, json_: bool) -> None:
    if json_:
        emit({"current": release})
    else:
        say(f"Release {release} is current; restart the API to serve it.")
