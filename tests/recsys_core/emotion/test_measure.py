"""Stimulus, high-stimulus rate and balance, against values worked out by hand."""

import numpy as np
import pytest

from recsys_core.emotion import EMOTIONS, emotion_balance, high_stimulus_rate, stimulus


def row(**shares):
    return [shares.get(name, 0.0) for name in EMOTIONS]


def test_stimulus_adds_anger_fear_and_surprise_only():
    rows = np.array([row(anger=0.2, fear=0.1, surprise=0.3, joy=0.4), row(love=0.9, sadness=0.1), row()])
    assert stimulus(rows) == pytest.approx([0.6, 0.0, 0.0])


def test_six_columns_are_needed():
    with pytest.raises(ValueError, match=r"\[n, 6\]"):
        stimulus(np.zeros((2, 5)))


def test_a_text_at_the_threshold_counts_as_high():
    assert high_stimulus_rate(np.array([0.5, 0.49, 0.9, 0.0])) == 0.5
    assert high_stimulus_rate(np.array([0.5, 0.49]), threshold=0.2) == 1.0
    assert np.isnan(high_stimulus_rate(np.array([])))


def test_balance_is_one_when_all_weigh_the_same_and_nothing_for_one_alone():
    assert emotion_balance(np.full((3, 6), 0.1)) == pytest.approx(1.0)
    assert emotion_balance(np.array([row(joy=0.3)])) == pytest.approx(0.0)
    two = emotion_balance(np.array([row(joy=0.5), row(fear=0.5)]))
    assert two == pytest.approx(np.log(2) / np.log(6))
    assert np.isnan(emotion_balance(np.zeros((2, 6))))
