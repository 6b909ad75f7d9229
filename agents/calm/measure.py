"""Stimulus and similarity for the graph: one classifier and one sentence model, with memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys_core.emotion import EmotionScorer, stimulus
from recsys_core.encoders.text import TextEncoder


class Gauge:
    """What the verifier measures with.

    Args:
        scorer: names emotions.
        encoder: turns text into vectors.
    """

    def __init__(self, scorer: EmotionScorer, encoder: TextEncoder) -> None:
        self.scorer = scorer
        self._encoder = encoder

    @property
    def name(self) -> str:
        """What the stimulus was measured with; part of cache keys."""
        return self.scorer.name

    def stimuli(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Stimulus of each text, ``float32[n]``."""
        return stimulus(self.scorer.probabilities(texts))

    def similarities(self, text: str, others: Sequence[str]) -> NDArray[np.float32]:
        """Cosine of a text with others, ``float32[n]``."""
        if not others:
            return np.empty(0, dtype=np.float32)
        vectors = self._encoder.encode_texts([text, *others])
        cosines: NDArray[np.float32] = vectors[1:] @ vectors[0]
        return cosines
