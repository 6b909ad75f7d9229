"""`sidra items`: withdraw, offer again, re-tag and add items of the current release, without a build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.terminal import Bar, JsonFlag, console, emit, say
from app.visible import visible

if TYPE_CHECKING:
    from recsys_core.catalog.catalogue import Catalogue
    from recsys_core.catalog.changes import Applied, Change
    from recsys_core.releases.release import Release

Home = Annotated[Path | None, typer.Option(help="Folder of releases.")]
Ids = Annotated[list[str], typer.Argument(help="Item ids; all of them or none.", metavar="ID...")]


def register(cli: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Withdraw, re-tag and add items; a running API has it from its next request on.", no_args_is_help=True
    )
    group.command("withdraw")(withdraw)
    group.command("restore")(restore)
    group.command("retag")(retag)
    group.command("add")(add)
    group.command("changes")(changes)
    group.command("merge")(merge)
    cli.add_typer(group, name="items")


def withdraw(ids: Ids, home: Home = None, json_: JsonFlag = False) -> None:
    """Show items no more, on this release and every other of its data set."""
    from recsys_core.catalog.changes import Withdraw

    _apply(home, lambda catalogue: Withdraw(items=ids), json_)


def restore(ids: Ids, home: Home = None, json_: JsonFlag = False) -> None:
    """Show withdrawn items again."""
    from recsys_core.catalog.changes import Restore

    _apply(home, lambda catalogue: Restore(items=ids), json_)


def retag(
    item: Annotated[str, typer.Argument(help="Item id.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="field=value, tags as field=one|two; repeat.")] = None,
    clear: Annotated[list[str] | None, typer.Option(help="Field whose value is taken away; repeat.")] = None,
    home: Home = None,
    json_: JsonFlag = False,
) -> None:
    """Change facts of an item; filters and cards follow at once, what the model learned at the next build."""
    from recsys_core.catalog.changes import Retag

    pairs = [text.partition("=") for text in set_ or []]
    if not pairs and not clear:
        raise typer.BadParameter("give --set field=value or --clear field")
    wrong = next((name for name, equals, _ in pairs if not equals or not name), None)
    if wrong is not None:
        raise typer.BadParameter(f"--set {wrong!r}: write field=value")

    def make(catalogue: Catalogue) -> Change:
        values = {name: _value(catalogue, name, text) for name, _, text in pairs}
        return Retag(item=item, attributes={**values, **dict.fromkeys(clear or [])})

    _apply(home, make, json_)


def add(
    items: Annotated[Path, typer.Option(help="New items: CSV, TSV, Parquet or JSON Lines, columns as for an import.")],
    mapping: Annotated[Path | None, typer.Option(help="TOML file that says which column is what.")] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="key=column on top of that, as id=sku; repeat.")
    ] = None,
    home: Home = None,
    json_: JsonFlag = False,
) -> None:
    """Add items; they can be found and recommended at once. For many, `sidra releases extend` makes a release."""
    from recsys_core.catalog.importer import ColumnMapping

    columns = (ColumnMapping.load(mapping) if mapping is not None else ColumnMapping()).with_flags(map_ or [])

    def make(catalogue: Catalogue) -> Change:
        from recsys_core.catalog.changes import MAX_ADDED, Add, NewItem
        from recsys_core.errors import DataError
        from recsys_core.releases.new_items import read_new_items

        new = read_new_items(items, columns, catalogue)
        if len(new) > MAX_ADDED:
            raise DataError(
                f"{items} has {len(new)} items; up to {MAX_ADDED} can be added to a release in use, for more run "
                f"`sidra releases extend --items {items}`"
            )
        return Add(items=[NewItem(**new.item(row).model_dump()) for row in range(len(new))])

    _apply(home, make, json_)


def changes(home: Home = None, json_: JsonFlag = False) -> None:
    """What is withdrawn, re-tagged and added beside the current release."""
    from recsys_core.releases.change_release import changed_catalogue, describe

    release = _release(home)
    catalogue, found = changed_catalogue(release)
    withdrawn = sorted(item for item in found.withdrawn if catalogue.knows(item))
    if json_:
        emit(
            {
                **describe(release).model_dump(),
                "withdrawn_ids": withdrawn,
                "retagged": {item: dict(values) for item, values in found.retags.items()},
                "added": [item.id for item in found.added],
            }
        )
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("change", "item", "title", "facts", box=None, header_style="bold")
    for item in withdrawn:
        table.add_row("withdrawn", item, Text(visible(catalogue.titles[catalogue.index(item)])), "")
    for item, values in found.retags.items():
        facts = ", ".join(f"{name}={value}" for name, value in values.items())
        if catalogue.knows(item):
            table.add_row(
                "re-tagged", item, Text(visible(catalogue.titles[catalogue.index(item)])), Text(visible(facts))
            )
    for new in found.added:
        table.add_row("added", new.id, Text(visible(new.title)), "")
    console().print(table)
    _tell(describe(release), json_)


def merge(home: Home = None, json_: JsonFlag = False) -> None:
    """Write a release that holds new and re-tagged items itself. A running API goes on with its own to the same end."""
    from app.settings import load_settings
    from recsys_core.releases.change_release import changed_catalogue, describe
    from recsys_core.releases.extend import merge_changes
    from recsys_core.releases.store import ReleaseStore

    store = ReleaseStore(load_settings(home=home).home)
    release = store.open()
    _, found = changed_catalogue(release)
    if found.added or found.retags:
        with Bar() as bar:

            def report(event: Any) -> None:
                bar(event.stage, 0 if event.kind == "start" else 100, 100)

            release = merge_changes(store, release, found, report=report)
    _tell(describe(release), json_)


def _apply(home: Path | None, make: Any, json_: bool) -> None:
    from recsys_core.releases.change_release import change_release

    _tell(change_release(_release(home), make), json_)


def _release(home: Path | None) -> Release:
    from app.settings import load_settings
    from recsys_core.releases.store import ReleaseStore

    return ReleaseStore(load_settings(home=home).home).open()


def _value(catalogue: Catalogue, name: str, text: str) -> Any:
    """A value as its field wants it; what can't be read goes on as text, and the check says what is wrong."""
    from recsys_core.catalog.items import FieldKind

    spec = catalogue.fields.get(name)
    if spec is None or spec.kind is FieldKind.string:
        return text
    if spec.kind is FieldKind.tags:
        return [part.strip() for part in text.split("|") if part.strip()]
    if spec.kind is FieldKind.flag:
        return {"true": True, "false": False}.get(text.casefold(), text)
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _tell(applied: Applied, json_: bool) -> None:
    if json_:
        emit(applied.model_dump())
    else:
        say(
            f"Change {applied.number} is in force on release {applied.release}: {applied.items} items may be shown, "
            f"{applied.withdrawn} are withdrawn, {applied.pending} new or re-tagged ones wait to be merged."
        )
