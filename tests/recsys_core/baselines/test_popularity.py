"""Popularity as a recommender of the comparison."""

import numpy as np
import pytest

from recsys_core.baselines.popularity import Popularity
from tests.contracts.sequence_scorer import SequenceScorerContract


class TestPopularity(SequenceScorerContract):
    beats_popularity = False

    @pytest.fixture
    def fit(self):
        return Popularity.fit

    def test_everyone_gets_the_same_order_by_count(self, scorer, data):
        scores = scorer.scores([np.array([1]), np.array([2, 3])])
        counts = np.bincount(data.items, minlength=data.n_items)
        assert (scores[0] == scores[1]).all()
        assert (np.diff(counts[np.argsort(-scores[0], kind="stable")]) <= 0).all()
