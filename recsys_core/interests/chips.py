"""Which few wishes are likeliest next: combinations of tags that together cover what a recommender expects.

``probabilities`` say how likely each item is next; a wish (one or two tags) is worth the probability of the items that
have all its tags and that no wish before it covers. Greedy choice is within 1 - 1/e of the best for such coverage
(Nemhauser et al., 1978).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.interests.space import InterestSpace

FloatArray = NDArray[np.float64]


class ChipConfig(BaseModel):
    """What a suggestion may be."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(default=3, ge=1, le=10)
    """How many suggestions at most."""
    max_share: float = Field(default=0.1, gt=0, le=1)
    """A suggestion that more of the catalogue fits says too little (twice ``min_items`` are never too many)."""
    max_tag_share: float = Field(default=0.5, gt=0, le=1)
    """A tag that more of the catalogue has ("in English") adds nothing to another."""
    fields: tuple[str, ...] = ()
    """Fields whose tags may be named; all when empty."""
    min_items: int = Field(default=5, ge=1)
    """One that fewer items fit, which aren't known to the person yet, leads nowhere."""
    considered: int = Field(default=30, ge=2, le=200)
    """So many of the likeliest tags are combined."""


@dataclass(frozen=True)
class Candidate:
    """One possible wish.

    Attributes:
        tags: indices of its tags, one or two, ascending.
        probability: of the next item having them all, 0 to 1.
        share: of the catalogue that has them all, 0 to 1.
    """

    tags: tuple[int, ...]
    probability: float
    share: float


def item_probabilities(scores: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Softmax of ranking scores (natural-log scale), float64[n], sums to 1; empty for no scores."""
    if not len(scores):
        return np.zeros(0)
    shifted: FloatArray = np.exp((scores - scores.max()) / temperature)
    return shifted / float(shifted.sum())


def likeliest_wishes(
    space: InterestSpace,
    items: NDArray[np.int64],
    probabilities: FloatArray,
    offered: NDArray[np.bool_],
    config: ChipConfig | None = None,
    also: Sequence[tuple[int, ...]] = (),
) -> list[Candidate]:
    """The few wishes that together cover most of what is expected.

    Args:
        space: the tags.
        items: int64[n], expected items.
        probabilities: float64[n], theirs, summing to at most 1.
        offered: bool[n_items], items that could be recommended (not yet known to the person).
        config: limits.
        also: further candidates (a language model's proposals), judged like all others.

    Returns:
        At most ``config.count``, the one that covers most first; no tag occurs twice among them.
    """
    config = config or ChipConfig()
    has = space.matrix.tocsr()[items]
    expected = np.asarray(probabilities @ has).ravel()
    pool = [
        candidate
        for tags in dict.fromkeys([*also, *_combinations(space, expected, config)])
        if (candidate := _judge(space, tags, items, probabilities, offered, config)) is not None
    ]
    masks = {c.tags: np.isin(items, space.items_of(c.tags)) for c in pool}
    left = probabilities.astype(np.float64).copy()
    chosen: list[Candidate] = []
    while pool and len(chosen) < config.count:
        worth = [float(left[masks[c.tags]].sum()) for c in pool]
        # of two that cover the same, the one that says more
        best = max(
            range(len(pool)), key=lambda n: (round(worth[n], 9), -pool[n].share, tuple(-t for t in pool[n].tags))
        )
        if worth[best] <= 0:
            break
        picked = pool[best]
        chosen.append(picked)
        left[masks[picked.tags]] = 0.0
        pool = [c for c in pool if not set(c.tags) & set(picked.tags)]
    return chosen


def _combinations(space: InterestSpace, expected: FloatArray, config: ChipConfig) -> Iterable[tuple[int, ...]]:
    named = np.array([not config.fields or tag.field in config.fields for tag in space.tags], dtype=np.bool_)
    worth = np.where(named & (space.shares <= config.max_tag_share), expected, 0.0)
    order = np.argsort(-worth, kind="stable")
    top = sorted(int(n) for n in order[: config.considered] if worth[n] > 0)
    yield from ((n,) for n in top)
    for first, second in combinations(top, 2):
        # two decades can't be asked for in one breath
        if space.tags[first].low is None or space.tags[second].low is None:
            yield first, second


def _judge(
    space: InterestSpace,
    tags: tuple[int, ...],
    items: NDArray[np.int64],
    probabilities: FloatArray,
    offered: NDArray[np.bool_],
    config: ChipConfig,
) -> Candidate | None:
    having = space.items_of(tags)
    share = len(having) / max(1, space.n_items)
    # a tenth of a small catalogue is nothing to choose from
    most = max(config.max_share, 2 * config.min_items / max(1, space.n_items))
    if share > most or int(offered[having].sum()) < config.min_items:
        return None
    return Candidate(tuple(tags), float(probabilities[np.isin(items, having)].sum()), share)
