"""Vector scores: items whose vectors are near those of the newest items of the history."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from recsys_core.baselines.votes import check_histories

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class NearestConfig(BaseModel):
    """Settings of the vector scores."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: PositiveInt = 10
    """How many of the newest history items count."""
    recency_power: float = Field(default=1.0, ge=0)
    """The n-th newest item counts with weight ``n ** -recency_power``."""
    sharpness: PositiveFloat = 14.0
    """Factor on the cosines before the softmax."""


class Nearest:
    """A softmax over cosines between items and the weighted mean of the history's vectors.

    The mean is not brought back to length 1: a history of unlike items says less, and its softmax is flatter.

    Args:
        vectors: float32[n_items, d], unit rows.
        config: settings.
    """

    parameters = 0

    def __init__(self, vectors: Floats, config: NearestConfig | None = None) -> None:
        self.vectors = vectors
        self.config = config or NearestConfig()

    def scores(self, histories: list[Ints]) -> Floats:
        """Probabilities of all items: float32[len(histories), n_items], rows sum to 1; even without a history.

        Raises:
            DataError: an item that the catalogue doesn't have.
        """
        check_histories(histories, len(self.vectors))
        wanted = np.zeros((len(histories), self.vectors.shape[1]), dtype=np.float32)
        for row, history in enumerate(histories):
            newest = history[-self.config.window :]
            if len(newest):
                weights = np.arange(len(newest), 0, -1.0) ** -self.config.recency_power
                wanted[row] = (weights / weights.sum()) @ self.vectors[newest]
        logits = self.config.sharpness * (wanted @ self.vectors.T)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return np.asarray(logits, dtype=np.float32)
