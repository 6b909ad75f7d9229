"""Counts in a bit vector against a plain sum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.constraints import rules
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


def test_a_large_rule_is_put_in_leaf_order_from_packed_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    sids = rng.integers(0, 30, (3_000, 3))
    index = ConstraintIndex.build(sids[np.unique(sids, axis=0, return_index=True)[1]])
    allowed = rng.random(len(index)) < 0.4
    small = Rule.of_items(index.arrays, len(index), allowed).allowed
    monkeypatch.setattr(rules, "_PACKED_FROM", 10)
    assert (Rule.of_items(index.arrays, len(index), allowed).allowed == small).all()
