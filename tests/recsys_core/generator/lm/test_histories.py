"""Trained on histories alone, the language model keeps what every recommender of the comparison keeps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from recsys_core.errors import DataError
from recsys_core.generator.lm.config import LmConfig, LmTrainConfig
from recsys_core.generator.lm.histories import fit_histories
from tests.contracts.fit_data import small_fit_data
from tests.contracts.sequence_scorer import SequenceScorerContract

SHAPE = LmConfig(width=16, layers=1, feed_forward=32, text_tokens=300, window=10, dropout=0.0)
RECIPE = LmTrainConfig(epochs=7, learning_rate=2e-2, batch_positions=128, validate_users=50, threads=1)


class TestHistoriesAlone(SequenceScorerContract):
    @pytest.fixture
    def fit(self):
        return lambda data: fit_histories(data, SHAPE, RECIPE, hybrid=False)


def test_items_of_which_nothing_is_known_can_be_learned_too():
    full = small_fit_data()
    data = dataclasses.replace(full, content=np.empty((60, 0), np.float32))
    scores = fit_histories(data, SHAPE, RECIPE.model_copy(update={"epochs": 1}), hybrid=False).scores([data.items[:3]])
    assert np.isfinite(scores).all()


def test_data_without_semantic_ids_is_refused():
    data = dataclasses.replace(small_fit_data(), sids=None)
    with pytest.raises(DataError, match="semantic IDs"):
        fit_histories(data, SHAPE, RECIPE, hybrid=True)
