"""Stimulus, high-stimulus rate and emotion balance.

MALLET (arXiv 2602.23123) defines stimulus; threshold and balance are left open there, so those two are ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_core.emotion.classes import EMOTIONS

HIGH_STIMULUS = 0.5
"""A text is called high in stimulus from here (ours; the paper names no threshold)."""

_STIRRING = [EMOTIONS.index(name) for name in ("anger", "fear", "surprise")]


def stimulus(probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
    """P(anger) + P(fear) + P(surprise).

    Args:
        probabilities: ``float[n, 6]`` in the order of ``EMOTIONS``.

    Returns:
        ``float32[n]``, each from 0 to 1.

    Raises:
        ValueError: not six columns.
    """
    rows = _rows(probabilities)
    summed: NDArray[np.float32] = np.clip(rows[:, _STIRRING].sum(axis=1), 0.0, 1.0).astype(np.float32)
    return summed


def high_stimulus_rate(stimuli: NDArray[np.floating], threshold: float = HIGH_STIMULUS) -> float:
    """Share of texts whose stimulus reaches the threshold; NaN without texts."""
    values = np.asarray(stimuli)
    return float((values >= threshold).mean()) if values.size else float("nan")


def emotion_balance(probabilities: NDArray[np.floating]) -> float:
    """How evenly the six emotions are spread over some texts: entropy of their mean vector over log 6.

    Args:
        probabilities: ``float[n, 6]``; rows may sum to less than 1.

    Returns:
        1 when all six weigh the same, 0 when there is only one; NaN without texts or without any emotion.
    """
    rows = _rows(probabilities).astype(np.float64)
    total = rows.sum()
    if not total > 0:
        return float("nan")
    mean = rows.sum(axis=0) / total
    held = mean[mean > 0]
    return float(max(0.0, -(held * np.log(held)).sum() / np.log(len(EMOTIONS))))


def _rows(probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    rows = np.asarray(probabilities)
    if rows.ndim != 2 or rows.shape[1] != len(EMOTIONS):
        raise ValueError(f"emotion probabilities need the shape [n, {len(EMOTIONS)}], not {list(rows.shape)}")
    return rows
