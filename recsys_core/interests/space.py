"""Interest tags: the catalogue's own values ("genre: Crime", "year: 1990s"), and how much of each a history holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.filters import Condition
from recsys_core.catalog.items import FieldKind

FloatArray = NDArray[np.float64]

MIN_ITEMS = 5
"""A value that fewer items have is no interest, but a hint at single items."""
_YEARS = (1000.0, 2100.0)
"""A number field whose values lie in here is taken for a year, and counted in decades."""


@dataclass(frozen=True)
class Tag:
    """One interest.

    Attributes:
        field: field of the catalogue.
        value: its value, or a decade such as ``1990s``.
        low: first year of a decade; None for a value.
        high: last year of a decade; None for a value.
    """

    field: str
    value: str
    low: float | None = None
    high: float | None = None

    def condition(self, kind: FieldKind) -> Condition:
        """The tag as a condition on its field."""
        if self.low is not None:
            return Condition(field=self.field, op="range", value=[self.low, self.high])
        return Condition(field=self.field, op="contains" if kind is FieldKind.tags else "eq", value=self.value)


class InterestSpace:
    """The tags of a catalogue and which items have them.

    Args:
        catalogue: the items.
        min_items: values of fewer items are left out.

    Attributes:
        tags: all tags, fields in the catalogue's order, frequent values first.
        matrix: bool csc[n_items, n_tags].
        n_items: how many items there are.
    """

    def __init__(self, catalogue: Catalogue, min_items: int = MIN_ITEMS) -> None:
        self.n_items = len(catalogue)
        tags: list[Tag] = []
        rows: list[NDArray[np.int64]] = []
        for name, spec in catalogue.fields.items():
            if spec.kind in {FieldKind.string, FieldKind.tags}:
                postings = catalogue.postings(name)
                found = [(postings.spellings[key][0], items) for key, items in postings.rows.items()]
                for value, items in sorted(found, key=lambda pair: (-len(pair[1]), pair[0])):
                    tags.append(Tag(name, value))
                    rows.append(items)
            elif spec.kind is FieldKind.number and _is_year(spec.minimum, spec.maximum):
                decades = np.floor(catalogue.numbers(name) / 10) * 10
                for decade in np.unique(decades[~np.isnan(decades)]):
                    tags.append(Tag(name, f"{decade:.0f}s", float(decade), float(decade + 9)))
                    rows.append(np.flatnonzero(decades == decade))
        kept = [n for n, items in enumerate(rows) if len(items) >= min_items]
        self.tags: tuple[Tag, ...] = tuple(tags[n] for n in kept)
        columns = [rows[n] for n in kept]
        ends = np.cumsum([0, *(len(column) for column in columns)])
        index = np.concatenate(columns) if columns else np.zeros(0, dtype=np.int64)
        self.matrix = sparse.csc_matrix(
            (np.ones(len(index), dtype=np.bool_), index, ends), shape=(len(catalogue), len(self.tags))
        )

        self._index = {(tag.field, tag.value): n for n, tag in enumerate(self.tags)}

    def __len__(self) -> int:
        return len(self.tags)

    def find(self, field: str, value: str) -> int | None:
        """Index of a tag; None when the space has none such."""
        return self._index.get((field, value))

    @cached_property
    def shares(self) -> FloatArray:
        """float64[n_tags]: share of the catalogue that has each tag, 0 to 1."""
        held: FloatArray = np.diff(self.matrix.indptr).astype(np.float64)
        return held / max(1, self.n_items)

    @cached_property
    def _weights(self) -> sparse.csr_matrix:
        """float64 csr[n_items, n_tags]: each item's one unit of interest, the same for each of its fields."""
        names = sorted({tag.field for tag in self.tags})
        fields = np.array([names.index(tag.field) for tag in self.tags], dtype=np.int64)
        coo = self.matrix.tocoo()
        # an item with three genres holds a third of its genre share of each
        of_field = np.zeros((self.n_items, len(names)), dtype=np.int64)
        np.add.at(of_field, (coo.row, fields[coo.col]), 1)
        fields_held = np.count_nonzero(of_field, axis=1)
        values = 1.0 / (of_field[coo.row, fields[coo.col]] * fields_held[coo.row])
        return sparse.csr_matrix((values, (coo.row, coo.col)), shape=self.matrix.shape)

    def interests(self, items: Sequence[int] | NDArray[np.int64], half_life: float | None = None) -> FloatArray:
        """How interest is spread over the tags.

        Args:
            items: item indices, newest last.
            half_life: an item so many places older weighs half; None weighs all alike.

        Returns:
            float64[n_tags], sums to 1; zeros when no item has a tag.
        """
        rows = np.asarray(items, dtype=np.int64)
        ages = np.arange(len(rows))[::-1]
        weights = np.ones(len(rows)) if half_life is None else 0.5 ** (ages / half_life)
        if not len(rows):
            return np.zeros(len(self.tags))
        spread: FloatArray = np.asarray(weights @ self._weights[rows], dtype=np.float64).ravel()
        total = float(spread.sum())
        return np.divide(spread, total) if total > 0 else spread

    def items_of(self, tags: Sequence[int]) -> NDArray[np.int64]:
        """Ascending indices of the items that have all of some tags."""
        found: NDArray[np.int64] | None = None
        for tag in tags:
            own = self.matrix.indices[self.matrix.indptr[tag] : self.matrix.indptr[tag + 1]].astype(np.int64)
            found = own if found is None else np.intersect1d(found, own, assume_unique=True)
        return np.sort(found) if found is not None else np.arange(self.n_items)


def _is_year(minimum: float | None, maximum: float | None) -> bool:
    return minimum is not None and maximum is not None and _YEARS[0] <= minimum and maximum <= _YEARS[1]
