"""What every generator family keeps, held against exhaustive scoring of small catalogues.

Subclass :class:`GeneratorFamilyContract` and give it a ``made`` fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.generator.family import AnyFamily, Rules
from recsys_core.generator.fusion import Fusion

HISTORIES = [np.array([3, 17, 5]), np.empty(0, np.int64), np.array([8] * 30), np.array([1])]
WORDS = ["comedies from France", "", "something for winter, please", " "]
NEAR = 1e-5
"""How far log-probabilities may be from the oracle's, absolute or of their size."""


class Made(NamedTuple):
    """A family over a small catalogue.

    Attributes:
        family: more than 20 items, each with one semantic ID.
        n_items: how many.
        oracle: log-probability of every item, float32[B, n_items], worked out without the family's own search.
    """

    family: AnyFamily
    n_items: int
    oracle: Callable[[Sequence[np.ndarray], Sequence[str]], np.ndarray]


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, atol=NEAR, rtol=NEAR)


class GeneratorFamilyContract:
    """The properties; ``made`` is a fixture of subclasses."""

    @pytest.fixture(scope="class")
    def exact(self, made: Made) -> np.ndarray:
        return made.oracle(HISTORIES, WORDS)

    def rules(self, made: Made, seed: int, share: float) -> Rules:
        return Rules(np.random.default_rng(seed).random((len(HISTORIES), made.n_items)) < share)

    def test_the_oracle_is_a_distribution_that_history_and_words_change(self, made, exact):
        np.testing.assert_allclose(np.exp(exact.astype(np.float64)).sum(axis=1), 1.0, atol=1e-4)
        other = made.oracle([HISTORIES[0], HISTORIES[3]], ["", ""])
        assert np.abs(other[0] - exact[0]).max() > 1e-3
        assert np.abs(other[0] - other[1]).max() > 1e-3

    @settings(max_examples=15, deadline=None)
    @given(seed=st.integers(0, 10_000), share=st.sampled_from([0.0, 0.05, 0.4, 1.0]))
    def test_a_wide_search_is_exhaustive_scoring_under_the_rules(self, made, exact, seed, share):
        rules = self.rules(made, seed, share)
        widths = np.full(len(HISTORIES), made.n_items, dtype=np.int64)
        found, timings = made.family.search(made.family.encode(HISTORIES, WORDS), rules, widths, made.n_items)
        assert all(ms >= 0 for ms in timings.values())
        for row, allowed in enumerate(rules.allowed):
            items = found.items[row][found.items[row] >= 0]
            assert sorted(items.tolist()) == np.flatnonzero(allowed).tolist()
            close(found.log_probability[row, : len(items)], exact[row, items])
            assert (np.diff(found.log_probability[row, : len(items)]) <= NEAR).all(), "best first"
            assert (found.items[row, len(items) :] == -1).all()
            assert (found.log_probability[row, len(items) :] == -np.inf).all()
            np.testing.assert_array_equal(found.fused[row], found.log_probability[row])

    @settings(max_examples=25, deadline=None)
    @given(
        seed=st.integers(0, 10_000),
        share=st.sampled_from([0.0, 0.03, 0.3, 0.9]),
        width=st.integers(1, 9),
        pool=st.integers(1, 30),
        power=st.sampled_from([None, 0.0, 1.0]),
    )
    def test_rules_are_never_broken_however_narrow_the_search(self, made, exact, seed, share, width, pool, power):
        rules = self.rules(made, seed, share)
        widths = np.random.default_rng(seed).integers(1, width + 1, len(HISTORIES))
        fusion = None if power is None else Fusion(power=power)
        encoded = made.family.encode(HISTORIES, WORDS)
        found, _ = made.family.search(encoded, rules, widths, pool, fusion)
        assert found.items.shape == found.log_probability.shape == found.fused.shape
        assert found.items.shape[1] <= pool
        for row, allowed in enumerate(rules.allowed):
            items = found.items[row][found.items[row] >= 0]
            assert len(set(items.tolist())) == len(items)
            assert allowed[items].all()
            assert bool(len(items)) == bool(allowed.any()), "a search that may find something finds something"
            close(found.log_probability[row, : len(items)], exact[row, items])
            assert (np.diff(found.fused[row, : len(items)]) <= NEAR).all()

    def test_given_items_have_their_exact_log_probability(self, made, exact):
        items = np.array([[4, made.n_items - 1, -1], [0, -1, -1], [7, 8, 9], [12, 12, 2]])
        found = made.family.log_probabilities(made.family.encode(HISTORIES, WORDS), items)
        assert (found[items < 0] == -np.inf).all()
        close(found[items >= 0], np.take_along_axis(exact, np.maximum(items, 0), 1)[items >= 0])

    def test_some_of_the_requests_can_be_taken_in_any_order(self, made, exact):
        rows = np.array([2, 0])
        rules = self.rules(made, 5, 0.5)
        encoded = made.family.encode(HISTORIES, WORDS).take(rows)
        found, _ = made.family.search(encoded, rules.take(rows), np.full(2, made.n_items), made.n_items)
        for place, row in enumerate(rows.tolist()):
            items = found.items[place][found.items[place] >= 0]
            assert sorted(items.tolist()) == np.flatnonzero(rules.allowed[row]).tolist()
            close(found.log_probability[place, : len(items)], exact[row, items])

    def test_no_request_at_all_is_no_answer(self, made):
        encoded = made.family.encode([], [])
        rules = Rules(np.ones((0, made.n_items), dtype=bool), [], [])
        found, _ = made.family.search(encoded, rules, np.empty(0, np.int64), 5)
        assert len(found.items) == len(found.fused) == len(found.spread) == 0
        assert made.family.log_probabilities(encoded, np.empty((0, 3), np.int64)).shape == (0, 3)

    def test_fewer_allowed_than_asked_are_all_there_is(self, made, exact):
        allowed = np.zeros((4, made.n_items), dtype=bool)
        allowed[:, [2, 11]] = True
        allowed[1] = False
        encoded = made.family.encode(HISTORIES, WORDS)
        found, _ = made.family.search(encoded, Rules(allowed), np.full(4, 3, dtype=np.int64), 10)
        for row in (0, 2, 3):
            expected = sorted([2, 11], key=lambda item: -exact[row, item])
            assert found.items[row, :2].tolist() == expected
            assert (found.items[row, 2:] == -1).all()
        assert (found.items[1] == -1).all()
        assert (found.log_probability[1] == -np.inf).all()

    def test_the_spread_of_the_prefixes_is_a_number(self, made):
        encoded = made.family.encode(HISTORIES, WORDS)
        found, _ = made.family.search(encoded, self.rules(made, 1, 0.5), np.full(4, 8), 10)
        assert found.spread.shape == (4,)
        assert (found.spread > 0).all()
        assert np.isfinite(found.spread).all()

    def test_an_item_head_is_a_distribution_where_there_is_one(self, made):
        head = made.family.item_head(made.family.encode(HISTORIES, WORDS))
        if head is not None:
            assert head.shape == (4, made.n_items)
            np.testing.assert_allclose(np.exp(head.astype(np.float64)).sum(axis=1), 1.0, atol=1e-4)
