"""One request of an exact search: its queue of open prefixes, their bounds, and the best items so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.constraints.restriction import Restriction
from recsys_core.generator.exact_shared import SharedItems
from recsys_core.generator.fusion import SPREAD_PREFIXES, Fusion, sharpened

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

SLACK = 1e-5
"""Relative room for rounding where scores are compared with bounds that took another way to the same number."""


class Prefixes(NamedTuple):
    """Open prefixes, m of them.

    Attributes:
        level: int64[m], depth.
        node: int64[m], node number.
        score: float32[m], log-probability.
        bound: float32[m], no item under it that has one semantic ID is ranked higher; -inf where there is none.
        above: int64[m], the expander's handle of the prefix before.
    """

    level: Ints
    node: Ints
    score: Floats
    bound: Floats
    above: Ints

    def at(self, places: NDArray[np.integer] | NDArray[np.bool_]) -> Prefixes:
        """Some of them."""
        return Prefixes(
            self.level[places], self.node[places], self.score[places], self.bound[places], self.above[places]
        )

    def and_(self, more: Prefixes) -> Prefixes:
        """These and others."""
        return Prefixes(
            np.concatenate([self.level, more.level]),
            np.concatenate([self.node, more.node]),
            np.concatenate([self.score, more.score]),
            np.concatenate([self.bound, more.bound]),
            np.concatenate([self.above, more.above]),
        )


class Best(NamedTuple):
    """Items found, best first: int64[m] and three float32[m]; ``order`` settles ties, the smaller first."""

    item: Ints
    log_probability: Floats
    fused: Floats
    score: Floats
    order: Ints

    def best(self, count: int) -> Best:
        """The first ``count`` in order."""
        chosen = np.lexsort((self.order, -self.score))[:count]
        return Best(
            self.item[chosen], self.log_probability[chosen], self.fused[chosen], self.score[chosen], self.order[chosen]
        )

    def and_(self, more: Best) -> Best:
        """These and others, unordered."""
        return Best(
            np.concatenate([self.item, more.item]),
            np.concatenate([self.log_probability, more.log_probability]),
            np.concatenate([self.fused, more.fused]),
            np.concatenate([self.score, more.score]),
            np.concatenate([self.order, more.order]),
        )


class ExactRequest:
    """Queue and findings of one request.

    Args:
        index: of the catalogue.
        restriction: the rules of the whole batch.
        row: of this request.
        allowed: bool[n_items], its rule.
        wanted: how many items.
        fusion: how prefix and item scores are combined.
        ranking: see :data:`recsys_core.generator.exact.Ranking`.
    """

    def __init__(
        self,
        index: ConstraintIndex,
        restriction: Restriction,
        row: int,
        allowed: NDArray[np.bool_],
        wanted: int,
        fusion: Fusion | None,
        ranking: Callable[[int, Ints, Floats], Floats] | None,
    ) -> None:
        self.index = index
        self.row = row
        self.wanted = wanted
        self.expanded = 0
        self._restriction, self._single_row, self._single_rule = restriction, row, restriction
        self._ranking = ranking
        self._single = allowed
        self._shared: SharedItems | None = None
        if index.leaves > len(index):
            several = np.diff(index.item_leaf_start) > 1
            self._single = allowed & ~several
            self._single_rule, self._single_row = index.restrict(self._single), 0
            self._shared = SharedItems(index, np.flatnonzero(allowed & several))
        plain = fusion is None or (fusion.power == 0 and not fusion.best_prefix_only)
        self._fusion = None if plain else fusion
        self._sharpness: float | None = 1.0 if plain else None
        zero, none = np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64)
        free = np.full(1, np.inf, dtype=np.float32)
        self._queue = Prefixes(zero, zero, np.zeros(1, dtype=np.float32), free, zero)
        nothing = np.empty(0, dtype=np.float32)
        self._best = Best(none, nothing, nothing, nothing, none)

    def pick(self, chunk: int) -> Ints:
        """Places in the queue to expand next, at most ``chunk``; none when the answer is certain."""
        if self._sharpness is None:
            shallow = self._prefixes_in_doubt()
            if len(shallow):
                return shallow[:chunk]
            self._settle_sharpness()
        threshold = self._threshold()
        urgency = self._queue.bound
        if self._shared is not None:
            urgency = np.maximum(urgency, self._shared_urgency(self._shared, threshold))
        places = np.flatnonzero((urgency >= threshold) & (urgency > -np.inf))
        return places[np.argsort(-urgency[places], kind="stable")][:chunk]

    def take(self, places: Ints) -> Prefixes:
        """Take prefixes out of the queue; :meth:`absorb` must follow for each depth among them."""
        taken = self._queue.at(places)
        left = np.ones(len(self._queue.node), dtype=bool)
        left[places] = False
        self._queue = self._queue.at(left)
        self.expanded += len(places)
        return taken

    def absorb(
        self, level: int, scores: Floats, children: NDArray[np.int32], conditional: Floats, handles: Ints
    ) -> None:
        """Take in what expanding some prefixes of one depth gave.

        Args:
            level: their depth.
            scores: float32[w], their log-probabilities.
            children: int32[w, F], -1 at padding.
            conditional: float32[w, F], log-probability of each child given its prefix.
            handles: int64[w].
        """
        opened = self._restriction.open(level + 1, children, self.row)
        parent, place = np.nonzero(opened)
        nodes = children[parent, place].astype(np.int64)
        reached = (scores[:, None] + conditional)[parent, place]
        if level == self.index.levels - 1:
            fused = reached
            if self._fusion is not None:
                fused = (scores[:, None] + sharpened(conditional, float(self._sharpness or 1.0)))[parent, place]
            self._absorb_leaves(nodes, reached, fused)
            return
        if self._shared is not None:
            low, high = self.index.leaf_range(level + 1, nodes)
            self._shared.bound_by(low, high, reached)
        bounds = self._bounds(level + 1, nodes, reached)
        depth = np.full(len(nodes), level + 1, dtype=np.int64)
        self._queue = self._queue.and_(Prefixes(depth, nodes, reached, bounds, handles[parent]))

    def best(self) -> Best:
        """The items found, best first."""
        found = self._best
        if self._shared is not None:
            found = found.and_(self._complete(self._shared))
        return found.best(self.wanted)

    def _absorb_leaves(self, leaves: Ints, reached: Floats, fused: Floats) -> None:
        items = self.index.leaf_item[leaves].astype(np.int64)
        alone = self._single[items]
        if self._shared is not None:
            self._shared.resolve(leaves[~alone], reached[~alone], fused[~alone])
        leaves, items, reached, fused = leaves[alone], items[alone], reached[alone], fused[alone]
        score = fused if self._ranking is None else self._ranking(self.row, items, fused)
        found = Best(items, reached, fused, score, leaves if self._ranking is None else items)
        # what is below the best so far will never come back
        self._best = self._best.and_(found).best(self.wanted)

    def _bounds(self, level: int, nodes: Ints, scores: Floats) -> Floats:
        """Upper bound on the rank of items with one semantic ID under each node: float32[m]."""
        opened = self._single_rule.open(level, nodes, self._single_row)
        if self._ranking is None:
            return np.where(opened, scores, -np.inf).astype(np.float32)
        bounds = np.full(len(nodes), -np.inf, dtype=np.float32)
        owner = np.flatnonzero(opened)
        if not len(owner):
            return bounds
        low, high = self.index.leaf_range(level, nodes[owner])
        counts = (high - low).astype(np.int64)
        starts = np.cumsum(counts) - counts
        leaves = np.arange(counts.sum()) + np.repeat(low - starts, counts)
        items = self.index.leaf_item[leaves].astype(np.int64)
        ranked = self._ranking(self.row, items, np.repeat(scores[owner], counts))
        ranked = np.where(self._single[items], ranked, -np.inf).astype(np.float32)
        highest = np.maximum.reduceat(ranked, starts)
        bounds[owner] = highest + SLACK * np.maximum(1, np.abs(highest))
        return bounds

    def _threshold(self) -> float:
        """Rank of the last item that would come back now; -inf while there are too few."""
        scores = self._best.score
        if self._shared is not None:
            scores = np.concatenate([scores, self._complete(self._shared).score])
        return float(np.partition(scores, -self.wanted)[-self.wanted]) if len(scores) >= self.wanted else -np.inf

    def _shared_urgency(self, shared: SharedItems, threshold: float) -> Floats:
        """What items of several semantic IDs make each queued prefix worth: float32[m]."""
        most = shared.at_most()
        ranked = most if self._ranking is None else self._ranking(self.row, shared.items, most)
        ranked = np.asarray(ranked + SLACK * np.maximum(1, np.abs(ranked)), dtype=np.float32)
        low, high = (np.empty(len(self._queue.node), dtype=np.int64) for _ in range(2))
        for level in np.unique(self._queue.level):
            own = self._queue.level == level
            low[own], high[own] = self.index.leaf_range(int(level), self._queue.node[own])
        return shared.urgency(low, high, np.where(ranked >= threshold, ranked, -np.inf).astype(np.float32))

    def _complete(self, shared: SharedItems) -> Best:
        items, log_probability, fused = shared.complete()
        score = fused if self._ranking is None else self._ranking(self.row, items, fused)
        order = items if self._ranking is not None else self.index.item_leaf[items].astype(np.int64)
        return Best(items, log_probability, fused, score, order)

    def _prefixes_in_doubt(self) -> Ints:
        """Places of prefixes that may lead to one of the best complete ones, which decide on the sharpness."""
        complete = self._queue.level == self.index.levels - 1
        known = self._queue.score[complete]
        least = np.partition(known, -SPREAD_PREFIXES)[-SPREAD_PREFIXES] if len(known) >= SPREAD_PREFIXES else -np.inf
        places = np.flatnonzero(~complete & (self._queue.score >= least))
        return places[np.argsort(-self._queue.score[places], kind="stable")]

    def _settle_sharpness(self) -> None:
        if self._fusion is None:
            raise AssertionError("without fusion nothing is sharpened")
        complete = np.flatnonzero(self._queue.level == self.index.levels - 1)
        order = complete[np.lexsort((self._queue.node[complete], -self._queue.score[complete]))]
        if self._fusion.best_prefix_only:
            order = order[:1]
            self._queue = self._queue.at(order)
            order = np.arange(len(order))
            if self._shared is not None:
                low, high = self.index.leaf_range(self.index.levels - 1, self._queue.node)
                self._shared.close_outside(int(low[0]), int(high[0]))
        self._sharpness = float(self._fusion.sharpness(self._queue.score[order][None, :])[0])
