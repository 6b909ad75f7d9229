"""Places in a list and what they earn: NDCG in both directions, and what length costs. Arrays in, arrays out."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_TOKEN = re.compile(r"\w+|[^\w\s]")


def forward_ndcg(ranks: Ints, held: Flags | None = None) -> Floats:
    """Multi-positive NDCG of ranks.

    Args:
        ranks: int[..., P], places from 1 of the positives.
        held: bool[..., P], False where a place is padding; all are positives when omitted.

    Returns:
        float64[...], 1 when the positives take the first places, NaN without a positive. With P = 1 it is
        ``1 / log2(rank + 1)``.
    """
    held = np.ones(ranks.shape, dtype=np.bool_) if held is None else held
    gains = np.where(held, 1.0 / np.log2(np.maximum(ranks, 1) + 1.0), 0.0).sum(axis=-1)
    ideal = np.concatenate([[np.nan], np.cumsum(1.0 / np.log2(np.arange(ranks.shape[-1]) + 2.0))])
    return np.asarray(gains / ideal[held.sum(axis=-1)])


def backward_ndcg(ranks: Ints, held: Flags | None = None) -> Floats:
    """Mean of ``1 / log2(rank + 1)`` over held-out items.

    Args:
        ranks: int[..., P], the own profile's place from 1 for each held-out item.
        held: bool[..., P], False where a place is padding; all count when omitted.

    Returns:
        float64[...], NaN where nothing counts.
    """
    held = np.ones(ranks.shape, dtype=np.bool_) if held is None else held
    gains = np.where(held, 1.0 / np.log2(np.maximum(ranks, 1) + 1.0), 0.0).sum(axis=-1)
    count = held.sum(axis=-1)
    return np.asarray(np.divide(gains, count, where=count > 0, out=np.full(gains.shape, np.nan)))


def length_penalty(tokens: NDArray[np.number], budget: int, weight: float = 1.0) -> Floats:
    """0 up to the budget, then ``weight`` for every further budget: padding must not pay."""
    return weight * np.maximum(0.0, np.asarray(tokens, dtype=np.float64) - budget) / budget


def count_tokens(text: str) -> int:
    """Words and signs of a text, for judges without a tokenizer of their own."""
    return len(_TOKEN.findall(text))


def places(scores: NDArray[np.floating], present: Flags, order: NDArray[np.floating], count: int) -> Ints:
    """Places from 1 of the first ``count`` candidates of each list.

    Args:
        scores: float[..., C]; NaN counts as the lowest.
        present: bool[..., C], False for padding.
        order: float[..., C], where a candidate is shown; it breaks ties.
        count: how many.

    Returns:
        int64[..., count]; meaningless for padding.
    """
    scores = np.where(present & ~np.isnan(scores), scores, -np.inf)
    own, when = scores[..., :count, None], order[..., :count, None]
    others, shown = scores[..., None, :], order[..., None, :]
    before = (others > own) | ((others == own) & (shown < when))
    return np.asarray(1 + (before & present[..., None, :]).sum(axis=-1), dtype=np.int64)
