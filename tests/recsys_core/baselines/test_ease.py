"""EASE against its own objective and a plain inverse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.baselines import ease
from recsys_core.baselines.ease import EASE, EaseConfig, tuned_ease
from recsys_core.baselines.protocol import FitData, ndcg, validation_ranks
from recsys_core.errors import ConfigError
from tests.contracts.fit_data import one_user_fit_data, small_fit_data
from tests.contracts.sequence_scorer import SequenceScorerContract


class TestEASE(SequenceScorerContract):
    @pytest.fixture
    def fit(self):
        return lambda data: EASE.fit(data, EaseConfig(l2=20))


def fit_data(sequences, n_items):
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in sequences])]).astype(np.int64)
    items = np.concatenate([np.array(s, dtype=np.int64) for s in sequences])
    return FitData(offsets, items, n_items, np.zeros((n_items, 0), np.float32))


def binary(sequences, n_items):
    matrix = np.zeros((len(sequences), n_items))
    for row, sequence in enumerate(sequences):
        matrix[row, sequence] = 1
    return matrix


SEQUENCES = st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=9), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(SEQUENCES, st.floats(0.5, 100.0), st.integers(1, 9))
def test_weights_equal_the_formula_in_double_precision(sequences, l2, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ease, "_BLOCK", block)
        weights = EASE.fit(fit_data(sequences, 8), EaseConfig(l2=l2)).weights
    x = binary(sequences, 8)
    inverse = np.linalg.inv(x.T @ x + l2 * np.eye(8))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(weights, expected, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(SEQUENCES, st.integers(0, 100))
def test_no_other_weights_with_an_empty_diagonal_fit_better(sequences, seed):
    l2 = 2.0
    weights = EASE.fit(fit_data(sequences, 8), EaseConfig(l2=l2)).weights.astype(float)
    x = binary(sequences, 8)

    def loss(b):
        return ((x - x @ b) ** 2).sum() + l2 * (b**2).sum()

    change = 0.05 * np.random.default_rng(seed).standard_normal((8, 8))
    np.fill_diagonal(change, 0)
    assert loss(weights) <= loss(weights + change) + 1e-4


def test_newest_items_count_more_only_when_told_so_and_a_repeated_item_votes_once():
    weights = np.random.default_rng(0).standard_normal((6, 6)).astype(np.float32)
    history = [np.array([4, 1, 2, 1])]
    plain = EASE(weights, EaseConfig(recency_power=0)).scores(history)
    np.testing.assert_allclose(plain[0], weights[[1, 2, 4]].sum(axis=0), rtol=1e-5)
    recent = EASE(weights, EaseConfig(recency_power=1)).scores(history)
    np.testing.assert_allclose(recent[0], weights[1] + weights[2] / 2 + weights[4] / 3, rtol=1e-5)


def test_a_catalogue_too_large_for_a_dense_matrix_is_refused_before_it_is_allocated():
    data = FitData(np.array([0, 2]), np.array([0, 1]), 20_001, np.zeros((20_001, 0), np.float32))
    with pytest.raises(ConfigError, match=r"20,001 x 20,001 items \(1\.6 GB\)"):
        EASE.fit(data)
    with pytest.raises(ConfigError, match="20,001"):
        tuned_ease(data)


def test_the_chosen_settings_are_the_best_of_those_tried():
    data = small_fit_data(1)
    choice = tuned_ease(data)
    assert len(choice.tried) == len(ease.GRID_L2) * len(ease.GRID_RECENCY)
    assert choice.ndcg == max(value for _, value in choice.tried)
    again = EASE.fit(data, choice.config)
    assert ndcg(validation_ranks(again, data)) == pytest.approx(choice.ndcg)
    with pytest.raises(ConfigError, match="without validation"):
        tuned_ease(one_user_fit_data())
