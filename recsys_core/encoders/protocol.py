"""What every item encoder offers, and what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.catalogue import Catalogue

Progress = Callable[[int, int], None]
"""Called with (done, total) after each batch."""


@dataclass(frozen=True)
class TrainSequences:
    """What each user did, in time order, without the items held out for validation and test."""

    offsets: NDArray[np.int64]
    """``int64[users + 1]``: where each user's sequence starts in ``items``."""
    items: NDArray[np.int64]
    """``int64[interactions]`` item indices."""


class ItemEncoder(Protocol):
    """Turns a catalogue, the training interactions or both into one vector an item."""

    def encode(self, catalogue: Catalogue, train: TrainSequences) -> NDArray[np.float32]:
        """``float32[n_items, d]``, rows L2-normalised; an item about which nothing is known may have a zero row."""
        ...
