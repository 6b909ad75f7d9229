"""Public research sets in the layout of a data folder: item sequences per user, with whatever is known of the items.

A data folder (``SIDRA_DATA_DIR`` or ``--data-dir``) holds one folder a set. Every set is order only: a line of
``sequences.txt.gz`` is a user and their items, oldest first. Where each set comes from is written in docs/data.md.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

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
        licence: what may be done with it.
        items: reads what is known of the items: (folder, item ids) to a frame for :class:`Catalogue`.
    """

    folder: str
    noun: str
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
    source = BENCHMARKS.get(name)
    if source is None:
        raise ConfigError(f"there is no data set {name!r}; choose one of {', '.join(sorted(BENCHMARKS))}")
    folder = benchmark_folder(name, data_dir)
    users, sequences = read_sequences(folder / SEQUENCES)
    order = sorted({item for sequence in sequences for item in sequence}, key=_natural)
    rows = {item: row for row, item in enumerate(order)}
    catalogue = Catalogue(source.items(folder, order), item_noun=source.noun)
    return catalogue, order_only_log(users, [[rows[item] for item in s] for s in sequences], len(order))


def benchmark_folder(name: str, data_dir: Path | None = None) -> Path:
    """Folder of a set.

    Raises:
        ConfigError: no data folder is named.
        DataError: the set isn't in it.
    """
    named = data_dir or (Path(os.environ[DATA_DIR_VARIABLE]) if os.environ.get(DATA_DIR_VARIABLE) else None)
    if named is None:
        raise ConfigError(
            f"say where the research sets are: --data-dir FOLDER or the environment variable {DATA_DIR_VARIABLE} "
            "(docs/data.md tells where each set comes from)"
        )
    folder = named / BENCHMARKS[name].folder
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
    try:
        stored = json.loads("".join(_lines(path)))
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error})") from error
    missing = [i for i in ids if i not in stored]
    if missing:
        raise DataError(f"{path} has no semantic ID of item {missing[0]!r} (and {len(missing) - 1} more)")
    try:
        codes = np.array([stored[i] for i in ids], dtype=np.int32)
    except ValueError as error:
        raise DataError(f"{path}: the semantic IDs are not equally long lists of integers") from error
    if codes.ndim != 2 or codes.min() < 0:
        raise DataError(f"{path}: a semantic ID must be a list of non-negative integers")
    return codes


def _lines(path: Path) -> Iterable[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            yield from (line.rstrip("\n") for line in file)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read ({error})") from error


def _natural(item: str) -> tuple[int, str]:
    return (int(item), "") if item.isdigit() else (2**62, item)


def _frame(ids: list[str], titles: list[str], texts: list[str], **tags: list[list[str]]) -> pl.DataFrame:
    columns = {f"{ATTRIBUTE_PREFIX}{n}": pl.Series(v, dtype=pl.List(pl.String)) for n, v in tags.items()}
    return pl.DataFrame({"id": ids, "title": titles, "text": texts, **columns})


def _described(folder: Path, ids: list[str]) -> pl.DataFrame:
    """Title, description, brand, categories as JSON lines."""
    records = {str(r["item_id"]): r for r in map(json.loads, _lines(folder / "items.jsonl.gz"))}
    known = [records.get(i, {}) for i in ids]
    frame = _frame(
        ids,
        [r.get("title") or i for i, r in zip(ids, known, strict=True)],
        [r.get("description") or "" for r in known],
        # the first category is the department, the same for all
        category=[[c.strip() for c in (r.get("categories") or "").split(",") if c.strip()][1:] for r in known],
    )
    brands = pl.Series(f"{ATTRIBUTE_PREFIX}brand", [r.get("brand") or None for r in known], dtype=pl.String)
    return frame.with_columns(brands)


def _named_attributes(folder: Path, ids: list[str]) -> pl.DataFrame:
    """Brand and category names; they stand for a title, since there is none."""
    rows = (line.split("\t") for line in list(_lines(folder / "item_attributes.tsv.gz"))[1:])
    names = {row[0]: [a for a in row[2].split("|") if a and a != "Unknown"] for row in rows if len(row) >= 3}
    tags = [names.get(i, []) for i in ids]
    titles = [", ".join(t) or i for i, t in zip(ids, tags, strict=True)]
    return _frame(ids, titles, [""] * len(ids), category=tags)


def _numbered_attributes(folder: Path, ids: list[str]) -> pl.DataFrame:
    """Attribute numbers only: no words at all."""
    stored = json.loads("".join(_lines(folder / "item_attribute_ids.json.gz")))
    return _frame(ids, list(ids), [""] * len(ids), attribute=[[str(a) for a in stored.get(i, [])] for i in ids])


BENCHMARKS: dict[str, BenchmarkSource] = {
    "scientific": BenchmarkSource(
        "amazon18_scientific", "products", "Amazon review data, for research; no reviewer text", _described
    ),
    "beauty": BenchmarkSource(
        "amazon14_beauty", "beauty products", "Amazon review data, for research; no reviewer text", _named_attributes
    ),
    "sports": BenchmarkSource(
        "amazon14_sports", "sports articles", "Amazon review data, for research; no reviewer text", _numbered_attributes
    ),
}
"""Research sets by name."""
