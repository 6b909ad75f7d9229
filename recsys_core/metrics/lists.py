"""What lists are like beyond accuracy: how much of the catalogue they show, how evenly, how unexpected, how varied.

``lists`` is always int64[n_users, k] item indices with -1 padding. Per-user measures return float64[n_users] with NaN
for a user whose list is too short to be measured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_CHUNK_FLOATS = 8_000_000
"""Floats gathered at a time by :func:`intra_list_diversity`; 32 MB keeps large evaluations out of swap."""


def exposure(lists: IntArray, n_items: int) -> IntArray:
    """How often each item is shown.

    Args:
        lists: int64[n_users, k], -1 padded.
        n_items: catalogue size.

    Returns:
        int64[n_items].
    """
    return np.bincount(lists[lists >= 0], minlength=n_items).astype(np.int64)


def coverage(counts: NDArray[np.number]) -> NDArray[np.float64]:
    """Share of the catalogue that is shown to somebody.

    Args:
        counts: exposure counts [..., n_items].

    Returns:
        float64[...], 0 to 1.
    """
    return np.asarray((counts > 0).mean(axis=-1), dtype=np.float64)


def gini(counts: NDArray[np.number]) -> NDArray[np.float64]:
    """Gini coefficient of exposure over the whole catalogue: 0 when all items are shown equally often, towards 1 when
    one item takes every place. Items never shown count as 0.

    Args:
        counts: exposure counts [..., n_items].

    Returns:
        float64[...]; 0 where nothing is shown at all.
    """
    n = counts.shape[-1]
    ordered = np.sort(counts, axis=-1).astype(np.float64)
    total = ordered.sum(axis=-1)
    weighted = (ordered * (2.0 * np.arange(1, n + 1) - n - 1.0)).sum(axis=-1)
    return np.asarray(np.divide(weighted, n * total, out=np.zeros_like(total), where=total > 0), dtype=np.float64)


def self_information(train_counts: NDArray[np.number]) -> FloatArray:
    """Surprise of each item in bits, ``-log2 p(i)`` with p the share of training interactions after adding one to
    every item (so that an item without any interaction is finite, and equal popularity gives exactly log2 n).

    Args:
        train_counts: number[n_items], interactions of each item in training data.

    Returns:
        float64[n_items].
    """
    smoothed = np.asarray(train_counts, dtype=np.float64) + 1.0
    return np.asarray(-np.log2(smoothed / smoothed.sum()), dtype=np.float64)


def novelty(lists: IntArray, information: FloatArray) -> FloatArray:
    """Mean self-information of each user's list (Vargas & Castells, 2011).

    Args:
        lists: int64[n_users, k], -1 padded.
        information: float64[n_items] from :func:`self_information`.

    Returns:
        float64[n_users] bits; NaN for an empty list.
    """
    shown = lists >= 0
    sums = np.where(shown, information[np.maximum(lists, 0)], 0.0).sum(axis=1)
    sizes = shown.sum(axis=1)
    return np.asarray(np.divide(sums, sizes, out=np.full(len(lists), np.nan), where=sizes > 0), dtype=np.float64)


def intra_list_diversity(lists: IntArray, vectors: NDArray[np.floating]) -> FloatArray:
    """1 - mean cosine over all pairs of each user's list (Ziegler et al., 2005).

    Uses ``|sum of unit vectors|^2 = n + sum over ordered pairs of cosines``, so pairs are never formed.

    Args:
        lists: int64[n_users, k], -1 padded.
        vectors: float[n_items, d]; need not be normalised. A zero vector has cosine 0 with everything.

    Returns:
        float64[n_users]; NaN for a list of fewer than two items.
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    result = np.full(len(lists), np.nan)
    step = max(1, _CHUNK_FLOATS // max(1, lists.shape[1] * vectors.shape[1]))
    for start in range(0, len(lists), step):
        part = lists[start : start + step]
        shown = part >= 0
        gathered = np.where(shown[:, :, None], unit[np.maximum(part, 0)], 0.0).astype(np.float64)
        sizes = shown.sum(axis=1).astype(np.float64)
        pairs = sizes * (sizes - 1.0)
        cosines = (gathered.sum(axis=1) ** 2).sum(axis=1) - (gathered**2).sum(axis=(1, 2))
        mean = np.divide(cosines, pairs, out=np.full(len(part), np.nan), where=pairs > 0)
        result[start : start + step] = 1.0 - mean
    return result
