"""Items of several semantic IDs in an exact search: their probability is the sum over their paths.

Every path is bounded by the open prefix that it lies under, until its leaf is reached; the sum of the bounds bounds the
item. An item counts as found only when all of its leaves are known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_core.constraints.index import ConstraintIndex

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


class SharedItems:
    """Paths and bounds of the items of one request that have more than one semantic ID.

    Args:
        index: of the catalogue.
        items: int64[s], those that the request's rule allows.
    """

    def __init__(self, index: ConstraintIndex, items: Ints) -> None:
        self.items = items
        start = index.item_leaf_start.astype(np.int64)
        counts = start[items + 1] - start[items]
        self._starts = np.cumsum(counts) - counts
        places = np.arange(counts.sum()) + np.repeat(start[items] - self._starts, counts)
        self._leaves = index.item_leaves[places].astype(np.int64)
        self._owner = np.repeat(np.arange(len(items)), counts)
        self._by_leaf = np.argsort(self._leaves)
        self._sorted = self._leaves[self._by_leaf]
        self._fused = np.zeros(len(places), dtype=np.float32)
        """Log-probability of each leaf, with fusion; while it isn't known, that of the open prefix above it."""
        self._exact = np.full(len(places), -np.inf, dtype=np.float32)
        self._known = np.zeros(len(places), dtype=bool)

    def bound_by(self, low: NDArray[np.integer], high: NDArray[np.integer], scores: Floats) -> None:
        """Note prefixes that were reached: leaf ranges int[m] that don't overlap, log-probabilities float32[m]."""
        if not (len(low) and len(self._leaves)):
            return
        order = np.argsort(low)
        place = order[np.maximum(np.searchsorted(low[order], self._leaves, side="right") - 1, 0)]
        inside = (self._leaves >= low[place]) & (self._leaves < high[place]) & ~self._known
        self._fused[inside] = scores[place[inside]]

    def resolve(self, leaves: Ints, exact: Floats, fused: Floats) -> None:
        """Note leaves that were reached: three arrays of length m."""
        if not len(leaves):
            return
        slots = self._by_leaf[np.searchsorted(self._sorted, leaves)]
        self._exact[slots], self._fused[slots], self._known[slots] = exact, fused, True

    def close_outside(self, low: int, high: int) -> None:
        """Nothing outside this range of leaves counts any more."""
        outside = (self._leaves < low) | (self._leaves >= high)
        self._fused[outside], self._known[outside] = -np.inf, True

    def at_most(self) -> Floats:
        """Upper bound on each item's fused log-probability: float32[s]."""
        return self._added(self._fused)

    def complete(self) -> tuple[Ints, Floats, Floats]:
        """Items all of whose leaves are known: int64[m], log-probability and fused float32[m]."""
        if not len(self.items):
            return self.items, np.empty(0, dtype=np.float32), np.empty(0, dtype=np.float32)
        fused = self._added(self._fused)
        done = np.logical_and.reduceat(self._known, self._starts) & np.isfinite(fused)
        return self.items[done], self._added(self._exact)[done], fused[done]

    def urgency(self, low: Ints, high: Ints, ranked: Floats) -> Floats:
        """What each queued prefix is worth for the sake of items whose leaves under it aren't known yet.

        Args:
            low: int64[m], first leaf under each prefix; prefixes don't overlap.
            high: int64[m], one past the last.
            ranked: float32[s], bound of each item; -inf where it doesn't matter.

        Returns:
            float32[m], -inf where no such item needs the prefix.
        """
        worth = np.full(len(low), -np.inf, dtype=np.float32)
        missing = (
            np.flatnonzero(~self._known & (ranked[self._owner] > -np.inf)) if len(self.items) else np.empty(0, int)
        )
        if not (len(missing) and len(low)):
            return worth
        order = np.argsort(low)
        place = order[np.searchsorted(low[order], self._leaves[missing], side="right") - 1]
        np.maximum.at(worth, place, ranked[self._owner[missing]])
        return worth

    def _added(self, scores: Floats) -> Floats:
        if not len(self.items):
            return np.empty(0, dtype=np.float32)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.logaddexp.reduceat(scores, self._starts), dtype=np.float32)
