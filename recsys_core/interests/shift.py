"""Has somebody's interest moved? A pure function of two interest distributions decides when to think again.

After RecGPT-Mobile (arXiv 2605.04726): ``shift = a |H(P) - H(Q)| + b (1 - Jaccard(Z_P, Z_Q)) + c JS(P, Q)`` with
(a, b, c) = (.4, .3, .3). The paper leaves the base of the entropy open, so ours is normalised by the logarithm of the
number of tags; with base 2 in the divergence every part, and so the sum, lies between 0 and 1, and the paper's
threshold of .8 doesn't carry over: it is fitted to a wanted rate instead (:func:`fit_threshold`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

FloatArray = NDArray[np.float64]


class ShiftConfig(BaseModel):
    """When interest counts as moved."""

    model_config = ConfigDict(extra="forbid")

    entropy_weight: float = Field(default=0.4, ge=0)
    """Weight of the change in how widely interest is spread."""
    overlap_weight: float = Field(default=0.3, ge=0)
    """Weight of how few active tags are shared."""
    divergence_weight: float = Field(default=0.3, ge=0)
    """Weight of the divergence of the distributions."""
    active_share: float = Field(default=0.02, gt=0, lt=1)
    """A tag is active when it holds at least this share of the interest."""
    threshold: float = Field(default=0.21, ge=0)
    """Interest has moved when the shift exceeds this; on MovieLens-100K's training part, one step in ten does."""


def normalised_entropy(p: FloatArray) -> float:
    """Entropy of a distribution over n tags divided by log n, 0 (one tag) to 1 (all alike); 0 for fewer than 2 tags."""
    if len(p) < 2:
        return 0.0
    positive = p[p > 0]
    return float(min(1.0, max(0.0, -(positive * np.log(positive)).sum() / np.log(len(p)))))


def jaccard(first: set[int], second: set[int]) -> float:
    """Shared members divided by all members, 0 to 1; 1 for two empty sets."""
    either = first | second
    return len(first & second) / len(either) if either else 1.0


def jensen_shannon(p: FloatArray, q: FloatArray) -> float:
    """Jensen-Shannon divergence with base 2, 0 (equal) to 1 (nothing in common)."""
    middle = (p + q) / 2
    both = [float((side[side > 0] * np.log2(side[side > 0] / middle[side > 0])).sum()) for side in (p, q)]
    return min(1.0, max(0.0, sum(both) / 2))


def active_tags(p: FloatArray, share: float) -> set[int]:
    """Indices of the tags that hold at least a share of the interest."""
    return set(np.flatnonzero(p >= share).tolist())


def shift(before: FloatArray, after: FloatArray, config: ShiftConfig | None = None) -> float:
    """How far interest has moved between two distributions over the same tags.

    Args:
        before: float64[n_tags], sums to 1 or is all zero (nothing known).
        after: the same, later.
        config: weights; the paper's when None.

    Returns:
        0 for equal distributions; at most the sum of the weights.

    Raises:
        ValueError: the distributions are over different tags, or one isn't a distribution.
    """
    config = config or ShiftConfig()
    if before.shape != after.shape or before.ndim != 1:
        raise ValueError(f"both distributions must be over the same tags, got shapes {before.shape} and {after.shape}")
    for p in (before, after):
        if not np.isfinite(p).all() or (p < 0).any() or not (np.isclose(p.sum(), 1) or p.sum() == 0):
            raise ValueError("a distribution holds no negative or missing numbers and sums to 1 (or is all zero)")
    if before.sum() == 0 or after.sum() == 0:
        # from nothing to something is as far as it goes; from nothing to nothing is no way at all
        moved = float(before.sum() != after.sum())
        return moved * (config.entropy_weight + config.overlap_weight + config.divergence_weight)
    shared = jaccard(active_tags(before, config.active_share), active_tags(after, config.active_share))
    return (
        config.entropy_weight * abs(normalised_entropy(after) - normalised_entropy(before))
        + config.overlap_weight * (1 - shared)
        + config.divergence_weight * jensen_shannon(before, after)
    )


def has_moved(before: FloatArray, after: FloatArray, config: ShiftConfig | None = None) -> bool:
    """Whether the shift exceeds the threshold."""
    config = config or ShiftConfig()
    return shift(before, after, config) > config.threshold


def replay(states: Sequence[FloatArray], config: ShiftConfig | None = None) -> list[bool]:
    """At which of a person's steps interest had moved since it was last looked at.

    Args:
        states: interest after each step, oldest first; the first is looked at in any case and isn't counted.
        config: weights and threshold.

    Returns:
        One flag for each state but the first.
    """
    if not states:
        return []
    looked, flags = states[0], []
    for state in states[1:]:
        moved = has_moved(looked, state, config)
        looked = state if moved else looked
        flags.append(moved)
    return flags


def fit_threshold(
    people: Sequence[Sequence[FloatArray]], rate: float, config: ShiftConfig | None = None, steps: int = 20
) -> float:
    """The threshold at which a wanted share of all steps counts as moved.

    Args:
        people: states of each person, as for :func:`replay`; none that is evaluated on.
        rate: wanted share, 0 to 1.
        config: weights.
        steps: halvings of the interval; 20 are exact to a millionth of the largest shift.

    Raises:
        ValueError: nobody has two states, or a rate outside 0 to 1.
    """
    config = config or ShiftConfig()
    if not any(len(states) > 1 for states in people) or not 0 <= rate <= 1:
        raise ValueError("a threshold needs somebody with two states and a rate from 0 to 1")
    low, high = 0.0, config.entropy_weight + config.overlap_weight + config.divergence_weight
    for _ in range(steps):
        middle = (low + high) / 2
        tried = config.model_copy(update={"threshold": middle})
        flags = [flag for states in people for flag in replay(states, tried)]
        low, high = (middle, high) if sum(flags) > rate * len(flags) else (low, middle)
    return high
