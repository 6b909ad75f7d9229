"""Macro-F1 of six emotions with a bootstrap interval over texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_core.emotion.classes import EMOTIONS
from recsys_core.metrics.bootstrap import Interval


def f1_scores(truth: NDArray[np.integer], named: NDArray[np.integer]) -> NDArray[np.float64]:
    """``float64[6]``: F1 of each emotion; 0 for one that is never named nor true."""
    scores: NDArray[np.float64] = _from_counts(_confusion(truth, named)[None])[0]
    return scores


def macro_f1(truth: NDArray[np.integer], named: NDArray[np.integer], *, resamples: int = 0, seed: int = 0) -> Interval:
    """Mean F1 over the six emotions.

    Args:
        truth: ``int[n]`` columns of ``EMOTIONS``.
        named: ``int[n]``, what a scorer said.
        resamples: resamples of the texts for the 95 % interval; 0 gives an interval without width.
        seed: of the resampling.
    """
    value = float(f1_scores(truth, named).mean())
    if not resamples:
        return Interval(value, value, value)
    chance = np.random.default_rng(seed)
    cells = truth.astype(np.int64) * len(EMOTIONS) + named
    drawn = []
    for _ in range(resamples):
        counts = np.bincount(cells[chance.integers(0, len(cells), len(cells))], minlength=len(EMOTIONS) ** 2)
        drawn.append(counts.reshape(len(EMOTIONS), len(EMOTIONS)))
    scores = _from_counts(np.stack(drawn)).mean(axis=1)
    low, high = np.quantile(scores, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _confusion(truth: NDArray[np.integer], named: NDArray[np.integer]) -> NDArray[np.int64]:
    cells = truth.astype(np.int64) * len(EMOTIONS) + named
    return np.bincount(cells, minlength=len(EMOTIONS) ** 2).reshape(len(EMOTIONS), len(EMOTIONS))


def _from_counts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 from confusion matrices [r, true, named]."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    sums = counts.sum(axis=1) + counts.sum(axis=2)
    shares: NDArray[np.float64] = 2.0 * hits / np.maximum(sums, 1)
    return shares
