"""Popularity: everyone gets what most people took."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def popularity(items: NDArray[np.int64], n_items: int) -> NDArray[np.int64]:
    """Count interactions: int64[n] item indices to int64[n_items]."""
    return np.bincount(items, minlength=n_items).astype(np.int64)


def popularity_probability(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Share of each item with one added to every count, so that none is impossible: float32[n_items], sums to 1."""
    smoothed = counts + 1.0
    return np.asarray(smoothed / smoothed.sum(), dtype=np.float32)
