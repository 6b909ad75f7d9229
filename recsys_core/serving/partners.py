"""What a batch's items are ranked by, given the generator's probabilities: the served mix, item by item.

The score of an item depends on its own probability alone and never falls when that rises; the exact search
(:mod:`recsys_core.generator.exact`) rests on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys_core.baselines.item_cf import ItemCF
from recsys_core.ranking.leaning import leanings
from recsys_core.ranking.mix import TaskMix, away_from, geometric, toward_anchors, with_item_head

if TYPE_CHECKING:
    from recsys_core.serving.scoring import Query, Scorer

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Partners:
    """Everything but the search that a batch is ranked by.

    Args:
        scorer: of the release.
        queries: B of them.
        mixes: one a query.
        item_head: float32[B, n_items], the generator's auxiliary head; None where no mix gives it a share.
        mixed: whether item-CF, vectors and words count, or the generator alone.
    """

    def __init__(
        self,
        scorer: Scorer,
        queries: Sequence[Query],
        mixes: Sequence[TaskMix],
        item_head: Floats | None,
        *,
        mixed: bool,
    ) -> None:
        self._mixes = mixes
        self._head = item_head
        self._serving = scorer.serving
        self._mixed = mixed
        self._likeness: list[Floats | None] = [None] * len(queries)
        self._resemblance: list[Floats | None] = [None] * len(queries)
        if not mixed:
            return
        histories = [q.history for q in queries]
        self._cf = scorer.item_cf.scores(histories)
        self._near = scorer.nearest.scores(histories) if any(m.vectors for m in mixes) else self._cf
        self._fits = scorer.fits([q.instruction for q in queries])
        self._lean = leanings([q.leaning for q in queries], histories, scorer.fits, self._serving.profile)
        for row, query in enumerate(queries):
            if len(query.anchors):
                self._likeness[row] = _likeness(scorer.item_vectors, scorer.item_cf, query.anchors)
            if len(query.avoid):
                self._resemblance[row] = (scorer.item_vectors @ scorer.item_vectors[query.avoid].T).max(axis=1)

    def score(self, row: int, items: Ints | slice, generator: Floats) -> Floats:
        """Scores of some items of a query.

        Args:
            row: of the query.
            items: int64[m], or a slice of all.
            generator: float32[m], fused log-probabilities of the search; -inf where it proposed nothing.

        Returns:
            float32[m].
        """
        mix = self._mixes[row]
        if self._head is not None and mix.item_head:
            generator = with_item_head(generator, self._head[row, items], mix.item_head)
        if not self._mixed:
            return generator
        fits, near = self._fits[row, items], self._near[row, items]
        scores = geometric(generator, self._cf[row, items], fits, mix, self._serving.floor, near)
        if (lean := self._lean[row]) is not None:
            scores = scores + lean[items]
        likeness, resemblance = self._likeness[row], self._resemblance[row]
        if likeness is not None:
            scores = toward_anchors(scores, likeness[items], self._serving.anchor_weight, self._serving.floor)
        if resemblance is not None:
            scores = away_from(scores, resemblance[items], self._serving.avoid_weight)
        return scores


def _likeness(item_vectors: Floats, item_cf: ItemCF, anchors: Ints) -> Floats:
    """A distribution over items by resemblance to the anchors: half behaviour, half item vectors."""
    cosine = (item_vectors @ item_vectors[anchors].T).max(axis=1)
    near = np.exp(16.0 * (cosine - 1.0))
    return np.asarray(0.5 * item_cf.scores([anchors])[0] + 0.5 * near / near.sum(), dtype=np.float32)
