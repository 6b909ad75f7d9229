"""Accuracy of ranked lists against one held-out item a user.

Everything starts from the *rank* of the target in the user's list, so that recall, NDCG and reciprocal rank can never
disagree about where an item stood. With one relevant item the ideal DCG is 1, hence NDCG = 1 / log2(rank + 1)
(Järvelin & Kekäläinen, 2002).

Ties are broken by the item's place in ``tie_order`` (the order of its id), which knows nothing of the target: a model
that gives every item the same score earns what chance gives, not a perfect hit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def top_k(
    scores: NDArray[np.floating], k: int, *, mask: NDArray[np.bool_] | None = None, tie_order: IntArray | None = None
) -> IntArray:
    """Rank all items by score.

    Args:
        scores: float[n_users, n_items]; NaN and -inf mean "not a candidate".
        k: list length.
        mask: bool[n_users, n_items], True where an item may be ranked; all may when omitted.
        tie_order: int[n_items], a permutation; among equal scores the item with the smaller value comes first. Item
            index when omitted.

    Returns:
        int64[n_users, k] item indices, best first, padded with -1 where fewer than ``k`` items are candidates.

    Raises:
        ValueError: ``k`` is below 1 or a shape doesn't fit.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if scores.ndim != 2:
        raise ValueError(f"scores must be [n_users, n_items], not of shape {scores.shape}")
    candidates = scores > -np.inf  # False for NaN as well
    if mask is not None:
        candidates = candidates & mask
    order = np.arange(scores.shape[1]) if tie_order is None else np.argsort(tie_order, kind="stable")
    # A stable sort over columns already in tie order keeps that order among equal scores.
    keyed = np.where(candidates, -scores, np.inf)[:, order]
    best = np.argsort(keyed, axis=1, kind="stable")[:, :k]
    items = order[best]
    lists = np.full((scores.shape[0], k), -1, dtype=np.int64)
    lists[:, : items.shape[1]] = np.where(np.take_along_axis(candidates, items, axis=1), items, -1)
    return lists


def break_ties(lists: IntArray, scores: FloatArray, tie_order: IntArray) -> IntArray:
    """Put runs of equally scored neighbours in ``tie_order``, leaving every other position alone.

    Args:
        lists: int64[n_users, k] item indices, -1 padded.
        scores: float64[n_users, k], the scores the lists were sorted by.
        tie_order: int64[n_items], see :func:`top_k`.

    Returns:
        int64[n_users, k].

    Raises:
        ValueError: the shapes of ``lists`` and ``scores`` differ.
    """
    if lists.shape != scores.shape:
        raise ValueError(f"lists {lists.shape} and scores {scores.shape} must have one shape")
    if lists.size == 0:
        return lists.copy()
    padded = lists < 0
    changes = (scores[:, 1:] != scores[:, :-1]) | (padded[:, 1:] != padded[:, :-1])
    runs = np.concatenate([np.zeros((len(lists), 1), dtype=np.int64), np.cumsum(changes, axis=1)], axis=1)
    place = np.where(padded, np.arange(lists.shape[1]), tie_order[np.maximum(lists, 0)])
    span = int(max(place.max(), 0)) + 1
    return np.take_along_axis(lists, np.argsort(runs * span + place, axis=1, kind="stable"), axis=1)


def target_ranks(lists: IntArray, targets: IntArray) -> IntArray:
    """Where each user's target stands in their list.

    Args:
        lists: int64[n_users, k] item indices, best first, -1 padded.
        targets: int64[n_users] the held-out item of each user.

    Returns:
        int64[n_users]: 1 for the first place, 0 when the target isn't in the list.

    Raises:
        ValueError: shapes don't fit, a target is negative, or a list holds an item twice (which would let a model
            win by repeating itself).
    """
    if lists.ndim != 2 or targets.shape != (lists.shape[0],):
        raise ValueError(f"lists {lists.shape} and targets {targets.shape} must be [n, k] and [n]")
    if (targets < 0).any():
        raise ValueError("targets must be item indices, 0 or above")
    ordered = np.sort(lists, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if repeated.any():
        raise ValueError(f"list of row {int(np.flatnonzero(repeated.any(axis=1))[0])} holds an item more than once")
    hits = lists == targets[:, None]
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0).astype(np.int64)


def recall_at(ranks: IntArray, k: int) -> FloatArray:
    """1 for users whose target is among the first ``k``, else 0 (with one target: recall = hit rate).

    Args:
        ranks: int64[n_users] from :func:`target_ranks`.
        k: cut-off.

    Returns:
        float64[n_users].
    """
    return _inside(ranks, k).astype(np.float64)


def ndcg_at(ranks: IntArray, k: int) -> FloatArray:
    """1 / log2(rank + 1) within the first ``k``, else 0.

    Args:
        ranks: int64[n_users] from :func:`target_ranks`.
        k: cut-off.

    Returns:
        float64[n_users].
    """
    return np.where(_inside(ranks, k), 1.0 / np.log2(np.maximum(ranks, 1) + 1.0), 0.0)


def reciprocal_rank_at(ranks: IntArray, k: int) -> FloatArray:
    """1 / rank within the first ``k``, else 0.

    Args:
        ranks: int64[n_users] from :func:`target_ranks`.
        k: cut-off.

    Returns:
        float64[n_users].
    """
    return np.where(_inside(ranks, k), 1.0 / np.maximum(ranks, 1), 0.0)


def _inside(ranks: IntArray, k: int) -> NDArray[np.bool_]:
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    return (ranks >= 1) & (ranks <= k)
