"""Mixes of baselines, chosen on validation with the same freedom that the served ranking has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from recsys_core.baselines.protocol import FitData, SequenceScorer, ndcg, target_rank

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

STEP = 0.1
FLOOR = 1e-5
MOST_USERS = 4_000
CHUNK = 128


@dataclass(frozen=True, eq=False)
class Blend:
    """A weighted mean of probabilities, of themselves (linear) or of their logarithms (geometric).

    Attributes:
        parts: what is mixed; scores must be log-probabilities or probabilities.
        logs: for each part whether its scores are logarithms.
        weights: for each part, adding up to 1.
        geometric: how.
    """

    parts: Sequence[SequenceScorer]
    logs: Sequence[bool]
    weights: tuple[float, ...]
    geometric: bool

    @property
    def parameters(self) -> int:
        """Of all parts together."""
        return sum(p.parameters for p in self.parts)

    def scores(self, histories: list[Ints]) -> Floats:
        """Mixed scores: float32[len(histories), n_items]."""
        return mix(probabilities(self.parts, self.logs, histories), self.weights, geometric=self.geometric)


def fit_blend(
    parts: Sequence[SequenceScorer], logs: Sequence[bool], data: FitData, seed: int = 0
) -> tuple[Blend, float]:
    """The weights in steps of 0.1, and linear or geometric, with the best validation NDCG@10.

    Returns:
        The blend and its validation NDCG@10.
    """
    chosen = np.arange(len(data.validation_targets))
    if len(chosen) > MOST_USERS:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, size=MOST_USERS, replace=False))
    count = round(1 / STEP)
    grid = [w for w in product(range(count + 1), repeat=len(parts)) if sum(w) == count]
    ranks: dict[tuple[tuple[float, ...], bool], list[Ints]] = {}
    for start in range(0, len(chosen), CHUNK):
        users = chosen[start : start + CHUNK]
        histories = [data.validation_histories[u] for u in users]
        known = probabilities(parts, logs, histories)
        for whole, geometric in product(grid, (False, True)):
            weights = tuple(w / count for w in whole)
            scores = mix(known, weights, geometric=geometric)
            ranks.setdefault((weights, geometric), []).append(
                target_rank(scores, histories, data.validation_targets[users])
            )
    values = {key: ndcg(np.concatenate(found)) for key, found in ranks.items()}
    weights, geometric = max(values, key=lambda key: values[key])
    return Blend(parts, logs, weights, geometric), values[(weights, geometric)]


def probabilities(parts: Sequence[SequenceScorer], logs: Sequence[bool], histories: list[Ints]) -> list[Floats]:
    """Each part's scores as probabilities: a list of float32[B, n_items], rows summing to 1 (or 0)."""
    found = []
    for part, logarithms in zip(parts, logs, strict=True):
        scores = part.scores(histories)
        if logarithms:
            highest = scores.max(axis=1, keepdims=True)
            scores = np.exp(scores - np.where(np.isfinite(highest), highest, 0.0))
        total = scores.sum(axis=1, keepdims=True)
        found.append(np.divide(scores, total, out=np.zeros_like(scores), where=total > 0))
    return found


def mix(known: Sequence[Floats], weights: Sequence[float], *, geometric: bool) -> Floats:
    """Weighted mean of probabilities or of their logarithms with a floor."""
    rows = [w * (np.log(p + FLOOR) if geometric else p) for w, p in zip(weights, known, strict=True) if w]
    return np.asarray(sum(rows), dtype=np.float32)
