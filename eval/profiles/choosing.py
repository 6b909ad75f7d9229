"""Best of n by the reward on the visible slice; and whether both directions choose better than one alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from eval.profiles.scoring import Field, scores_of
from recsys_core.metrics import Interval, bootstrap_mean, bootstrap_paired
from recsys_core.rewards import BumpConfig, BumpScores, Judge, ListJudge

Ints = NDArray[np.int64]

WAYS = {"both": (1.0, 1.0), "forward": (1.0, 0.0), "backward": (0.0, 1.0)}
"""Weights of forward and backward while choosing."""


class WayResult(BaseModel):
    """Candidates chosen one way, measured on what is held out."""

    model_config = ConfigDict(extra="forbid")

    forward: Interval
    """NDCG of own items."""
    backward: Interval
    """NDCG of the own profile."""
    total: Interval
    """Their sum, less the penalty for length."""
    both_above: Interval | None
    """Total of choosing by both minus total of choosing this way, paired; None for choosing by both itself."""
    same: float
    """Share of people for whom choosing by both takes the same candidate."""


def choose(
    judge: Judge | ListJudge, candidates: Sequence[Sequence[str]], field: Field, config: BumpConfig
) -> dict[str, Ints]:
    """Which candidate each way takes for each person.

    Args:
        judge: who scores the candidates on the slice.
        candidates: n texts a person; other people's candidates are the foreign profiles.
        field: the visible slice.
        config: of the measure; its weights are those of each way.

    Returns:
        Way -> int64[people]; the first of equals, and the first where nothing could be ranked.
    """
    owners = [person for person, texts in enumerate(candidates) for _ in texts]
    flat = [text for texts in candidates for text in texts]
    scores = scores_of(judge, flat, field, config, owners=owners)
    starts = np.concatenate([[0], np.cumsum([len(texts) for texts in candidates])])
    chosen = {}
    for way, (forward, backward) in WAYS.items():
        value = -scores.length
        for weight, part in ((forward, scores.forward), (backward, scores.backward)):
            value = value + weight * np.nan_to_num(part)
        parts = [value[start:end] for start, end in pairwise(starts)]
        # exact to a ten-thousandth: sums in another order must not change who is taken
        chosen[way] = np.array([int(np.argmax(np.round(part, 4))) for part in parts], dtype=np.int64)
    return chosen


def taken(candidates: Sequence[Sequence[str]], places: Ints) -> list[str]:
    """The chosen texts."""
    return [texts[place] for texts, place in zip(candidates, places, strict=True)]


def compare_ways(
    chosen: dict[str, Ints], scores: dict[str, BumpScores], seed: int, resamples: int
) -> dict[str, WayResult]:
    """What each way of choosing is worth on what is held out.

    Args:
        chosen: way -> int64[people].
        scores: way -> measured on held-out items.
        seed: of the intervals.
        resamples: of the intervals.
    """
    found = {}
    for way, own in scores.items():

        def mean(values: NDArray[np.float64]) -> Interval:
            return bootstrap_mean(values, seed=seed, resamples=resamples)

        above = None
        if way != "both":
            above = bootstrap_paired(scores["both"].total, own.total, seed=seed, resamples=resamples)
        found[way] = WayResult(
            forward=mean(own.forward),
            backward=mean(own.backward),
            total=mean(own.total),
            both_above=above,
            same=float(np.mean(chosen[way] == chosen["both"])),
        )
    return found
