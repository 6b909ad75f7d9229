"""Intervals: seeded, of the right width, honest in coverage, paired."""

import numpy as np
import pytest

from recsys_core.metrics import (
    Interval,
    bootstrap_exposure,
    bootstrap_mean,
    bootstrap_paired,
    coverage,
    exposure,
    gini,
)


def test_same_seed_same_interval_another_seed_another():
    values = np.random.default_rng(1).random(200)
    assert bootstrap_mean(values, seed=5) == bootstrap_mean(values, seed=5)
    assert bootstrap_mean(values, seed=5) != bootstrap_mean(values, seed=6)


def test_width_agrees_with_the_normal_approximation():
    values = (np.random.default_rng(2).random(1_000) < 0.24).astype(float)
    value, low, high = bootstrap_mean(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert value == values.mean()
    assert high - value == pytest.approx(half, rel=0.1)
    assert value - low == pytest.approx(half, rel=0.1)


def test_interval_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(3)
    inside = 0
    for trial in range(200):
        _, low, high = bootstrap_mean(rng.normal(size=120), seed=trial, resamples=400)
        inside += low <= 0.0 <= high
    assert 178 <= inside <= 199


def test_nan_users_are_left_out_and_all_nan_is_nan():
    assert bootstrap_mean(np.array([1.0, np.nan, 3.0])).value == 2.0
    assert all(np.isnan(bootstrap_mean(np.array([np.nan]))))
    assert all(np.isnan(bootstrap_mean(np.array([]))))


def test_constant_values_have_no_width():
    assert bootstrap_mean(np.full(30, 0.25)) == Interval(0.25, 0.25, 0.25)


def test_paired_interval_is_narrower_than_unpaired_and_signed():
    rng = np.random.default_rng(4)
    easy = rng.random(500)  # what both models find easy or hard
    better, worse = easy + 0.05 + rng.normal(0, 0.01, 500), easy
    difference = bootstrap_paired(better, worse)
    assert difference.low > 0.04
    assert difference.high < 0.06
    alone = bootstrap_mean(better)
    assert difference.high - difference.low < (alone.high - alone.low) / 5
    assert bootstrap_paired(worse, better).high < 0
    with pytest.raises(ValueError, match="one shape"):
        bootstrap_paired(better, worse[:-1])


@pytest.mark.parametrize("statistic", [coverage, gini])
def test_exposure_interval_contains_the_estimate(statistic):
    rng = np.random.default_rng(5)
    lists = np.stack([rng.choice(80, 5, replace=False, p=np.arange(1, 81) / 3240) for _ in range(40)])
    value, low, high = bootstrap_exposure(lists, 80, statistic, resamples=500)
    assert value == pytest.approx(float(statistic(exposure(lists, 80))))
    assert low < value < high


def test_exposure_equals_naive_resampling(monkeypatch):
    lists = np.array([[0, 1, -1], [2, 1, 0], [3, -1, -1], [4, 5, 6]])
    result = bootstrap_exposure(lists, 9, coverage, seed=7, resamples=50)
    drawn = np.random.default_rng(7).integers(0, 4, size=(50, 4))
    values = np.array([len({i for u in draw for i in lists[u] if i >= 0}) / 9 for draw in drawn])
    low, high = np.quantile(values - values.mean(), [0.025, 0.975])
    assert result.value == pytest.approx(7 / 9)
    assert result.low == pytest.approx(7 / 9 + low)
    assert result.high == pytest.approx(7 / 9 + high)
    monkeypatch.setattr("recsys_core.metrics.bootstrap._CHUNK_CELLS", 1)
    assert bootstrap_exposure(lists, 9, coverage, seed=7, resamples=50) == pytest.approx(result)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="resamples"):
        bootstrap_mean(np.ones(3), resamples=0)
    with pytest.raises(ValueError, match="confidence"):
        bootstrap_mean(np.ones(3), confidence=95)
    assert all(np.isnan(bootstrap_exposure(np.zeros((0, 3), int), 4, gini)))
