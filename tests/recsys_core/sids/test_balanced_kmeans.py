"""Balanced codes: the contract, the capacity, and that the assignment is stable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.sids import BalancedKMeans, BalancedKMeansConfig, ResidualKMeans, ResidualKMeansConfig, SidConfig
from recsys_core.sids.balanced_kmeans import balanced_assignment
from recsys_core.sids.layouts import make_tokenizer
from tests.contracts.tokenizer import TokenizerContract, clustered


class TestBalancedHybrid(TokenizerContract):
    def make(self):
        return make_tokenizer(SidConfig(layout="hybrid", quantizer="balanced_kmeans"))


class TestBalancedPure(TokenizerContract):
    def make(self):
        return make_tokenizer(SidConfig(layout="pure", quantizer="balanced_kmeans"))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 120),
    st.integers(1, 16),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([0.0, 0.01, 1.0]),
    st.integers(0, 1000),
)
def test_no_code_ever_holds_more_than_its_capacity(items, codes, slack, noise, seed):
    vectors = clustered(items, 4, 6, noise, seed)
    distinct = len(np.unique(vectors, axis=0))
    if distinct == 1:
        return
    config = BalancedKMeansConfig(
        levels=2, codes=min(codes, distinct), slack=slack, iterations=3, balanced_iterations=2
    )
    paths = BalancedKMeans(config).fit(vectors)
    most = -(-items * round(10 + 10 * slack) // (10 * config.codes))  # exact ceiling
    for column in paths.T:
        assert np.bincount(column).max() <= most


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 2), st.integers(0, 10_000))
def test_no_item_and_code_would_both_rather_have_each_other(items, codes, spare, seed):
    cost = np.random.default_rng(seed).integers(0, 6, (items, codes)).astype(np.float32)
    capacity = -(-items // codes) + spare
    given_codes = balanced_assignment(cost, capacity)
    held = np.bincount(given_codes, minlength=codes)
    assert held.max() <= capacity
    for item in range(items):
        for code in range(codes):
            if cost[item, code] < cost[item, given_codes[item]]:
                assert held[code] == capacity
                assert cost[given_codes == code, code].max() <= cost[item, code]


def test_without_a_shortage_every_item_gets_its_nearest_code():
    cost = np.random.default_rng(0).random((50, 5)).astype(np.float32)
    assert (balanced_assignment(cost, 50) == cost.argmin(axis=1)).all()


def test_balanced_codes_are_used_more_evenly_than_plain_ones():
    rng = np.random.default_rng(0)
    # one dense kind of item and many rare ones
    vectors = np.concatenate([0.1 * rng.standard_normal((300, 8)), 3 * rng.standard_normal((100, 8))]).astype(
        np.float32
    )
    plain = ResidualKMeans(ResidualKMeansConfig(levels=1, codes=16)).fit(vectors)[:, 0]
    even = BalancedKMeans(BalancedKMeansConfig(levels=1, codes=16, slack=0.0)).fit(vectors)[:, 0]
    assert np.bincount(plain, minlength=16).max() > 100
    assert np.bincount(even, minlength=16).tolist() == [25] * 16


def test_capacity_is_rounded_up_but_not_by_rounding_errors():
    quantizer = BalancedKMeans(BalancedKMeansConfig(slack=0.1))
    assert quantizer.capacity(20, 1) == 22
    assert quantizer.capacity(21, 2) == 12
    assert quantizer.capacity(1, 1) == 2


@pytest.mark.parametrize("slack", [0.0, 0.1])
def test_every_code_is_used_when_items_differ(slack):
    codes = BalancedKMeans(BalancedKMeansConfig(codes=32, slack=slack)).fit(clustered(200))[:, 0]
    assert len(set(codes.tolist())) == 32
