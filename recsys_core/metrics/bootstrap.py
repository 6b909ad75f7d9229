"""Bootstrap intervals over users (Efron, 1979): how much a figure would move had other users been drawn.

Users are the unit of resampling everywhere, because one user's recommendations are not independent of each other.
Resamples are drawn as multinomial counts, so a resampled mean is one matrix product and no user is ever copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RESAMPLES = 2_000
CONFIDENCE = 0.95
_CHUNK_CELLS = 4_000_000
"""Counts held in memory at a time (32 MB)."""


class Interval(NamedTuple):
    """A figure with its interval."""

    value: float
    """The estimate on the users at hand."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""


def bootstrap_mean(
    values: NDArray[np.floating], *, seed: int = 0, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> Interval:
    """Percentile interval of a mean over users.

    Args:
        values: float[n_users]; NaN marks a user without a value, left out of the mean.
        seed: seed of the resampling.
        resamples: how many.
        confidence: 0.95 for a 95 % interval.

    Returns:
        The mean and its interval; all NaN when no user has a value.
    """
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    if kept.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    means = np.concatenate([w @ kept for w in _resampled_counts(kept.size, resamples, seed)]) / kept.size
    low, high = _percentiles(means, confidence)
    return Interval(float(kept.mean()), low, high)


def bootstrap_paired(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Interval of the mean difference ``first - second`` of two models on the same users.

    Args:
        first: float[n_users].
        second: float[n_users], same users in the same order.
        seed: seed of the resampling.
        resamples: how many.
        confidence: 0.95 for a 95 % interval.

    Returns:
        The mean difference and its interval; it excludes 0 when the models differ at this confidence.

    Raises:
        ValueError: the shapes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"paired values need one shape, not {first.shape} and {second.shape}")
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return bootstrap_mean(difference, seed=seed, resamples=resamples, confidence=confidence)


def bootstrap_exposure(
    lists: IntArray,
    n_items: int,
    statistic: Callable[[NDArray[np.number]], FloatArray],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Interval of a measure of all lists together (coverage, Gini), users resampled.

    A resample holds about 63 % of the distinct users, so coverage falls and Gini rises in every one of them. The
    interval is therefore the percentile interval of the deviations from the resamples' mean, put around the estimate.

    Args:
        lists: int64[n_users, k], -1 padded.
        n_items: catalogue size.
        statistic: maps exposure counts [R, n_items] to float64[R].
        seed: seed of the resampling.
        resamples: how many.
        confidence: 0.95 for a 95 % interval.

    Returns:
        The measure on the users at hand and its interval; all NaN without users.
    """
    n_users = len(lists)
    if n_users == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    rows, _ = np.nonzero(lists >= 0)
    shown = lists[lists >= 0]
    # duplicates within a list add up, as they do in exposure()
    by_item = sparse.csr_matrix((np.ones(shown.size), (shown, rows)), shape=(n_items, n_users))
    value = float(statistic(np.asarray(by_item.sum(axis=1)).reshape(1, n_items))[0])
    chunks = _resampled_counts(n_users, resamples, seed, width=max(n_users, n_items))
    drawn = np.concatenate([statistic(np.asarray(by_item @ w.T).T) for w in chunks])
    low, high = _percentiles(drawn - drawn.mean(), confidence)
    return Interval(value, value + low, value + high)


def _resampled_counts(n: int, resamples: int, seed: int, width: int | None = None) -> Iterator[FloatArray]:
    """Counts of each user in each resample, float64[r, n] in chunks that fit the memory bound.

    Args:
        n: users.
        resamples: how many in all.
        seed: seed of the draw; the counts don't depend on how they are chunked.
        width: the widest row the caller makes of them.
    """
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK_CELLS // (width or n))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = rng.integers(0, n, size=(size, n)) + np.arange(size)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def _percentiles(values: FloatArray, confidence: float) -> tuple[float, float]:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
