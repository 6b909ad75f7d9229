"""Adaptive probabilistic fusion of prefix and item scores (SIGMA, arXiv 2602.22913, the third of its three steps).

``P(i) = P(prefix) * softmax(item logits inside the prefix * sharpness)``. The sharpness of a request follows from how
much the scores of its prefixes differ: where one prefix stands out, the items inside are told apart more sharply; where
all prefixes are alike, more evenly. The paper multiplies with the bare standard deviation; here it is divided by its
mean on validation and raised to a power that validation chooses, so that a power of 0 is the plain product of
probabilities and fusion can't change the scale of the logits by accident.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Floats = NDArray[np.float32]

SPREAD_FLOOR = 0.05
"""Smallest spread that is believed; one prefix alone has none."""

SPREAD_PREFIXES = 10
"""The spread is taken over so many of the best prefixes, so that it doesn't depend on the width of the beam."""


class Fusion(BaseModel):
    """How prefix and item scores are combined."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    power: float = Field(default=0.0, ge=0, le=4)
    """Power of the relative spread; 0 leaves the model's own probabilities (the ablation "sigma fixed")."""
    reference: float = Field(default=1.0, gt=0)
    """Spread that counts as ordinary, in nats; the mean on validation."""
    best_prefix_only: bool = False
    """Rank only the items of the most probable prefix (the ablation "top-1 prefix")."""

    def sharpness(self, prefixes: Floats) -> Floats:
        """Factor on item logits of each request.

        Args:
            prefixes: float32[B, W], log-probabilities of the kept prefixes, -inf where there are fewer.

        Returns:
            float32[B].
        """
        if self.power == 0:
            return np.ones(len(prefixes), dtype=np.float32)
        return np.asarray((spread(prefixes) / self.reference) ** self.power, dtype=np.float32)


def spread(prefixes: Floats) -> Floats:
    """How much the best prefixes of each row differ: float32[B, W], best first, to float32[B].

    The standard deviation of the first :data:`SPREAD_PREFIXES` finite values, at least :data:`SPREAD_FLOOR`.
    """
    prefixes = prefixes[:, :SPREAD_PREFIXES]
    real = np.isfinite(prefixes)
    count = np.maximum(real.sum(axis=1), 1)
    values = np.where(real, prefixes, 0.0)
    mean = values.sum(axis=1) / count
    variance = (np.where(real, prefixes - mean[:, None], 0.0) ** 2).sum(axis=1) / count
    return np.asarray(np.maximum(np.sqrt(variance), SPREAD_FLOOR), dtype=np.float32)


def fuse(prefixes: Floats, conditional: Floats, fusion: Fusion) -> Floats:
    """Fused log-probabilities of the items inside the kept prefixes.

    Args:
        prefixes: float32[B, W], log-probabilities of the prefixes, best first, -inf where there are fewer.
        conditional: float32[B, W, F], log-probability of each item given its prefix, -inf at padding.
        fusion: how.

    Returns:
        float32[B, W, F].
    """
    if fusion.best_prefix_only:
        prefixes = np.where(np.arange(prefixes.shape[1])[None, :] == 0, prefixes, -np.inf)
    if fusion.power == 0:
        return np.asarray(prefixes[:, :, None] + conditional, dtype=np.float32)
    return np.asarray(
        prefixes[:, :, None] + sharpened(conditional, fusion.sharpness(prefixes)[:, None, None]), dtype=np.float32
    )


def sharpened(conditional: Floats, sharpness: Floats | float) -> Floats:
    """Log-softmax over the last axis of log-probabilities times a factor; -inf (padding) stays -inf."""
    sharp = conditional * sharpness
    highest = sharp.max(axis=-1, keepdims=True)
    highest = np.where(np.isfinite(highest), highest, 0.0)
    mass = np.exp(sharp - highest).sum(axis=-1, keepdims=True)
    # first the difference, then the logarithm: added up, large sharpness would cost their precision
    return np.asarray((sharp - highest) - np.log(np.where(mass > 0, mass, 1)), dtype=np.float32)
