"""Counts in a bit vector against a plain sum."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys_core.constraints import leaf_flags, rules
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.constraints.rank import RankedBits
from recsys_core.constraints.rules import Rule


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=0, max_size=300))
def test_counts_are_those_of_a_prefix_sum(flags: list[bool]) -> None:
    plain = np.concatenate([[0], np.cumsum(flags)])
    positions = np.arange(len(flags) + 1)
    assert RankedBits(np.array(flags, dtype=np.bool_)).before(positions).tolist() == plain.tolist()


@pytest.mark.parametrize("n", [63, 64, 65, 128, 10_000])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_any_shape_and_width_of_positions(n: int, dtype: type) -> None:
    rng = np.random.default_rng(n)
    flags = rng.random(n) < 0.3
    positions = rng.integers(0, n + 1, (4, 7)).astype(dtype)
    assert (RankedBits(flags).before(positions) == np.concatenate([[0], np.cumsum(flags)])[positions]).all()


def test_it_is_small() -> None:
    assert RankedBits(np.ones(1_000_000, dtype=np.bool_)).nbytes < 0.2 * 1_000_000


def test_a_rule_that_is_asked_often_buys_its_prefix_sum() -> None:
    allowed = np.random.default_rng(0).random(1_000) < 0.5
    rule = Rule(allowed, int(allowed.sum()))
    plain = np.concatenate([[0], np.cumsum(allowed)])
    positions = np.arange(0, 1_001, 4)
    for _ in range(4):
        assert (rule.before(positions) == plain[positions]).all()
    assert "prefix" in rule.__dict__
    once = Rule(allowed, int(allowed.sum()))
    assert (once.before(positions[:50]) == plain[positions[:50]]).all()
    assert "prefix" not in once.__dict__


def large(monkeypatch: pytest.MonkeyPatch, packed_from: int = 1_000_000) -> ConstraintIndex:
    """An index of some thousand items whose rules count as large."""
    monkeypatch.setattr(rules, "_LAZY_FROM", 0)
    monkeypatch.setattr(leaf_flags, "_PACKED_FROM", packed_from)
    monkeypatch.setattr(leaf_flags, "BLOCK", 64)
    sids = np.random.default_rng(2).integers(0, 30, (3_000, 3))
    return ConstraintIndex.build(sids[np.unique(sids, axis=0, return_index=True)[1]])


@pytest.mark.parametrize("packed_from", [10, 1_000_000])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.03, 0.4, 1.0])
def test_a_large_rule_ends_in_leaf_order(monkeypatch: pytest.MonkeyPatch, packed_from: int, share: float) -> None:
    index = large(monkeypatch, packed_from)
    allowed = np.random.default_rng(3).random(len(index)) < share
    rule = Rule.of_items(index.arrays, len(index), allowed)
    assert (rule.allowed == allowed[index.leaf_item]).all()


def test_a_large_rule_is_read_only_where_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    index = large(monkeypatch)
    allowed = np.random.default_rng(3).random(len(index)) < 0.4
    whole = allowed[index.leaf_item]
    rule = Rule.of_items(index.arrays, len(index), allowed)
    low, high = np.array([5, 700, 9]), np.array([90, 701, 9])
    flags = rule.allowed_between(low, high)
    assert all((flags[a:b] == whole[a:b]).all() for a, b in zip(low, high, strict=True))
    assert not flags[128:640].any(), "nobody looked there"
    at = rule.before_within(np.array([[640, 650, 704]]))
    assert np.diff(at).tolist() == [[int(whole[640:650].sum()), int(whole[650:704].sum())]]
    start = np.array([0, 3, 3, 64, 200, len(whole)], dtype=np.int32)
    expected = [bool(whole[a:b].any()) for a, b in itertools.pairwise(start)]
    assert rule._lazy is not None
    assert rule._lazy.any_in(start).tolist() == expected


def test_a_large_rule_does_not_follow_what_is_done_to_the_array(monkeypatch: pytest.MonkeyPatch) -> None:
    index = large(monkeypatch)
    allowed = np.random.default_rng(3).random(len(index)) < 0.4
    rule, before = Rule.of_items(index.arrays, len(index), allowed), allowed.copy()
    allowed[:] = True
    assert (rule.allowed == before[index.leaf_item]).all()


def test_threads_that_look_at_once_see_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    index = large(monkeypatch)
    rng = np.random.default_rng(4)
    for _ in range(20):
        allowed = rng.random(len(index)) < 0.4
        whole = allowed[index.leaf_item]
        rule = Rule.of_items(index.arrays, len(index), allowed)
        places = rng.integers(0, len(whole) - 30, (8, 40))

        def looked(low: NDArray[np.int64], rule: Rule = rule) -> NDArray[np.int32]:
            return np.array([np.diff(rule.before_within(np.array([[n, n + 30]])))[0, 0] for n in low])

        with ThreadPoolExecutor(8) as pool:
            for low, found in zip(places, pool.map(looked, places), strict=True):
                assert found.tolist() == [int(whole[n : n + 30].sum()) for n in low]
