"""The six emotions, and what every scorer of them can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

EMOTIONS = ("anger", "fear", "joy", "love", "sadness", "surprise")
"""Order of the columns everywhere (the classes of MALLET, arXiv 2602.23123)."""


class EmotionScorer(Protocol):
    """Anything that says how much of each emotion a text holds."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[len(texts), 6]`` in the order of :data:`EMOTIONS`.

        A row sums to at most 1; what is missing is the probability that the text holds no emotion at all.
        """
        ...
