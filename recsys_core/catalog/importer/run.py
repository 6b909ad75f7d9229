"""The import itself: two files in, one data set folder out, or one sentence and nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from recsys_core.catalog.catalogue import ATTRIBUTE_PREFIX, Catalogue
from recsys_core.catalog.dataset import ImportReport, check_name, write_dataset
from recsys_core.catalog.importer.mapping import (
    INTERACTION_ROLES,
    ITEM_ROLES,
    ColumnMapping,
    attribute_columns,
    resolve,
)
from recsys_core.catalog.importer.readers import RawTable, read_table
from recsys_core.catalog.importer.values import as_number, as_seconds, as_text, convert, guess_kind, is_missing
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.rejects import check_share
from recsys_core.durable import free_space, is_disk_full
from recsys_core.errors import DataError

MIN_ITEMS = 2
"""Fewest items among which something can be recommended."""

MAX_ID = 256
"""Longest item or user id, in characters."""

Check = tuple[pl.Series, str, pl.Series]
"""Where a row is bad, why, and the column that holds the value at fault."""


def import_dataset(
    items_path: Path,
    interactions_path: Path,
    mapping: ColumnMapping,
    out_dir: Path,
    name: str,
    max_bad_share: float = 0.05,
) -> ImportReport:
    """Import a catalogue and its interactions into ``out_dir/name``.

    Args:
        items_path: CSV, TSV, JSON Lines or Parquet; one item a record.
        interactions_path: the same kinds; one interaction a record. Ties in time keep the order of this file.
        mapping: which column holds what; what it leaves out is guessed from common names.
        out_dir: folder of all data sets.
        name: of this data set; an earlier one of the same name is replaced.
        max_bad_share: share of a file's records that may be refused, 0 to 1; refused ones go to ``rejects.csv``.

    Raises:
        DataError: names file, row and remedy; nothing was imported. If too many rows were refused they are listed in
            ``out_dir/name.rejects.csv``.
    """
    check_name(name)
    out_dir = Path(out_dir)
    report = out_dir / f"{name}.rejects.csv"
    report.unlink(missing_ok=True)
    catalogue, item_rejects, notes = _items(Path(items_path), mapping, max_bad_share, report)
    log, log_rejects, log_notes = _interactions(Path(interactions_path), mapping, catalogue, max_bad_share, report)
    return write_dataset(
        out_dir,
        name,
        catalogue,
        log,
        source=f"{Path(items_path).name}, {Path(interactions_path).name}",
        rejects=pl.concat([item_rejects, log_rejects]),
        notes=[*notes, *log_notes],
    )


def _items(
    path: Path, mapping: ColumnMapping, allowed: float, report: Path
) -> tuple[Catalogue, pl.DataFrame, list[str]]:
    table = read_table(path, mapping)
    columns = resolve(mapping, ITEM_ROLES, table.frame.columns, table.file)
    chosen = attribute_columns(mapping, table.frame.columns, columns.values(), table.file)
    ids, titles = (as_text(table.frame[columns[role]]) for role in ("id", "title"))
    first = ids.is_first_distinct() | ids.is_null()
    checks: list[Check] = [
        (ids.is_null(), "has no item id", ids),
        (ids.str.len_chars().fill_null(0) > MAX_ID, f"has an item id of more than {MAX_ID} characters", ids),
        (~first, "repeats the item id of an earlier row, which is kept", ids),
        (titles.is_null(), "has no title", ids),
    ]
    attributes, notes = _attributes(table, chosen, mapping, checks)
    keep = _refuse(table, checks)
    rejects = table.rejects.frame()
    _stop_if_too_many(rejects, table.total, allowed, report)
    parts = {"id": ids, "title": titles}
    parts |= {role: _told(table.frame[columns[role]], role) for role in ("text", "image") if role in columns}
    parts |= {f"{ATTRIBUTE_PREFIX}{name}": column for name, column in attributes.items()}
    frame = pl.DataFrame([column.rename(name) for name, column in parts.items()]).filter(keep)
    if frame.height < MIN_ITEMS:
        raise DataError(
            f"{path} holds {frame.height} usable {'item' if frame.height == 1 else 'items'}; "
            f"a recommender needs at least {MIN_ITEMS} to choose from"
        )
    return Catalogue(frame, item_noun=mapping.item_noun), rejects, notes


def _told(column: pl.Series, role: str) -> pl.Series:
    """Text or picture; of a list the paragraphs one after another, or the first picture."""
    if isinstance(column.dtype, pl.List):
        column = column.list.first() if role == "image" else column.list.join(" ")
    return as_text(column)


def _attributes(
    table: RawTable, chosen: dict[str, str], mapping: ColumnMapping, checks: list[Check]
) -> tuple[dict[str, pl.Series], list[str]]:
    """Converted attribute columns and notes; a value that a forced kind can't hold adds to ``checks``."""
    attributes: dict[str, pl.Series] = {}
    notes: list[str] = []
    for name, column in chosen.items():
        raw = table.frame[column]
        kind = mapping.attribute_kinds.get(name) or guess_kind(raw, mapping.list_separator)
        if kind is None:
            notes.append(f"column {column!r} of {Path(table.file).name} was left out: it holds nothing to compare by")
            continue
        attributes[name], bad = convert(raw, kind, mapping.list_separator)
        checks.append((bad, f"has a value of {name!r} that isn't a {kind.value}", raw))
    return attributes, notes


