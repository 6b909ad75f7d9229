"""The trigger: bounds, symmetry, and what each part answers to."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.interests.shift import (
    ShiftConfig,
    fit_threshold,
    has_moved,
    jaccard,
    jensen_shannon,
    normalised_entropy,
    replay,
    shift,
)


def distributions(size: int = 6) -> st.SearchStrategy[np.ndarray]:
    weights = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=size, max_size=size)
    return weights.map(np.array).filter(lambda w: w.sum() > 1e-6).map(lambda w: w / w.sum())


@settings(max_examples=80, deadline=None)
@given(distributions(), distributions())
def test_shift_lies_between_none_and_all_and_has_no_direction(p: np.ndarray, q: np.ndarray) -> None:
    moved = shift(p, q)
    assert 0 <= moved <= 1 + 1e-9
    assert moved == pytest.approx(shift(q, p))
    assert shift(p, p) == pytest.approx(0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(distributions(), distributions(), st.permutations(range(6)))
def test_names_of_tags_do_not_matter(p: np.ndarray, q: np.ndarray, order: list[int]) -> None:
    assert shift(p[order], q[order]) == pytest.approx(shift(p, q))


def test_parts_at_their_ends() -> None:
    assert normalised_entropy(np.full(8, 1 / 8)) == pytest.approx(1)
    assert normalised_entropy(np.eye(8)[0]) == 0
    assert jaccard(set(), set()) == 1
    assert jaccard({1, 2}, {2, 3}) == pytest.approx(1 / 3)
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1)


def test_divergence_agrees_with_another_library() -> None:
    from scipy.spatial.distance import jensenshannon

    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(9)), rng.dirichlet(np.ones(9))
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2)


def test_something_after_nothing_is_as_far_as_it_goes() -> None:
    nothing = np.zeros(3)
    assert shift(nothing, np.array([0.5, 0.5, 0.0])) == pytest.approx(1)
    assert shift(nothing, nothing) == 0
    assert has_moved(nothing, np.array([0.5, 0.5, 0.0]))


@pytest.mark.parametrize("bad", [np.array([0.5, 0.6]), np.array([-0.1, 1.1]), np.array([np.nan, 1.0])])
def test_what_is_no_distribution_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="distribution"):
        shift(bad, np.array([0.5, 0.5]))


def test_different_tags_are_refused() -> None:
    with pytest.raises(ValueError, match="same tags"):
        shift(np.ones(1), np.full(2, 0.5))


def test_slow_drift_counts_since_the_last_look() -> None:
    """Each step is small; what has gathered since the last look isn't."""
    states = [np.array([1 - t, t]) for t in np.linspace(0, 1, 21)]
    config = ShiftConfig(threshold=0.3)
    assert not any(has_moved(a, b, config) for a, b in pairwise(states) if a.min() > 0)
    assert any(replay(states, config))


def test_threshold_gives_the_wanted_rate() -> None:
    rng = np.random.default_rng(1)
    people = [[rng.dirichlet(np.full(8, 0.4)) for _ in range(30)] for _ in range(20)]
    threshold = fit_threshold(people, 0.2)
    flags = [f for states in people for f in replay(states, ShiftConfig(threshold=threshold))]
    assert np.mean(flags) == pytest.approx(0.2, abs=0.02)
    with pytest.raises(ValueError, match="two states"):
        fit_threshold([[np.ones(1)]], 0.2)
