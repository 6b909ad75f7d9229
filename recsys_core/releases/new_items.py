"""Read further items for a catalogue that exists: same columns, same kinds, and every row good or none taken."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from recsys_core.catalog.catalogue import ATTRIBUTE_PREFIX, Catalogue
from recsys_core.catalog.changes import CatalogueChanges, new_items, retagged
from recsys_core.catalog.importer.mapping import ITEM_ROLES, ColumnMapping, attribute_columns, resolve
from recsys_core.catalog.importer.readers import RawTable, read_table
from recsys_core.catalog.importer.run import MAX_ID
from recsys_core.catalog.importer.values import as_text, convert, guess_kind
from recsys_core.catalog.rejects import shorten
from recsys_core.errors import DataError


def read_new_items(path: Path, mapping: ColumnMapping, catalogue: Catalogue) -> Catalogue:
    """A catalogue of the new items alone, with the fields of the one they are for.

    Args:
        path: CSV, TSV, JSON Lines or Parquet, as for an import.
        mapping: which column holds what, as for an import; kinds of attributes are those of the catalogue.
        catalogue: that the items are for.

    Raises:
        DataError: names the row (an id that is missing, too long, repeated or taken, no title, a value of the wrong
            kind) or the column (a field that the catalogue doesn't have); or there are no new items.
    """
    table = read_table(path, mapping)
    broken = table.rejects.frame()
    if broken.height:
        row, reason = broken["row"][0], broken["reason"][0]
        raise DataError(f"{table.file}, row {row} {reason} ({broken.height} such rows in all); mend the file")
    columns = resolve(mapping, ITEM_ROLES, table.frame.columns, table.file)
    chosen = _fields(table, mapping, columns.values(), catalogue)
    ids, titles = (as_text(table.frame[columns[role]]) for role in ("id", "title"))
    _refuse(table, ids.is_null(), "has no item id", titles)
    _refuse(table, ids.str.len_chars() > MAX_ID, f"has an item id of more than {MAX_ID} characters", ids)
    _refuse(table, ~ids.is_first_distinct(), "repeats the item id of an earlier row", ids)
    _refuse(table, ids.is_in(catalogue.ids), "has the id of an item that the release has already", ids)
    _refuse(table, titles.is_null(), "has no title", ids)
    parts = {"id": ids, "title": titles}
    parts |= {role: as_text(table.frame[columns[role]]) for role in ("text", "image") if role in columns}
    for name, spec in catalogue.fields.items():
        key = f"{ATTRIBUTE_PREFIX}{name}"
        if name not in chosen:
            parts[key] = pl.Series([None] * table.frame.height, dtype=catalogue.frame.schema[key])
            continue
        raw = table.frame[chosen[name]]
        converted, bad = convert(raw, spec.kind, mapping.list_separator)
        _refuse(table, bad, f"has a value of {name!r} that isn't a {spec.kind.value}", raw)
        parts[key] = converted
    frame = pl.DataFrame([column.rename(name) for name, column in parts.items()])
    return Catalogue(frame, item_noun=catalogue.item_noun)


def joined(catalogue: Catalogue, new: Catalogue) -> Catalogue:
    """Both catalogues in one: items that were there keep their index, new ones count on."""
    frame = pl.concat([catalogue.frame, new.frame.select(catalogue.frame.columns)], how="vertical_relaxed")
    return Catalogue(frame, item_noun=catalogue.item_noun)


def catalogue_after(catalogue: Catalogue, changes: CatalogueChanges) -> Catalogue:
    """A release's catalogue with new facts and new items; what is withdrawn is still shown.

    Args:
        catalogue: the release's own.
        changes: new items among them that the catalogue has are passed over.
    """
    missing = changes.missing(catalogue)
    grown = joined(catalogue, new_items(missing, catalogue)) if missing else catalogue
    return retagged(grown, changes.retags)


def _fields(table: RawTable, mapping: ColumnMapping, used: Iterable[str], catalogue: Catalogue) -> dict[str, str]:
    """Field of the catalogue -> column; a column that an import would leave out may be there."""
    stated = mapping.model_copy(update={"attribute_kinds": {}})
    chosen = attribute_columns(stated, table.frame.columns, used, table.file)
    known = {}
    for name, column in chosen.items():
        if name in catalogue.fields:
            known[name] = column
        elif guess_kind(table.frame[column], mapping.list_separator) is not None:
            fields = ", ".join(catalogue.fields) or "none"
            raise DataError(
                f"{table.file}: column {column!r} is no field of the release (its fields are {fields}); say --map "
                f"attribute.FIELD={column}, leave the column out, or import and build anew to have a new field"
            )
    return known


def _refuse(table: RawTable, bad: pl.Series, reason: str, value: pl.Series) -> None:
    rows = bad.fill_null(True).arg_true()
    if len(rows):
        first = int(rows[0])
        more = f" ({len(rows)} such rows in all)" if len(rows) > 1 else ""
        raise DataError(
            f"{table.file}, row {int(table.rows[first])} {reason}: {shorten(value[first])!r}{more}; nothing was added, "
            "mend the file"
        )
