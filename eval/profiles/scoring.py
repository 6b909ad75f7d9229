"""Both directions of every kind of profile, by one judge, for one set of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from eval.profiles.kinds import ORDER
from eval.profiles.people import ItemTexts, Person
from recsys_core.metrics import Interval, bootstrap_mean, bootstrap_paired
from recsys_core.profiles import count_tokens
from recsys_core.rewards import BumpConfig, BumpScores, Judge, ListJudge, bump_scores
from recsys_core.rewards.hard import Hardness

Floats = NDArray[np.float64]

DIRECTIONS = ("forward", "backward")
EXPECTED = tuple(pairwise(ORDER))
"""Pairs of kinds, the better first, that the measure is expected to confirm."""
BESIDE = (
    ("best_of_n", "rule"),
    ("best_of_n", "raw"),
    ("trained", "rule"),
    ("trained", "tags"),
    ("rule", "raw"),
    ("rule", "none"),
)
"""Pairs that are shown beside them."""


class KindResult(BaseModel):
    """One kind of profile, measured by one judge."""

    model_config = ConfigDict(extra="forbid")

    users: int
    """People measured."""
    forward: Interval
    """NDCG of own held-out items among foreign ones."""
    backward: Interval
    """NDCG of the own profile among foreign ones."""
    total: Interval
    """Both together, less what is beyond the token budget."""
    tokens: float
    """Mean length."""
    longest: int
    """Tokens of the longest."""


class Step(BaseModel):
    """Whether one kind is above another, on the same people with the same negatives."""

    model_config = ConfigDict(extra="forbid")

    better: str
    """Kind that is expected to be above."""
    worse: str
    """The other."""
    direction: str
    """``forward`` or ``backward``."""
    users: int
    """People who have both."""
    difference: Interval
    """Mean of better minus worse."""
    expected: bool = True
    """Part of the order that the measure is expected to confirm; otherwise shown beside it."""

    @property
    def verdict(self) -> str:
        """``holds``, ``reversed``, or ``open`` where the interval holds 0."""
        if self.difference.low > 0:
            return "holds"
        return "reversed" if self.difference.high < 0 else "open"


@dataclass(frozen=True)
class Field:
    """What profiles of some people are held against: the same items and negatives for every kind.

    Attributes:
        held: item texts that the profile must find, of each person.
        owned: further texts that each person has.
    """

    held: list[list[str]]
    owned: list[list[str]]

    @classmethod
    def held_out(cls, people: Sequence[Person], texts: ItemTexts) -> Field:
        """What nothing has seen; what was visible counts against nobody."""
        return cls([texts(p.held) for p in people], [texts(p.visible) for p in people])

    @classmethod
    def slice(cls, people: Sequence[Person], texts: ItemTexts) -> Field:
        """The visible slice on which candidates are chosen. Held-out items don't occur, not even as negatives."""
        return cls([texts(p.chooses) for p in people], [texts(p.told) for p in people])


def scores_of(
    judge: Judge | ListJudge,
    profiles: Sequence[str],
    field: Field,
    config: BumpConfig,
    owners: Sequence[int] | None = None,
    hard: Hardness | None = None,
) -> BumpScores:
    """Both directions of some profiles; tokens are those of the sentence model."""
    return bump_scores(
        judge,
        profiles,
        field.held,
        owned=field.owned,
        owners=owners,
        hard=hard,
        config=config,
        count=count_tokens,
    )


def result_of(profiles: Sequence[str], scores: BumpScores, seed: int, resamples: int) -> KindResult:
    """The mean of a kind with its intervals."""
    lengths = [count_tokens(text) for text in profiles]

    def mean(values: Floats) -> Interval:
        return bootstrap_mean(values, seed=seed, resamples=resamples)

    return KindResult(
        users=len(profiles),
        forward=mean(scores.forward),
        backward=mean(scores.backward),
        total=mean(scores.total),
        tokens=float(np.mean(lengths)),
        longest=max(lengths),
    )


def steps_of(scores: Mapping[str, BumpScores], seed: int, resamples: int) -> list[Step]:
    """Paired differences of the pairs whose kinds were both measured, in both directions.

    Args:
        scores: kind -> of the same people with the same negatives.
        seed: of the intervals.
        resamples: of the intervals.
    """
    found = []
    for better, worse in (*EXPECTED, *BESIDE):
        if better not in scores or worse not in scores:
            continue
        for direction in DIRECTIONS:
            first, second = getattr(scores[better], direction), getattr(scores[worse], direction)
            found.append(
                Step(
                    better=better,
                    worse=worse,
                    direction=direction,
                    users=int((~np.isnan(first) & ~np.isnan(second)).sum()),
                    difference=bootstrap_paired(first, second, seed=seed, resamples=resamples),
                    expected=(better, worse) in EXPECTED,
                )
            )
    return found
