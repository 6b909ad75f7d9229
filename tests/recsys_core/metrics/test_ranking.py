"""Ranking measures against naive loops and answers worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.metrics import break_ties, ndcg_at, recall_at, reciprocal_rank_at, target_ranks, top_k


@st.composite
def lists_and_targets(draw):
    """Random unique lists with -1 padding and a target a user."""
    n_users = draw(st.integers(1, 8))
    n_items = draw(st.integers(1, 12))
    k = draw(st.integers(1, 12))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    lists = np.full((n_users, k), -1, dtype=np.int64)
    for row in lists:
        size = int(rng.integers(0, min(k, n_items) + 1))
        row[:size] = rng.permutation(n_items)[:size]
    return lists, rng.integers(0, n_items, n_users), draw(st.integers(1, 14))


@given(lists_and_targets())
@settings(max_examples=150, deadline=None)
def test_measures_equal_naive_loops(case):
    lists, targets, k = case
    ranks = target_ranks(lists, targets)
    for row, target, rank, recall, ndcg, rr in zip(
        lists, targets, ranks, recall_at(ranks, k), ndcg_at(ranks, k), reciprocal_rank_at(ranks, k), strict=True
    ):
        place = next((i + 1 for i, item in enumerate(row.tolist()) if item == target), 0)
        hit = 1 <= place <= k
        assert rank == place
        assert recall == float(hit)
        assert ndcg == pytest.approx(1 / math.log2(place + 1) if hit else 0.0)
        assert rr == pytest.approx(1 / place if hit else 0.0)


def test_known_answers():
    ranks = np.array([1, 2, 3, 10, 11, 0])
    assert recall_at(ranks, 10).tolist() == [1, 1, 1, 1, 0, 0]
    assert recall_at(ranks, 2).tolist() == [1, 1, 0, 0, 0, 0]
    np.testing.assert_allclose(ndcg_at(ranks, 10), [1, 1 / math.log2(3), 0.5, 1 / math.log2(11), 0, 0])
    np.testing.assert_allclose(reciprocal_rank_at(ranks, 10), [1, 0.5, 1 / 3, 0.1, 0, 0])


def test_a_list_that_repeats_an_item_is_refused():
    with pytest.raises(ValueError, match="row 1 holds an item more than once"):
        target_ranks(np.array([[1, 2, -1, -1], [3, 0, 3, -1]]), np.array([1, 3]))


@pytest.mark.parametrize(
    ("lists", "targets"),
    [(np.zeros((2, 1), int), np.zeros(3, int)), (np.zeros(3, int), np.zeros(3, int)), (np.zeros((1, 1), int), [-1])],
)
def test_shapes_and_targets_are_checked(lists, targets):
    with pytest.raises(ValueError, match="targets"):
        target_ranks(lists, np.asarray(targets))


def test_a_cut_off_below_one_is_refused():
    for call in (lambda: recall_at(np.array([1]), 0), lambda: top_k(np.zeros((1, 2)), 0)):
        with pytest.raises(ValueError, match="k must be at least 1"):
            call()


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 15), st.integers(1, 20))
@settings(max_examples=150, deadline=None)
def test_top_k_equals_sorted_with_ties_by_item_order(seed, n_users, n_items, k):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-2, 3, (n_users, n_items)).astype(np.float64)  # few values, so ties everywhere
    scores[rng.random(scores.shape) < 0.1] = np.nan
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    scores[rng.random(scores.shape) < 0.05] = np.inf
    mask = rng.random(scores.shape) < 0.8
    tie_order = rng.permutation(n_items)
    lists = top_k(scores, k, mask=mask, tie_order=tie_order)
    assert lists.shape == (n_users, k)
    for row, row_scores, row_mask in zip(lists, scores, mask, strict=True):
        allowed = [i for i in range(n_items) if row_mask[i] and row_scores[i] > -np.inf]
        expected = sorted(allowed, key=lambda i: (-row_scores[i], tie_order[i]))[:k]
        assert row.tolist() == expected + [-1] * (k - len(expected))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_break_ties_orders_runs_only(seed):
    rng = np.random.default_rng(seed)
    n_items, k = 9, 6
    tie_order = rng.permutation(n_items)
    size = int(rng.integers(0, k + 1))
    row = np.full(k, -1)
    row[:size] = rng.permutation(n_items)[:size]
    scores = np.full(k, -np.inf)
    scores[:size] = rng.integers(0, 2, size)  # unsorted on purpose: order between runs must survive
    result = break_ties(row[None], scores[None], tie_order)[0]
    expected, start = [], 0
    while start < k:
        end = start
        while end < k and scores[end] == scores[start] and (row[end] < 0) == (row[start] < 0):
            end += 1
        run = row[start:end].tolist()
        expected += run if row[start] < 0 else sorted(run, key=lambda i: tie_order[i])
        start = end
    assert result.tolist() == expected


def test_ties_never_favour_the_target():
    """A model that scores everything alike must earn chance, whatever order it returns its list in."""
    n_items, k = 200, 10
    targets = np.arange(n_items)
    flattering = np.stack([np.r_[t, [i for i in range(k) if i != t][: k - 1]] for t in targets])
    scores = np.zeros(flattering.shape)
    fair = break_ties(flattering, scores, np.arange(n_items))
    ranks = target_ranks(fair, targets)
    # the target sorts last in its list unless its id is smaller than the others'
    assert (ranks[k:] == k).all()
    full = top_k(np.zeros((n_items, n_items)), k)
    assert recall_at(target_ranks(full, targets), k).mean() == k / n_items


def test_empty_input():
    assert top_k(np.zeros((0, 4)), 2).shape == (0, 2)
    assert break_ties(np.zeros((0, 3), int), np.zeros((0, 3)), np.arange(4)).shape == (0, 3)
    assert target_ranks(np.full((2, 3), -1), np.array([0, 1])).tolist() == [0, 0]
