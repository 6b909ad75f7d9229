"""Reranking for variety: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) over the best of a list."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def diversified(ranked: Ints, scores: Floats, vectors: Floats, k: int, weight: float) -> Ints:
    """Choose ``k`` of some items one by one, each good in itself and unlike those chosen before it.

    Args:
        ranked: int64[m], item indices, best first; all of them may be chosen.
        scores: float32[m], finite; brought to 0..1 within the list, since only differences mean anything.
        vectors: float32[m, d], unit rows.
        k: how many.
        weight: of the likeness to what is chosen, 0 (leaves the order) to 1 (likeness alone counts).

    Returns:
        int64[min(k, m)], in the order of choice; ties go to the better ranked.
    """
    if weight == 0 or len(ranked) <= 1:
        return ranked[:k]
    width = float(scores.max() - scores.min())
    relevance = (scores - scores.min()) / width if width > 0 else np.zeros(len(ranked), dtype=np.float32)
    nearest = np.zeros(len(ranked), dtype=np.float32)
    free = np.ones(len(ranked), dtype=np.bool_)
    chosen: list[int] = []
    for _ in range(min(k, len(ranked))):
        value = np.where(free, (1 - weight) * relevance - weight * nearest, -np.inf)
        best = int(value.argmax())
        chosen.append(best)
        free[best] = False
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return ranked[np.array(chosen, dtype=np.int64)]
