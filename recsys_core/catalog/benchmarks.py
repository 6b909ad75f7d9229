"""Public research sets in the layout of a data folder: item sequences per user, with whatever is known of the items.

A data folder (``SIDRA_DATA_DIR`` or ``--data-dir``) holds one folder a set. Every set is order only: a line of
``sequences.txt.gz`` is a user and their items, oldest first. Where each set comes from is written in docs/data.md.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys_core.catalog.catalogue import ATTRIBUTE_PREFIX, Catalogue
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.errors import ConfigError, DataError

DATA_DIR_VARIABLE = "SIDRA_DATA_DIR"
"""Environment variable that names the data folder."""

SEQUENCES = "sequences.txt.gz"


class BenchmarkSource(NamedTuple):
    """What is known of one set.

    Attributes:
        folder: its folder inside the data folder.
        noun: what its items are called.
        origin: where it comes from, in words.
        licence: what may be done with it.
        items: reads what is known of the items: (folder, item ids) to a frame for :class:`Catalogue`.
    """

    folder: str
    noun: str
    origin: str
    licence: str
    items: Callable[[Path, list[str]], pl.DataFrame]


def load_benchmark(name: str, data_dir: Path | None = None) -> tuple[Catalogue, InteractionLog]:
    """Read one of the :data:`BENCHMARKS`.

    Args:
        name: such as ``scientific``.
        data_dir: the data folder; ``SIDRA_DATA_DIR`` when None.

    Returns:
        Catalogue (items that somebody acted on, by id) and log; its timestamps are 0, 1, 2, ... a user.

    Raises:
        ConfigError: no such set, or no data folder is named.
        DataError: the set isn't there, or a line can't be read.
    """
    source = benchmark_source(name)
    folder = benchmark_folder(name, data_dir)
    users, sequences = read_sequences(folder / SEQUENCES)
    order = sorted({item for sequence in sequences for item in sequence}, key=_natural)
    rows = {item: row for row, item in enumerate(order)}
    catalogue = Catalogue(source.items(folder, order), item_noun=source.noun)
    return catalogue, order_only_log(users, [[rows[item] for item in s] for s in sequences], len(order))


def benchmark_source(name: str) -> BenchmarkSource:
    """What is known of a set.

    Raises:
        ConfigError: there is no such set.
    """
    source = BENCHMARKS.get(name)
    if source is None:
        raise ConfigError(f"there is no research set {name!r}; choose one of {', '.join(sorted(BENCHMARKS))}")
    return source


def benchmark_folder(name: str, data_dir: Path | None = None) -> Path:
    """Folder of a set.

    Raises:
        ConfigError: no such set, or no data folder is named.
        DataError: the set isn't in it.
    """
    source = benchmark_source(name)
    stated = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    if not stated:
        raise ConfigError(
            f"say where the research sets are: --data-dir FOLDER or the environment variable {DATA_DIR_VARIABLE} "
            "(docs/data.md tells where each set comes from)"
        )
    folder = Path(stated).expanduser() / source.folder
    if not (folder / SEQUENCES).is_file():
        raise DataError(f"{folder / SEQUENCES} is missing; docs/data.md tells where the set {name!r} comes from")
    return folder


def order_only_log(users: list[str], sequences: list[list[int]], n_items: int) -> InteractionLog:
    """A log of sequences without times: the n-th interaction of a user happens n seconds after 1970 began."""
    lengths = np.array([len(s) for s in sequences], dtype=np.int64)
    frame = pl.DataFrame(
        {
            "user_id": pl.Series(np.repeat(np.array(users, dtype=object), lengths).tolist(), dtype=pl.String),
            "item": np.concatenate([np.array(s, dtype=np.int64) for s in sequences]),
            "timestamp": np.concatenate([np.arange(n, dtype=np.float64) for n in lengths]),
        }
    )
    return InteractionLog.from_frame(frame, n_items)


def read_sequences(path: Path) -> tuple[list[str], list[list[str]]]:
    """Users and their item ids, oldest first.

    Raises:
        DataError: a line without items, a user twice, or no line at all.
    """
    users: dict[str, list[str]] = {}
    for number, line in enumerate(_lines(path), start=1):
        words = line.split()
        if len(words) < 2:
            raise DataError(f"{path}, line {number}: expected `user item item ...`, found {line[:60]!r}")
        if words[0] in users:
            raise DataError(f"{path}, line {number}: user {words[0]!r} has a line already; join the two")
        users[words[0]] = words[1:]
    if not users:
        raise DataError(f"{path} holds no sequences")
    return list(users), list(users.values())


def read_published_sids(path: Path, ids: list[str]) -> NDArray[np.int32]:
    """Published semantic IDs (a JSON object from item id to codes).

    Args:
        path: ``.json`` or ``.json.gz``.
        ids: of the catalogue, in order.

    Returns:
        int32[len(ids), L]; not necessarily unique.

    Raises:
        DataError: an item is missing, or the codes aren't equally many non-negative integers.
    """
    stored = _json_object(path)
    missing = [i for i in ids if i not in stored]
    if missing:
        raise DataError(f"{path} has no semantic ID of item {missing[0]!r} (and of {len(missing) - 1} more items)")
    for item in ids:
        codes = stored[item]
        whole = isinstance(codes, list) and all(type(code) is int and 0 <= code < 2**31 for code in codes)
        if not whole or not codes or len(codes) != len(stored[ids[0]]):
            raise DataError(
                f"{path}: the semantic ID of item {item!r} must be a list of non-negative integers, as long as the "
                f"others, not {json.dumps(codes)[:60]}"
            )
    return np.array([stored[i] for i in ids], dtype=np.int32).reshape(len(ids), -1)


def _lines(path: Path) -> Iterable[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            yield from (line.rstrip("\n") for line in file)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; docs/data.md tells where the set comes from") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read ({error}); fetch the file again") from error


def _json_object(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads("".join(_lines(path)))
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}); fetch the file again") from error
    if not isinstance(stored, dict):
        raise DataError(f"{path} must hold a JSON object from item id to a list, not a {type(stored).__name__}")
    return stored


def _json_lines(path: Path) -> dict[str, dict[str, Any]]:
    """Records by ``item_id``."""
    records: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(_lines(path), start=1):
        try:
            record = json.loads(line)
            item = str(record["item_id"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}, line {number}: expected a JSON object with `item_id`, found {line[:60]!r}"
            ) from error
        if item in records:
            raise DataError(f"{path}, line {number}: item {item!r} has a line already; keep one")
        records[item] = record
    return records


def _natural(item: str) -> tuple[int, str]:
    return (int(item), "") if item.isascii() and item.isdigit() else (2**62, item)


def _frame(ids: list[str], titles: list[str], texts: list[str], **tags: list[list[str]]) -> pl.DataFrame:
    columns = {f"{ATTRIBUTE_PREFIX}{n}": pl.Series(v, dtype=pl.List(pl.String)) for n, v in tags.items()}
    return pl.DataFrame({"id": ids, "title": titles, "text": texts, **columns})


def _described(folder: Path, ids: list[str]) -> pl.DataFrame:
    """Title, description, brand, categories as JSON lines."""
    records = _json_lines(folder / "items.jsonl.gz")
    known = [records.get(i, {}) for i in ids]
    frame = _frame(
        ids,
        [r.get("title") or i for i, r in zip(ids, known, strict=True)],
        [r.get("description") or "" for r in known],
        # the first category is the department, the same for all
        category=[split_categories(r.get("categories") or "")[1:] for r in known],
    )
    brands = pl.Series(f"{ATTRIBUTE_PREFIX}brand", [r.get("brand") or None for r in known], dtype=pl.String)
    return frame.with_columns(brands)


def split_categories(text: str) -> list[str]:
    """Names between commas; a comma before a blank belongs to the name, as in "Test, Measure & Inspect"."""
    return [name.strip() for name in re.split(r",(?!\s)", text) if name.strip()]


def _named_attributes(folder: Path, ids: list[str]) -> pl.DataFrame:
    """Brand and category names; they stand for a title, since there is none."""
    path = folder / "item_attributes.tsv.gz"
    names: dict[str, list[str]] = {}
    for number, line in enumerate(_lines(path), start=1):
        cells = line.split("\t")
        if len(cells) != 3:
            raise DataError(f"{path}, line {number}: expected item_id, asin, attributes, found {line[:60]!r}")
        names[cells[0]] = [name for name in cells[2].split("|") if name and name != "Unknown"]
    tags = [names.get(i, []) for i in ids]
    titles = [", ".join(t) or i for i, t in zip(ids, tags, strict=True)]
    return _frame(ids, titles, [""] * len(ids), category=tags)


def _numbered_attributes(folder: Path, ids: list[str]) -> pl.DataFrame:
    """Attribute numbers only: no words at all."""
    stored = _json_object(folder / "item_attribute_ids.json.gz")
    return _frame(ids, list(ids), [""] * len(ids), attribute=[[str(a) for a in stored.get(i, [])] for i in ids])


_LICENCE = "Amazon review data of the McAuley lab, for research, no explicit licence; no reviewer text"

BENCHMARKS: dict[str, BenchmarkSource] = {
    "scientific": BenchmarkSource(
        "amazon18_scientific",
        "products",
        "Amazon Reviews 2018, Industrial and Scientific, 5-core, as published with CollisionGenRec",
        _LICENCE,
        _described,
    ),
    "beauty": BenchmarkSource(
        "amazon14_beauty",
        "beauty products",
        "Amazon Reviews 2014, Beauty, 5-core, as published with S3-Rec and used by P5 and TIGER",
        _LICENCE,
        _named_attributes,
    ),
    "sports": BenchmarkSource(
        "amazon14_sports",
        "sports articles",
        "Amazon Reviews 2014, Sports and Outdoors, 5-core, as published with S3-Rec and used by P5 and TIGER",
        _LICENCE,
        _numbered_attributes,
    ),
}
"""Research sets by name."""