def _interactions(
    path: Path, mapping: ColumnMapping, catalogue: Catalogue, allowed: float, report: Path
) -> tuple[InteractionLog, pl.DataFrame, list[str]]:
    table = read_table(path, mapping)
    columns = resolve(mapping, INTERACTION_ROLES, table.frame.columns, table.file)
    raw = {role: table.frame[column] for role, column in columns.items()}
    users, items = as_text(raw["user"]), as_text(raw["item"])
    seconds, note = as_seconds(raw["timestamp"], mapping.timestamp_unit, mapping.timestamp_format)
    known = pl.DataFrame({"id": catalogue.ids, "item": np.arange(len(catalogue))})
    index = items.to_frame("id").join(known, on="id", how="left", maintain_order="left")["item"]
    checks: list[Check] = [
        (users.is_null(), "has no user id", items),
        (users.str.len_chars().fill_null(0) > MAX_ID, f"has a user id of more than {MAX_ID} characters", users),
        (items.is_null(), "has no item id", users),
        (index.is_null(), "is about an item that the catalogue doesn't have", items),
        (is_missing(raw["timestamp"]), "has no timestamp", users),
        (seconds.is_null(), "has a timestamp that can't be read as a time between 1900 and 2200", raw["timestamp"]),
    ]
    parts = {"user_id": users, "item": index, "timestamp": seconds}
    if "value" in raw:
        parts["value"] = as_number(raw["value"])
        checks.append(
            (parts["value"].is_null() & ~is_missing(raw["value"]), "has a value that isn't a number", raw["value"])
        )
    if "kind" in raw:
        parts["kind"] = as_text(raw["kind"])
    keep = _refuse(table, checks)
    rejects = table.rejects.frame()
    _stop_if_too_many(rejects, table.total, allowed, report)
    frame = pl.DataFrame([column.rename(name) for name, column in parts.items()]).filter(keep)
    if frame.height == 0:
        raise DataError(f"{path} holds no usable interaction (all {table.total:,} records were refused); mend the file")
    log = InteractionLog.from_frame(frame, len(catalogue))
    return log, rejects, [*([note] if note else []), *_remarks(log, catalogue)]


def _remarks(log: InteractionLog, catalogue: Catalogue) -> list[str]:
    notes = []
    unseen = int((log.popularity() == 0).sum())
    if unseen:
        notes.append(f"{unseen:,} of {len(catalogue):,} {catalogue.item_noun} have no interactions")
    short = int((np.diff(log.offsets) < 3).sum())
    if short:
        notes.append(f"{short:,} of {log.n_users:,} users have fewer than 3 interactions and can't be used to evaluate")
    return notes


def _refuse(table: RawTable, checks: Sequence[Check]) -> pl.Series:
    """Enter each bad row once, with the first reason that applies; returns which rows are good."""
    good = pl.Series([True] * table.frame.height, dtype=pl.Boolean)
    for bad, reason, value in checks:
        rows = (good & bad.fill_null(True)).arg_true()
        if len(rows):
            table.rejects.add_frame(
                pl.DataFrame({"row": table.rows[rows.to_numpy()], "value": as_text(value.gather(rows))}).with_columns(
                    pl.lit(reason).alias("reason")
                )
            )
            good = good & ~bad.fill_null(True)
    return good


def _stop_if_too_many(rejects: pl.DataFrame, total: int, allowed: float, report: Path) -> None:
    try:
        check_share(rejects, total, allowed, report)
    except DataError:
        try:
            report.parent.mkdir(parents=True, exist_ok=True)
            rejects.write_csv(report)
        except OSError as error:
            cause = f"full ({free_space(report)} free)" if is_disk_full(error) else f"not writable ({error})"
            raise DataError(
                f"too many rows can't be used, and the list of them can't be kept: {report} is {cause}"
            ) from error
        raise
