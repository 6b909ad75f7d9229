"""Pairs of related items for the alignment, one stream a view; switching one view off leaves the others as they were.

The views are those that the data allows of SIGMA's: behaviour (near positions of a history), knowledge (a rare tag in
common) and search text (an item and what one would type to find it).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import FieldKind
from recsys_core.encoders.protocol import TrainSequences

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class AlignmentViews:
    """What relates items to each other, besides the training histories.

    Attributes:
        tags: items of each rare tag, int64[>= 2] each (:func:`rare_tags`); the category view.
        queries: float32[n_items, d], vectors of what one would type to find each item (title, attributes), from the
            same encoder as the content vectors; a zero row has none. The search view; left out when None.
        collaborative: float32[n_items, c], the teacher's vectors; a zero row isn't taught. No distillation when None.
    """

    tags: list[Ints] = field(default_factory=list)
    queries: NDArray[np.float32] | None = None
    collaborative: NDArray[np.float32] | None = None


class Pairs(NamedTuple):
    """Related items, position by position.

    Attributes:
        left: int64[B].
        right: int64[B].
        group: int64[B], what relates them; pairs of one group are no negatives of each other. -1 is no group.
    """

    left: Ints
    right: Ints
    group: Ints


def rare_tags(catalogue: Catalogue, most_share: float = 0.02) -> list[Ints]:
    """Items that share a tag or string value that at least two and at most ``most_share`` of all items have.

    Args:
        catalogue: the items; tags and string fields are read.
        most_share: more frequent values relate too many items to say much; at least 2 items are always allowed.
    """
    most = max(2, int(most_share * len(catalogue)))
    return [
        rows
        for name, spec in catalogue.fields.items()
        if spec.kind in (FieldKind.tags, FieldKind.string)
        for rows in catalogue.postings(name).rows.values()
        if 2 <= len(rows) <= most
    ]


def behaviour_pairs(train: TrainSequences, window: int, batch: int, seed: int) -> Iterator[Pairs]:
    """Endless batches of items that a user chose at most ``window`` steps apart, a gap of g with weight 1/g.

    Each pass goes through all positions once. Ends at once when there is no such pair.
    """
    rng = np.random.default_rng([seed, 1])
    items, n = train.items, len(train.items)
    user = np.repeat(np.arange(len(train.offsets) - 1), np.diff(train.offsets))
    weight = 1.0 / np.arange(1, window + 1)
    neighbours = np.any((user[1:] == user[:-1]) & (items[1:] != items[:-1])) if n > 1 else False
    while neighbours:
        first = rng.permutation(n)
        second = first + 1 + rng.choice(window, size=n, p=weight / weight.sum())
        kept = second < n
        first, second = first[kept], second[kept]
        kept = (user[first] == user[second]) & (items[first] != items[second])
        first, second = items[first[kept]], items[second[kept]]
        for start in range(0, len(first), batch):
            left, right = first[start : start + batch], second[start : start + batch]
            yield Pairs(left, right, np.full(len(left), -1))


def tag_pairs(tags: list[Ints], batch: int, seed: int) -> Iterator[Pairs]:
    """Endless batches of two different items of one tag; a tag of m items is drawn with weight sqrt(m)."""
    if not tags:
        return
    rng = np.random.default_rng([seed, 2])
    sizes = np.array([len(rows) for rows in tags])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    members = np.concatenate(tags)
    weight = np.sqrt(sizes)
    while True:
        tag = rng.choice(len(tags), size=batch, p=weight / weight.sum())
        first = rng.integers(sizes[tag])
        second = (first + 1 + rng.integers(sizes[tag] - 1)) % sizes[tag]
        yield Pairs(members[starts[tag] + first], members[starts[tag] + second], tag.astype(np.int64))


def search_items(
    queries: NDArray[np.float32] | None, content: NDArray[np.float32], batch: int, seed: int
) -> Iterator[Pairs]:
    """Endless batches of items that have a query and content, each with itself."""
    if queries is None:
        return
    rng = np.random.default_rng([seed, 3])
    known = np.flatnonzero(queries.any(axis=1) & content.any(axis=1))
    while len(known) > 1:
        chosen = rng.permutation(known)
        for start in range(0, len(chosen), batch):
            rows = chosen[start : start + batch]
            yield Pairs(rows, rows, np.full(len(rows), -1))
