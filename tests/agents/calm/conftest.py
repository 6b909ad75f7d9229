"""A calmer that measures with the word list and a cheap similarity, so that no model is loaded."""

import numpy as np
import pytest

from agents.calm.adjust import Calmer
from agents.calm.cache import CalmCache
from agents.calm.measure import Gauge
from recsys_core.emotion import LexiconScorer


class OverlapGauge(Gauge):
    """Similarity is the share of words in common."""

    def __init__(self):
        super().__init__(LexiconScorer(), None)
        self.measured = 0

    def stimuli(self, texts):
        self.measured += len(texts)
        return super().stimuli(texts)

    def similarities(self, text, others):
        words = set(text.casefold().split())
        shares = [len(words & set(other.casefold().split())) / max(1, len(words)) for other in others]
        return np.array([0.1 + 0.9 * share**0.5 for share in shares], dtype=np.float32)


@pytest.fixture
def calmer(tmp_path):
    made = Calmer(OverlapGauge(), CalmCache(tmp_path))
    yield made
    made.close()
