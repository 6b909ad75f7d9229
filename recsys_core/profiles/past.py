"""One user's interactions, split into what they liked, didn't like, and merely met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.interactions import InteractionLog

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

RATED = frozenset({"rating", "rate", "rated", "review", "reviewed", "stars", "score"})
"""Kinds of interaction whose value says how much it was liked; the value of any other kind is a count."""
AGAINST = frozenset({"dislike", "disliked", "thumbs_down", "hide", "hidden", "skip", "skipped", "return", "returned"})
"""Kinds that say that an item wasn't liked, whatever their value."""
MARGIN = 0.5
"""A rating so many standard deviations off the user's mean says liked or not liked."""
LEAST_RATINGS = 3
"""From fewer ratings a mean says nothing about a person, and nothing is told apart."""


@dataclass(frozen=True)
class Past:
    """Interactions of one user, oldest first.

    Attributes:
        items: int64[h], item indices; an item may occur more than once.
        values: float64[h], ratings or counts.
        times: float64[h], seconds since 1970.
        kinds: h names of what was done; empty when nothing is known about that (then it was a view).
        thumbs: item index -> -1 or 1; they outrank the log.
    """

    items: Ints
    values: Floats = field(default_factory=lambda: np.zeros(0))
    times: Floats = field(default_factory=lambda: np.zeros(0))
    kinds: Sequence[str] = ()
    thumbs: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, log: InteractionLog, user: int, upto: int | None = None, thumbs: Mapping[int, int] | None = None
    ) -> Past:
        """Read off a log.

        Args:
            log: the interactions.
            user: user index.
            upto: only the oldest so many interactions; negative counts from the end. All when None.
            thumbs: item index -> -1 or 1.
        """
        start, end = int(log.offsets[user]), int(log.offsets[user + 1])
        if upto is not None:
            end = min(end, start + upto) if upto >= 0 else max(start, end + upto)
        rows = slice(start, end)
        return cls(
            items=log.items[rows],
            values=log.values[rows].astype(np.float64),
            times=log.timestamps[rows],
            kinds=[log.kind_names[k] for k in log.kinds[rows]],
            thumbs=thumbs or {},
        )

    def cut(self, upto: int | None) -> Past:
        """The oldest so many interactions, without thumbs; negative counts from the end. All of it when None."""
        if upto is None:
            return self
        return Past(self.items[:upto], self.values[:upto], self.times[:upto], self.kinds[:upto])

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class Opinions:
    """Each item of a past once, in order of its newest occurrence, oldest first.

    Attributes:
        items: int64[n], distinct item indices.
        values: float64[n], the newest value of each.
        verdicts: int8[n]: 1 liked, -1 not liked, 0 no telling.
        rated: whether the values told liked from not liked.
    """

    items: Ints
    values: Floats
    verdicts: NDArray[np.int8]
    rated: bool

    @property
    def liked(self) -> Ints:
        """Liked items, newest first."""
        return self.items[self.verdicts > 0][::-1]

    @property
    def disliked(self) -> Ints:
        """Items that weren't liked, newest first."""
        return self.items[self.verdicts < 0][::-1]


def opinions(past: Past) -> Opinions:
    """What a user thinks of each item.

    A rating is held against the user's own mean: half a standard deviation above is liked, as far below isn't (on
    three ratings or more that differ). Values of other kinds are counts, and whoever comes back liked it. Thumbs
    outrank both.
    """
    values = past.values if len(past.values) == len(past.items) else np.ones(len(past.items))
    values = np.where(np.isfinite(values), values, 1.0)
    kinds = np.array(past.kinds if len(past.kinds) == len(past.items) else ["view"] * len(past.items), dtype=object)
    # the last occurrence of each item, in order of time
    _, from_end = np.unique(past.items[::-1], return_index=True)
    rows = np.sort(len(past.items) - 1 - from_end) if len(past.items) else np.zeros(0, dtype=np.int64)
    items, kept = past.items[rows], values[rows]
    lowered = np.array([str(kind).casefold() for kind in kinds[rows]], dtype=object)
    by_rating = np.isin(lowered, sorted(RATED)) if len(rows) else np.zeros(0, dtype=bool)
    against = np.isin(lowered, sorted(AGAINST)) if len(rows) else np.zeros(0, dtype=bool)
    verdicts = np.zeros(len(items), dtype=np.int8)
    ratings = kept[by_rating]
    spread = float(ratings.std()) if len(ratings) >= LEAST_RATINGS else 0.0
    rated = spread > 0
    if rated:
        far = (kept - ratings.mean()) / spread
        verdicts[by_rating & (far >= MARGIN)] = 1
        verdicts[by_rating & (far <= -MARGIN)] = -1
    verdicts[~by_rating & ~against] = 1
    verdicts[against] = -1
    for item, thumb in past.thumbs.items():
        place = np.flatnonzero(items == item)
        if len(place):
            verdicts[place] = 1 if thumb > 0 else -1
    new = [item for item in past.thumbs if not np.isin(item, items)]
    if new:
        items = np.append(items, np.array(new, dtype=np.int64))
        kept = np.append(kept, np.ones(len(new)))
        verdicts = np.append(verdicts, np.array([1 if past.thumbs[i] > 0 else -1 for i in new], dtype=np.int8))
    return Opinions(items.astype(np.int64), kept, verdicts.astype(np.int8), rated)
