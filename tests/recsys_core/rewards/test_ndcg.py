"""Places and what they earn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.rewards.ndcg import backward_ndcg, count_tokens, forward_ndcg, length_penalty, places


@given(st.integers(1, 50))
@settings(max_examples=20)
def test_one_positive_earns_one_over_log2(rank: int) -> None:
    """P = 1: both directions are 1 / log2(rank + 1)."""
    ranks = np.array([[rank]])
    assert forward_ndcg(ranks) == pytest.approx(1 / np.log2(rank + 1))
    assert backward_ndcg(ranks) == pytest.approx(1 / np.log2(rank + 1))


@given(st.integers(1, 6), st.integers(0, 8))
@settings(max_examples=25)
def test_perfect_is_one_and_last_is_least(positives: int, negatives: int) -> None:
    """The first places earn 1; no set of places earns less than the last ones."""
    first = np.arange(1, positives + 1)
    assert forward_ndcg(first[None])[0] == pytest.approx(1.0)
    last = forward_ndcg((first + negatives)[None])[0]
    drawn = np.random.default_rng(positives * 31 + negatives).permutation(positives + negatives)[:positives] + 1
    assert last - 1e-12 <= forward_ndcg(drawn[None])[0] <= 1.0


def test_padding_counts_for_nothing() -> None:
    """Padded places change neither direction; without a positive there is no value."""
    ranks = np.array([[2, 5, 1], [1, 1, 1]])
    held = np.array([[True, True, False], [False, False, False]])
    assert forward_ndcg(ranks, held)[0] == pytest.approx(forward_ndcg(np.array([[2, 5]]))[0])
    assert backward_ndcg(ranks, held)[0] == pytest.approx((1 / np.log2(3) + 1 / np.log2(6)) / 2)
    assert np.isnan(forward_ndcg(ranks, held)[1])
    assert np.isnan(backward_ndcg(ranks, held)[1])


def test_length_costs_beyond_the_budget_only() -> None:
    """Nothing up to the budget, the weight for one budget more."""
    assert length_penalty(np.array([0, 120, 180, 240]), 120).tolist() == [0.0, 0.0, 0.5, 1.0]
    assert count_tokens("Likes noir, not sci-fi.") == 8
    assert count_tokens("") == 0


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_places_against_sorting(seed: int) -> None:
    """Ties go to what is shown first, padding takes no place, NaN stands last."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, 9).astype(np.float64)
    scores[rng.random(9) < 0.2] = np.nan
    present = rng.random(9) < 0.8
    present[:3] = True
    order = rng.random(9)
    shown = [n for n in range(9) if present[n]]
    shown.sort(key=lambda n: (-(-1.0 if np.isnan(scores[n]) else scores[n]), order[n]))
    expected = [shown.index(n) + 1 for n in range(3)]
    assert places(scores, present, order, 3).tolist() == expected
