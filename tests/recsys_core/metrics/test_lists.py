"""Measures of whole lists against naive loops and answers worked out by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.metrics import coverage, exposure, gini, intra_list_diversity, novelty, self_information


def random_lists(rng, n_users, n_items, k):
    lists = np.full((n_users, k), -1, dtype=np.int64)
    for row in lists:
        size = int(rng.integers(0, min(k, n_items) + 1))
        row[:size] = rng.permutation(n_items)[:size]
    return lists


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 12), st.integers(1, 6))
@settings(max_examples=120, deadline=None)
def test_measures_equal_naive_loops(seed, n_users, n_items, k):
    rng = np.random.default_rng(seed)
    lists = random_lists(rng, n_users, n_items, k)
    vectors = rng.normal(size=(n_items, 5))
    vectors[rng.random(n_items) < 0.1] = 0.0
    information = self_information(rng.integers(0, 50, n_items))

    counts = [sum(item == i for row in lists for item in row) for i in range(n_items)]
    assert exposure(lists, n_items).tolist() == counts
    assert coverage(exposure(lists, n_items)) == pytest.approx(sum(c > 0 for c in counts) / n_items)

    differences = sum(abs(a - b) for a in counts for b in counts)
    total = sum(counts)
    assert gini(exposure(lists, n_items)) == pytest.approx(differences / (2 * n_items * total) if total else 0.0)

    for row, nov, div in zip(lists, novelty(lists, information), intra_list_diversity(lists, vectors), strict=True):
        shown = [i for i in row if i >= 0]
        if shown:
            assert nov == pytest.approx(sum(information[i] for i in shown) / len(shown))
        else:
            assert math.isnan(nov)
        if len(shown) > 1:
            cosines = []
            for a, b in itertools.combinations(shown, 2):
                norm = np.linalg.norm(vectors[a]) * np.linalg.norm(vectors[b])
                cosines.append(vectors[a] @ vectors[b] / norm if norm else 0.0)
            assert div == pytest.approx(1 - sum(cosines) / len(cosines))
        else:
            assert math.isnan(div)


def test_gini_known_answers():
    assert gini(np.array([3, 3, 3, 3])) == 0.0
    assert gini(np.array([0, 0, 0, 8])) == pytest.approx(0.75)  # (n - 1) / n
    assert gini(np.array([0, 0, 0])) == 0.0
    np.testing.assert_allclose(gini(np.array([[1, 1], [0, 1]])), [0.0, 0.5])


def test_self_information_known_answers():
    np.testing.assert_allclose(self_information(np.full(8, 41)), 3.0)  # equal popularity: log2 n
    information = self_information(np.array([0, 2]))
    np.testing.assert_allclose(information, [2.0, -math.log2(3 / 4)])  # add one: shares 1/4 and 3/4


def test_diversity_known_answers():
    vectors = np.array([[1.0, 0], [2.0, 0], [0, 3.0], [-1.0, 0]])
    lists = np.array([[0, 1, -1], [0, 2, -1], [0, 3, -1], [0, 1, 2]])
    np.testing.assert_allclose(intra_list_diversity(lists, vectors), [0.0, 1.0, 2.0, 2 / 3], atol=1e-12)


def test_diversity_is_the_same_in_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    lists, vectors = random_lists(rng, 50, 30, 6), rng.normal(size=(30, 4)).astype(np.float32)
    whole = intra_list_diversity(lists, vectors)
    monkeypatch.setattr("recsys_core.metrics.lists._CHUNK_FLOATS", 60)
    np.testing.assert_array_equal(intra_list_diversity(lists, vectors), whole)
