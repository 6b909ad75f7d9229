"""Exact top-k down the constraint index: best-first expansion that stops when no open prefix can matter any more.

An item is at most as probable as any prefix of its semantic ID, so a prefix whose bound is below the k-th best item
found can be left closed with everything under it. What comes back is what scoring every allowed item would have given,
at the price of the prefixes that could have mattered. That holds for

* any depth: shallow and deep prefixes wait in one queue;
* rules: prefixes without an allowed item are never queued;
* items of several semantic IDs: their bound is the sum over their paths (:mod:`recsys_core.generator.exact_shared`);
* fusion (:mod:`recsys_core.generator.fusion`): a fused score is prefix times a softmax, so the prefix bounds it, too.
  The sharpness depends on the best complete prefixes; these are made certain first;
* mixing: where items are ranked by a score that never falls when the generator's probability rises, the score at the
  prefix's probability is a bound. Partners that know every item make it far tighter than the probability alone.

Knows nothing of models: a family hands in an :class:`Expander`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.generator.exact_request import ExactRequest
from recsys_core.generator.fusion import Fusion

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

CHUNK = 8
"""Prefixes of a request that are expanded together: fewer waste none, more need fewer calls of the model."""

Ranking: TypeAlias = Callable[[int, Ints, Floats], Floats]
"""Row of the batch, int64[m] items and float32[m] log-probabilities to float32[m] scores that items are ranked by.

Must not fall when a log-probability rises; -inf is no answer here, since every item has some probability."""


class Expansion(NamedTuple):
    """Prefixes that were expanded: b requests, W prefixes of one depth, F children at most.

    Attributes:
        children: int32[b, W, F] nodes one level deeper, -1 at padding.
        log_probability: float32[b, W, F] of each child given its prefix, -inf at padding.
        handles: int64[b, W], by which the expander knows each prefix when its children are expanded.
    """

    children: NDArray[np.int32]
    log_probability: Floats
    handles: Ints


class Expander(Protocol):
    """A model reading on from a batch of requests."""

    def expand(self, level: int, nodes: NDArray[np.int32], above: Ints) -> Expansion:
        """Expand prefixes.

        Args:
            level: their depth; 0 is the root.
            nodes: int32[b, W] node numbers, -1 is padding.
            above: int64[b, W], handle of the prefix that each is a child of; 0 at the root.
        """
        ...

    def keep(self, rows: Ints) -> None:
        """Forget all requests but these: int64[b], in order."""
        ...


@runtime_checkable
class Expands(Protocol):
    """A family that can be searched exactly."""

    index: ConstraintIndex

    def expander(self, encoded: Any) -> Expander:
        """Read on from what ``encode`` gave."""
        ...


class ExactFound(NamedTuple):
    """What an exact search found.

    Attributes:
        items: int64[B, K] item indices, best first, -1 where there are no more.
        log_probability: float32[B, K], over the whole catalogue, -inf where there are no more.
        fused: float32[B, K], with fusion; equals ``log_probability`` without.
        score: float32[B, K], what the order follows.
        expanded: int64[B], prefixes that were expanded, the root among them.
    """

    items: Ints
    log_probability: Floats
    fused: Floats
    score: Floats
    expanded: Ints


def exact_search(
    expander: Expander,
    index: ConstraintIndex,
    allowed: NDArray[np.bool_],
    wanted: Ints,
    fusion: Fusion | None = None,
    ranking: Ranking | None = None,
    *,
    chunk: int = CHUNK,
) -> ExactFound:
    """The best allowed items of each request, provably.

    Args:
        expander: over B requests.
        index: of the same semantic IDs.
        allowed: bool[B, n_items].
        wanted: int64[B], how many items each request wants.
        fusion: how prefix and item scores are combined; the model's own probabilities when None.
        ranking: what items are ranked by; the fused log-probability when None.
        chunk: prefixes of a request that are expanded together.

    Returns:
        Items, each once. Ties go to the smaller semantic ID, with a ranking to the smaller item index.
    """
    restriction = index.restrict(allowed)
    requests = [
        ExactRequest(index, restriction, row, allowed[row], int(wanted[row]), fusion, ranking)
        for row in range(len(allowed))
    ]
    active = [request for request in requests if request.wanted and allowed[request.row].any()]
    if len(active) < len(requests):
        expander.keep(np.array([request.row for request in active], dtype=np.int64))
    while active:
        picked = [request.pick(chunk) for request in active]
        going = np.flatnonzero([len(places) > 0 for places in picked])
        if len(going) < len(active):
            active, picked = [active[n] for n in going], [picked[n] for n in going]
            if active:
                expander.keep(going)
        _expand(expander, active, picked, index.levels)
    return _collect(requests, int(wanted.max(initial=1)))


def _expand(expander: Expander, active: Sequence[ExactRequest], picked: Sequence[Ints], levels: int) -> None:
    """Expand the picked places of each request's queue, one call a depth."""
    taken = [request.take(places) for request, places in zip(active, picked, strict=True)]
    for level in range(levels):
        at = [np.flatnonzero(prefixes.level == level) for prefixes in taken]
        width = max((len(places) for places in at), default=0)
        if not width:
            continue
        nodes = np.full((len(active), width), -1, dtype=np.int32)
        above = np.zeros((len(active), width), dtype=np.int64)
        for number, (prefixes, places) in enumerate(zip(taken, at, strict=True)):
            nodes[number, : len(places)] = prefixes.node[places]
            above[number, : len(places)] = prefixes.above[places]
        expansion = expander.expand(level, nodes, above)
        for number, (request, prefixes, places) in enumerate(zip(active, taken, at, strict=True)):
            if len(places):
                request.absorb(
                    level,
                    prefixes.score[places],
                    expansion.children[number, : len(places)],
                    expansion.log_probability[number, : len(places)],
                    expansion.handles[number, : len(places)],
                )


def _collect(requests: Sequence[ExactRequest], width: int) -> ExactFound:
    shape = (len(requests), max(1, width))
    items = np.full(shape, -1, dtype=np.int64)
    log_probability, fused, score = (np.full(shape, -np.inf, dtype=np.float32) for _ in range(3))
    for row, request in enumerate(requests):
        best = request.best()
        span = slice(len(best.item))
        items[row, span], log_probability[row, span] = best.item, best.log_probability
        fused[row, span], score[row, span] = best.fused, best.score
    return ExactFound(items, log_probability, fused, score, np.array([r.expanded for r in requests], dtype=np.int64))
