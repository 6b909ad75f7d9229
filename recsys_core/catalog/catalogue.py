"""All items of a release, column by column.

The row number of an item is its *item index* (0 .. n-1): every array in a release is in this order. A catalogue is
read-only once made; derived columns are computed on first use and kept.

An item may be withdrawn: it keeps its index, because histories name it, but isn't *in* the catalogue any more, no
filter lets it through and :meth:`Catalogue.get` doesn't know it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys_core.catalog.folding import fold
from recsys_core.catalog.items import AttributeValue, FieldKind, FieldSpec, Item
from recsys_core.errors import DataError, FilterError, UnknownItemError

ATTRIBUTE_PREFIX = "attr:"
"""Columns of the stored frame that hold attributes start with this."""

NOUN_KEY = "sidra.item_noun"
"""Key of the Parquet metadata that holds what an item is called, in the plural."""

TOP_VALUES = 200
"""How many values a :class:`FieldSpec` lists."""


@dataclass(frozen=True)
class Postings:
    """Which items have which value of a text field."""

    rows: dict[str, NDArray[np.int64]]
    """Folded value -> ascending item indices."""
    spellings: dict[str, list[str]]
    """Folded value -> the ways it is written in the catalogue, most frequent first."""


class Catalogue:
    """Items with typed attributes.

    Args:
        frame: columns ``id`` and ``title`` (String), optionally ``text`` and ``image`` (String), and attributes named
            ``attr:<name>``: integers or floats (number), Boolean (flag), String (string) or List(String) (tags).
        item_noun: what an item is called in the plural ("films").

    Raises:
        DataError: no items, a missing column, an empty or repeated id, or a column type that no attribute may have.
    """

    def __init__(self, frame: pl.DataFrame, *, item_noun: str = "items") -> None:
        self._frame = _checked(frame)
        self.item_noun = item_noun
        self.ids: list[str] = self._frame["id"].to_list()
        self.titles: list[str] = self._frame["title"].to_list()
        self.texts: list[str] = self._frame["text"].to_list()
        self.images: list[str | None] = self._frame["image"].to_list()
        self._index = {item_id: row for row, item_id in enumerate(self.ids)}
        self._columns = {c.removeprefix(ATTRIBUTE_PREFIX): c for c in frame.columns if c.startswith(ATTRIBUTE_PREFIX)}
        self._numbers: dict[str, NDArray[np.float64]] = {}
        self._flags: dict[str, NDArray[np.int8]] = {}
        self._lists: dict[str, list[Any]] = {}
        self._postings: dict[str, Postings] = {}
        self.offered: NDArray[np.bool_] = _frozen(np.ones(len(self.ids), dtype=np.bool_))
        """bool[n_items], False for withdrawn items; not to be written to."""
        self.fields: dict[str, FieldSpec] = {name: self._describe(name) for name in self._columns}

    @classmethod
    def load(cls, path: Path) -> Catalogue:
        """Read a catalogue written by :meth:`save`.

        Raises:
            DataError: the file is missing or isn't such a catalogue.
        """
        try:
            frame = pl.read_parquet(path)
            noun = pl.read_parquet_metadata(path).get(NOUN_KEY, "items")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path}: can't be read as a catalogue ({error}); import the data again") from error
        return cls(frame, item_noun=noun)

    def save(self, path: Path) -> None:
        """Write the catalogue as Parquet."""
        self._frame.write_parquet(path, metadata={NOUN_KEY: self.item_noun})

    @property
    def frame(self) -> pl.DataFrame:
        """The stored columns: id, title, text, image and ``attr:<name>``."""
        return self._frame

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, item_id: object) -> bool:
        row = self._index.get(item_id) if isinstance(item_id, str) else None
        return row is not None and bool(self.offered[row])

    def knows(self, item_id: str) -> bool:
        """Whether there is such an item, withdrawn or not."""
        return item_id in self._index

    def offering(self, offered: NDArray[np.bool_]) -> Catalogue:
        """The same items, of which others are withdrawn.

        Args:
            offered: bool[n_items], False for withdrawn items.

        Raises:
            ValueError: not boolean, or not one value an item.
        """
        if offered.dtype != np.bool_ or offered.shape != (len(self),):
            raise ValueError(f"one flag an item is bool[{len(self)}], got {offered.dtype}{list(offered.shape)}")
        other = copy.copy(self)  # columns are shared: they don't depend on what is offered
        other.offered = _frozen(offered.copy())
        return other

    def index(self, item_id: str) -> int:
        """Item index of an id, of a withdrawn item too.

        Raises:
            UnknownItemError: no such item.
        """
        try:
            return self._index[item_id]
        except KeyError:
            raise UnknownItemError([item_id]) from None

    def indices(self, item_ids: Sequence[str]) -> NDArray[np.int64]:
        """Item indices of many ids, int64[len(item_ids)], of withdrawn items too.

        Raises:
            UnknownItemError: names every id that isn't there.
        """
        find = self._index.get
        rows = [find(item_id, -1) for item_id in item_ids]
        if -1 in rows:
            raise UnknownItemError(dict.fromkeys(i for i, row in zip(item_ids, rows, strict=True) if row < 0))
        return np.array(rows, dtype=np.int64)

    def item(self, index: int) -> Item:
        """The item at ``index`` (0 .. n-1); attributes without a value are left out."""
        attributes: dict[str, AttributeValue] = {}
        for name, spec in self.fields.items():
            value = self._values(name)[index]
            if value is None or (spec.kind is FieldKind.tags and not value):
                continue
            attributes[name] = list(value) if spec.kind is FieldKind.tags else value
        return Item(
            id=self.ids[index],
            title=self.titles[index],
            text=self.texts[index],
            image=self.images[index],
            attributes=attributes,
        )

    def get(self, item_id: str) -> Item:
        """The item with this id.

        Raises:
            UnknownItemError: no such item, or it is withdrawn.
        """
        row = self.index(item_id)
        if not self.offered[row]:
            raise UnknownItemError([item_id])
        return self.item(row)

    def numbers(self, field: str) -> NDArray[np.float64]:
        """A number field, float64[n_items], NaN where there is no value.

        Raises:
            FilterError: unknown field, or not a number field.
        """
        self._require(field, FieldKind.number)
        if field not in self._numbers:
            column = self._frame[self._columns[field]].cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
            self._numbers[field] = _frozen(column)
        return self._numbers[field]

    def flags(self, field: str) -> NDArray[np.int8]:
        """A flag field, int8[n_items]: 1 true, 0 false, -1 no value.

        Raises:
            FilterError: unknown field, or not a flag field.
        """
        self._require(field, FieldKind.flag)
        if field not in self._flags:
            column = self._frame[self._columns[field]].cast(pl.Int8).fill_null(-1).to_numpy().copy()
            self._flags[field] = _frozen(column)
        return self._flags[field]

    def strings(self, field: str) -> list[str | None]:
        """A string field, one entry an item, None where there is no value.

        Raises:
            FilterError: unknown field, or not a string field.
        """
        self._require(field, FieldKind.string)
        return self._values(field)

    def tags(self, field: str) -> list[list[str]]:
        """A tags field, one list an item, empty where there is no value.

        Raises:
            FilterError: unknown field, or not a tags field.
        """
        self._require(field, FieldKind.tags)
        return self._values(field)

    def tag_matrix(self, field: str) -> tuple[NDArray[np.bool_], list[str]]:
        """Which item has which tag: bool[n_items, n_values] and the values, most frequent first.

        Dense: meant for fields of few values; use :meth:`postings` for the others.

        Raises:
            FilterError: unknown field, or not a tags field.
        """
        self._require(field, FieldKind.tags)
        postings = self.postings(field)
        folded = sorted(postings.rows, key=lambda value: (-len(postings.rows[value]), value))
        matrix = np.zeros((len(self), len(folded)), dtype=np.bool_)
        for column, value in enumerate(folded):
            matrix[postings.rows[value], column] = True
        return matrix, [postings.spellings[value][0] for value in folded]

    def postings(self, field: str) -> Postings:
        """The inverted index of a string or tags field.

        Raises:
            FilterError: unknown field, or a field that doesn't hold text.
        """
        self._require(field, FieldKind.string, FieldKind.tags)
        if field not in self._postings:
            self._postings[field] = _invert(self._frame[self._columns[field]])
        return self._postings[field]

    def _require(self, field: str, *kinds: FieldKind) -> None:
        spec = self.fields.get(field)
        if spec is None:
            raise FilterError(f"unknown field {field!r}", self.fields)
        if spec.kind not in kinds:
            wanted = " or ".join(kind.value for kind in kinds)
            raise FilterError(f"field {field!r} is a {spec.kind.value} field, not a {wanted} field")

    def _values(self, field: str) -> list[Any]:
        if field not in self._lists:
            column = self._frame[self._columns[field]]
            if column.dtype == pl.List(pl.String):
                column = column.fill_null([])
            self._lists[field] = column.to_list()
        return self._lists[field]

    def _describe(self, name: str) -> FieldSpec:
        column = self._frame[self._columns[name]]
        kind = kind_of(column.dtype)
        size = len(column)
        if kind is FieldKind.number:
            present = column.drop_nulls()
            known = len(present) > 0
            return FieldSpec(
                name=name,
                kind=kind,
                coverage=len(present) / size,
                minimum=float(present.min()) if known else None,  # type: ignore[arg-type]
                maximum=float(present.max()) if known else None,  # type: ignore[arg-type]
                distinct=present.n_unique(),
            )
        if kind is FieldKind.flag:
            present = column.drop_nulls()
            return FieldSpec(name=name, kind=kind, coverage=len(present) / size, distinct=present.n_unique())
        postings = _invert(column)
        self._postings[name] = postings
        ranked = sorted(postings.rows, key=lambda value: (-len(postings.rows[value]), value))
        held = np.zeros(size, dtype=np.bool_)
        for rows in postings.rows.values():
            held[rows] = True
        return FieldSpec(
            name=name,
            kind=kind,
            coverage=float(held.mean()),
            values=[postings.spellings[value][0] for value in ranked[:TOP_VALUES]],
            distinct=len(ranked),
        )


def kind_of(dtype: pl.DataType) -> FieldKind:
    """How an attribute column of this type may be compared.

    Raises:
        DataError: no attribute may have this type.
    """
    if dtype == pl.Boolean:
        return FieldKind.flag
    if dtype.is_numeric():
        return FieldKind.number
    if dtype == pl.String:
        return FieldKind.string
    if dtype == pl.List(pl.String):
        return FieldKind.tags
    raise DataError(f"an attribute can't be of type {dtype}; use a number, text, true/false or a list of text")


def _checked(frame: pl.DataFrame) -> pl.DataFrame:
    for name in ("id", "title"):
        if name not in frame.columns:
            raise DataError(f"a catalogue needs a column {name!r}; it has {', '.join(frame.columns) or 'none'}")
    if frame.height == 0:
        raise DataError("a catalogue needs at least one item")
    attributes = [column for column in frame.columns if column.startswith(ATTRIBUTE_PREFIX)]
    ids = frame["id"].cast(pl.String)
    bad = (ids.is_null() | (ids == "")).arg_true()
    if len(bad):
        raise DataError(f"item in row {int(bad[0]) + 1} has no id; every item needs one")
    if ids.n_unique() != len(ids):
        raise DataError(f"item id {ids.filter(ids.is_duplicated())[0]!r} occurs more than once; ids must be unique")

    def text(name: str, default: str | None) -> pl.Expr:
        source = pl.col(name).cast(pl.String) if name in frame.columns else pl.lit(None, dtype=pl.String)
        return (source if default is None else source.fill_null(default)).alias(name)

    columns = []
    for name in attributes:
        kind = kind_of(frame.schema[name])
        is_float = frame.schema[name].is_float()
        if kind is FieldKind.number:
            column = pl.col(name).cast(pl.Float64).fill_nan(None) if is_float else pl.col(name).cast(pl.Int64)
            columns.append(column)
        else:
            columns.append(pl.col(name))
    return frame.select(text("id", ""), text("title", ""), text("text", ""), text("image", None), *columns)


def _invert(column: pl.Series) -> Postings:
    pairs = pl.DataFrame({"value": column, "row": np.arange(len(column), dtype=np.int64)})
    if column.dtype == pl.List(pl.String):
        pairs = pairs.explode("value")
    pairs = pairs.drop_nulls("value")
    groups = pairs.group_by("value", maintain_order=True).agg(pl.col("row"))
    gathered: dict[str, list[tuple[str, NDArray[np.int64]]]] = {}
    for value, rows in zip(groups["value"].to_list(), groups["row"].to_list(), strict=True):
        folded = fold(value)
        if folded:
            gathered.setdefault(folded, []).append((value, np.array(rows, dtype=np.int64)))
    rows_of: dict[str, NDArray[np.int64]] = {}
    spellings: dict[str, list[str]] = {}
    for folded, variants in gathered.items():
        rows_of[folded] = _frozen(np.unique(np.concatenate([rows for _, rows in variants])))
        spellings[folded] = [value for value, _ in sorted(variants, key=lambda v: (-len(v[1]), v[0]))]
    return Postings(rows_of, spellings)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
