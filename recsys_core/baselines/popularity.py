"""Popularity: everyone gets what most people took."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_core.baselines.protocol import FitData, Floats, Ints, Tell
from recsys_core.baselines.votes import check_histories


def popularity(items: NDArray[np.int64], n_items: int) -> NDArray[np.int64]:
    """Count interactions: int64[n] item indices to int64[n_items]."""
    return np.bincount(items, minlength=n_items).astype(np.int64)


def popularity_probability(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Share of each item with one added to every count, so that none is impossible: float32[n_items], sums to 1."""
    smoothed = counts + 1.0
    return np.asarray(smoothed / smoothed.sum(), dtype=np.float32)


class Popularity:
    """The same order for everyone; a :class:`~recsys_core.baselines.protocol.SequenceScorer`.

    Args:
        counts: int64[n_items], interactions of each item.
    """

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self.counts = counts

    @classmethod
    def fit(cls, data: FitData, config: None = None, *, seed: int = 0, tell: Tell | None = None) -> Popularity:
        """Count the training items; there is nothing to set and nothing random."""
        return cls(popularity(data.items, data.n_items))

    @property
    def parameters(self) -> int:
        """One count an item."""
        return len(self.counts)

    def scores(self, histories: list[Ints]) -> Floats:
        """See :class:`~recsys_core.baselines.protocol.SequenceScorer`; every row is :func:`popularity_probability`."""
        check_histories(histories, len(self.counts))
        return np.tile(popularity_probability(self.counts), (len(histories), 1))
