"""Choose settings on validation: every candidate is scored on the same users, the best NDCG@10 wins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from recsys_core.baselines.protocol import FitData, SequenceScorer, Tell, ndcg, validation_ranks
from recsys_core.errors import ConfigError

C = TypeVar("C")
S = TypeVar("S", bound=SequenceScorer)

MOST_USERS = 5_000
"""Larger validations are sampled: the standard error of NDCG@10 is about .002 then, less between candidates."""


@dataclass(frozen=True, eq=False)
class Choice(Generic[C, S]):
    """What was chosen and what else was tried."""

    config: C
    """Settings of the best candidate."""
    scorer: S
    """The best candidate, fitted."""
    ndcg: float
    """Its NDCG@10 on validation; selected to be high, so no estimate of what a test will show."""
    tried: list[tuple[C, float]]
    """All candidates and their NDCG@10, in order of trial."""


def validation_sample(data: FitData, most: int = MOST_USERS, seed: int = 0) -> FitData:
    """The same data with at most ``most`` validated users, drawn without replacement.

    Raises:
        ConfigError: nobody is validated.
    """
    n = len(data.validation_targets)
    if n == 0:
        raise ConfigError(
            "settings can't be chosen without validation: no user has three interactions; fit with stated settings"
        )
    if n <= most:
        return data
    kept = np.sort(np.random.default_rng(seed).choice(n, size=most, replace=False))
    return replace(
        data,
        validation_histories=[data.validation_histories[row] for row in kept.tolist()],
        validation_targets=data.validation_targets[kept],
    )


def choose(
    candidates: Iterable[tuple[C, S]], data: FitData, *, total: int, name: str, tell: Tell | None = None, done: int = 0
) -> Choice[C, S]:
    """Score candidates one after another and keep the best; the earlier one wins a tie.

    Args:
        candidates: settings and fitted recommender; made one at a time, so that only two are in memory at once.
        data: whose validation decides, all users or a sample (:func:`validation_sample`).
        total: how many candidates there are, for ``tell``.
        name: what is being tuned, for ``tell``.
        tell: called before each candidate and at the end.
        done: how many of ``total`` were tried in an earlier step.

    Raises:
        ConfigError: there is nothing to validate on, or there are no candidates.
    """
    sample = validation_sample(data)
    best: tuple[C, S, float] | None = None
    tried: list[tuple[C, float]] = []
    for config, scorer in candidates:
        if tell is not None:
            tell(f"{name}: choosing settings", done + len(tried), total)
        value = ndcg(validation_ranks(scorer, sample))
        tried.append((config, value))
        if best is None or value > best[2]:
            best = config, scorer, value
    if best is None:
        raise ConfigError(f"{name}: there are no settings to choose from")
    if tell is not None:
        tell(f"{name}: choosing settings", done + len(tried), total)
    return Choice(*best, tried)
