"""The stimulus meter: a figure for a text, and what it means in words."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys_core.emotion import EmotionClassifier, EmotionScorer, LexiconScorer, stimulus
from recsys_core.errors import ConfigError

log = logging.getLogger(__name__)

MEANING = (
    "How strongly the wording pulls at anger, fear or surprise, from 0 (not at all) to 1. It is an estimate from the "
    "words; it says nothing of whether a text is true or matters."
)
"""What the figure stands for."""
LEVELS = ((0.2, "quiet"), (0.5, "lively"), (0.75, "loud"), (2.0, "very loud"))
"""Upper bounds of stimulus and their names; from 0.5 on a text counts as high-stimulus. Ours: MALLET gives none."""
MOST_CHARS = 4_000
"""So much of a text is measured: the beginning sets the tone."""


class Meter:
    """Measures texts; safe to use from several threads.

    Args:
        scorer: what measures, and remembers; the shipped classifier, opened with the first text, when None.
    """

    def __init__(self, scorer: EmotionScorer | None = None) -> None:
        self._scorer = scorer
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """What measures. Blocking with the first use."""
        return self.scorer.name

    @property
    def scorer(self) -> EmotionScorer:
        """What measures: the classifier, or the word list where its weights can't be read. Blocking at first."""
        with self._lock:
            if self._scorer is None:
                try:
                    self._scorer = EmotionClassifier.load()
                except ConfigError as error:
                    # every answer names its scorer, so the page shows what measured
                    log.error("the word list measures emotions, because the classifier can't: %s", error)
                    self._scorer = LexiconScorer()
            return self._scorer

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32[n, 6]: probabilities of the six emotions. Blocking."""
        return self.scorer.probabilities([text[:MOST_CHARS] for text in texts])

    def stimuli(self, texts: Sequence[str]) -> list[float]:
        """Stimulus of each text, 0 to 1. Blocking."""
        return [float(value) for value in stimulus(self.probabilities(texts))] if texts else []


def level(stimulus: float) -> str:
    """The name of a stimulus (0 to 1)."""
    return next(name for bound, name in LEVELS if stimulus < bound)
