"""Vector scores against plain loops, and what every scorer keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys_core.baselines.nearest import Nearest, NearestConfig
from tests.contracts.sequence_scorer import SequenceScorerContract, histories

N_ITEMS = 9


class TestNearest(SequenceScorerContract):
    @pytest.fixture
    def fit(self):
        return lambda data: Nearest(data.content)

    def test_it_counts_what_it_learned(self, scorer):
        assert scorer.parameters == 0


def vectors(seed=0):
    rows = np.random.default_rng(seed).normal(size=(N_ITEMS, 4)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(
    history=st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=8),
    window=st.integers(1, 6),
    power=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    sharpness=st.sampled_from([1.0, 14.0]),
)
@settings(max_examples=40, deadline=None)
def test_scores_equal_plain_loops(history, window, power, sharpness):
    rows = vectors()
    wanted, total = np.zeros(4), 0.0
    for age, item in enumerate(history[::-1][:window], start=1):
        wanted += age**-power * rows[item]
        total += age**-power
    logits = [sharpness * float(wanted / total @ rows[i]) for i in range(N_ITEMS)]
    mass = sum(math.exp(v) for v in logits)
    config = NearestConfig(window=window, recency_power=power, sharpness=sharpness)
    found = Nearest(rows, config).scores(histories(history))[0]
    np.testing.assert_allclose(found, [math.exp(v) / mass for v in logits], rtol=1e-4)


def test_without_a_history_every_item_is_as_near():
    np.testing.assert_allclose(Nearest(vectors()).scores(histories([])), 1 / N_ITEMS, rtol=1e-5)


def test_unlike_items_in_a_history_make_the_scores_flatter():
    rows = vectors()
    rows[1] = -rows[0]
    scores = Nearest(rows, NearestConfig(recency_power=0.0)).scores(histories([0], [0, 1]))
    assert scores[0].argmax() == 0
    np.testing.assert_allclose(scores[1], 1 / N_ITEMS, rtol=1e-4)


def test_an_item_of_which_nothing_is_known_is_neither_near_nor_an_error():
    rows = vectors()
    rows[3] = 0
    scores = Nearest(rows).scores(histories([3], [0]))
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[0], 1 / N_ITEMS, rtol=1e-5)


@pytest.mark.parametrize("wrong", [{"window": 0}, {"sharpness": 0}, {"recency_power": -1}, {"decay": 1}])
def test_settings_outside_their_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        NearestConfig(**wrong)
