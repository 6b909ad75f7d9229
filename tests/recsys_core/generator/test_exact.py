"""Exact search against scoring every allowed item: random catalogues, depths, rules, shared leaves, fusion, mixing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.generator.exact import Expansion, exact_search
from recsys_core.generator.family import Rules
from recsys_core.generator.fusion import Fusion
from tests.recsys_core.generator.lm.tiny import make_world
from tests.recsys_core.generator.small import make_small
from tests.recsys_core.generator.test_several_leaves import with_several_leaves


class TableExpander:
    """Log-probabilities from a table of random logits: float32[B, nodes] a depth. Checks what it is asked."""

    def __init__(self, index: ConstraintIndex, logits: list[np.ndarray]) -> None:
        self.index, self.logits = index, logits
        self.rows = np.arange(len(logits[0]))
        self.seen: list[set[tuple[int, int]]] = [set() for _ in self.rows]
        self.handle_of: dict[tuple[int, int, int], int] = {}

    def expand(self, level, nodes, above):
        assert len(nodes) == len(self.rows)
        children, _ = self.index.children(level, nodes)
        values = self.logits[level][self.rows[:, None, None], np.maximum(children, 0)].astype(np.float64)
        values[children < 0] = -np.inf
        highest = np.where(np.isfinite(values.max(-1, keepdims=True)), values.max(-1, keepdims=True), 0)
        mass = np.exp(values - highest).sum(-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            logp = np.where(children >= 0, values - highest - np.log(mass), -np.inf).astype(np.float32)
        handles = np.zeros(nodes.shape, dtype=np.int64)
        for (row, column), node in np.ndenumerate(nodes):
            if node >= 0:
                place = (level, int(node))
                assert place not in self.seen[self.rows[row]], "a prefix was expanded twice"
                self.seen[self.rows[row]].add(place)
                if level:
                    low, _ = self.index.leaf_range(level, int(node))
                    parent = int(np.searchsorted(self.index.leaf_low[level - 1], low, side="right") - 1)
                    assert above[row, column] == self.handle_of[(int(self.rows[row]), level - 1, parent)]
                handles[row, column] = len(self.handle_of) + 7
                self.handle_of[(int(self.rows[row]), level, int(node))] = int(handles[row, column])
        return Expansion(children, logp, handles)

    def keep(self, rows):
        self.rows = self.rows[rows]

    def everything(self, fusion: Fusion | None = None, opened: np.ndarray | None = None):
        """Log-probability of every leaf and fused score of every leaf: two float64[B, leaves], level by level."""
        batch = len(self.logits[0])
        total, fused = np.zeros((batch, 1)), None
        for level in range(self.index.levels):
            start = self.index.child_start[level]
            parent = np.repeat(np.arange(len(start) - 1), np.diff(start))
            values = self.logits[level].astype(np.float64)
            highest = np.full((batch, len(start) - 1), -np.inf)
            np.maximum.at(highest, (slice(None), parent), values)
            mass = np.zeros_like(highest)
            np.add.at(mass, (slice(None), parent), np.exp(values - highest[:, parent]))
            conditional = values - highest[:, parent] - np.log(mass)[:, parent]
            if level == self.index.levels - 1:
                fused = self._fused(total, conditional, parent, fusion, opened)
            total = total[:, parent] + conditional
        return total, fused

    def _fused(self, prefixes, conditional, parent, fusion, opened):
        if fusion is None:
            return prefixes[:, parent] + conditional
        out = np.full((len(prefixes), len(parent)), -np.inf)
        for row in range(len(prefixes)):
            possible = np.flatnonzero(opened[row])
            order = possible[np.argsort(-prefixes[row, possible], kind="stable")]
            if fusion.best_prefix_only:
                order = order[:1]
            if not len(order):
                continue
            sharpness = float(fusion.sharpness(prefixes[row, order].astype(np.float32)[None])[0])
            for node in order:
                own = np.flatnonzero(parent == node)
                sharp = conditional[row, own] * sharpness
                inside = sharp - sharp.max() - np.log(np.exp(sharp - sharp.max()).sum())
                out[row, own] = prefixes[row, node] + inside
        return out


def _table(rng, n_items, levels, shared, batch, spread):
    """A random index of skewed branching, with a table of logits."""
    sizes = rng.integers(1, 7, size=levels)
    room = int(np.prod(sizes))
    wanted = min(n_items, room)
    cells = rng.choice(room, size=wanted, replace=False)
    sids = np.stack(np.unravel_index(cells, sizes), axis=1)
    items = np.arange(wanted)
    if shared and wanted > 1:
        owners = max(1, wanted // 2)
        items = np.concatenate([np.arange(owners), rng.integers(owners, size=wanted - owners)])
    index = ConstraintIndex.build(sids, items=items)
    logits = [(rng.normal(size=(batch, n)) * spread).astype(np.float32) for n in index.nodes[1:]]
    return index, TableExpander(index, logits)


def _by_item(index, leaves):
    total = np.full((len(leaves), len(index)), -np.inf)
    np.logaddexp.at(total, (slice(None), index.leaf_item), leaves)
    return total


def _check(found, scores, exact, allowed, wanted):
    for row in range(len(allowed)):
        possible = np.flatnonzero(allowed[row] & np.isfinite(scores[row]))
        expected = np.sort(scores[row, possible])[::-1][: wanted[row]]
        items = found.items[row][found.items[row] >= 0]
        assert len(items) == len(set(items.tolist())) == len(expected)
        assert allowed[row, items].all()
        np.testing.assert_allclose(found.score[row, : len(items)], expected, atol=1e-4)
        np.testing.assert_allclose(scores[row, items], expected, atol=1e-4)
        np.testing.assert_allclose(found.log_probability[row, : len(items)], exact[row, items], atol=1e-4)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    n_items=st.integers(1, 120),
    levels=st.integers(1, 4),
    shared=st.booleans(),
    share=st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    spread=st.sampled_from([0.0, 1.0, 4.0]),
    chunk=st.integers(1, 9),
    power=st.sampled_from([None, 0.0, 1.0, 2.5]),
)
def test_the_best_items_are_those_of_scoring_everything(seed, n_items, levels, shared, share, spread, chunk, power):
    rng = np.random.default_rng(seed)
    index, expander = _table(rng, n_items, levels, shared, 3, spread)
    allowed = rng.random((3, len(index))) < share
    wanted = rng.integers(1, 12, size=3)
    fusion = None if power is None else Fusion(power=power, reference=0.7)
    opened = np.stack([index.restrict(row).open(levels - 1, np.arange(index.nodes[levels - 1])) for row in allowed])
    leaves, fused = expander.everything(fusion, opened)
    found = exact_search(expander, index, allowed, wanted, fusion, chunk=chunk)
    _check(found, _by_item(index, fused), _by_item(index, leaves), allowed, wanted)
    assert found.expanded.tolist() == [len(seen) for seen in expander.seen]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    levels=st.integers(1, 4),
    shared=st.booleans(),
    share=st.sampled_from([0.1, 1.0]),
    weight=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_a_mixed_ranking_is_exact_too(seed, levels, shared, share, weight):
    rng = np.random.default_rng(seed)
    index, expander = _table(rng, 100, levels, shared, 2, 2.0)
    partner = np.log(rng.random((2, len(index))) ** 6 + 1e-5).astype(np.float32)
    allowed, wanted = rng.random((2, len(index))) < share, np.array([5, 20])

    def ranking(row, items, logp):
        mixed = (1 - weight) * np.log(np.exp(logp) + 1e-5) + weight * partner[row, items]
        return np.asarray(mixed, dtype=np.float32)

    leaves, _ = expander.everything()
    exact = _by_item(index, leaves)
    scores = np.stack([ranking(row, np.arange(len(index)), exact[row]) for row in range(2)])
    found = exact_search(expander, index, allowed, wanted, None, ranking, chunk=3)
    _check(found, scores, exact, allowed, wanted)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_the_best_prefix_alone_can_be_asked_for(levels):
    rng = np.random.default_rng(levels)
    index, expander = _table(rng, 80, levels, False, 2, 1.0)
    allowed = rng.random((2, len(index))) < 0.7
    fusion = Fusion(best_prefix_only=True)
    opened = np.stack([index.restrict(row).open(levels - 1, np.arange(index.nodes[levels - 1])) for row in allowed])
    leaves, fused = expander.everything(fusion, opened)
    found = exact_search(expander, index, allowed, np.array([9, 9]), fusion)
    _check(found, _by_item(index, fused), _by_item(index, leaves), allowed, np.array([9, 9]))


def test_a_confident_model_leaves_most_prefixes_closed():
    rng = np.random.default_rng(0)
    sids = np.stack(np.unravel_index(np.arange(4096), (64, 64)), axis=1)
    index = ConstraintIndex.build(sids)
    logits = [(rng.normal(size=(4, n)) * 3).astype(np.float32) for n in index.nodes[1:]]
    expander = TableExpander(index, logits)
    found = exact_search(expander, index, np.ones((4, 4096), dtype=bool), np.full(4, 10), chunk=4)
    assert (found.expanded < 30).all()


def test_partners_that_know_every_item_leave_more_prefixes_closed():
    rng = np.random.default_rng(0)
    index = ConstraintIndex.build(np.stack(np.unravel_index(np.arange(4096), (64, 64)), axis=1))
    logits = [(rng.normal(size=(4, n))).astype(np.float32) for n in index.nodes[1:]]
    partner = np.full((4, 4096), np.log(1e-5), dtype=np.float32)
    partner[:, 640:832] = 0  # it knows the items of three prefixes
    free, ten = np.ones((4, 4096), dtype=bool), np.full(4, 10)

    def ranking(row, items, logp):
        return np.asarray(0.5 * logp + 0.5 * partner[row, items], dtype=np.float32)

    alone = exact_search(TableExpander(index, logits), index, free, ten, chunk=4)
    mixed = exact_search(TableExpander(index, logits), index, free, ten, None, ranking, chunk=4)
    assert (mixed.expanded <= 1 + 4).all()
    assert (mixed.expanded < alone.expanded).all()


def test_requests_that_want_or_may_have_nothing_cost_nothing():
    index, expander = _table(np.random.default_rng(1), 50, 2, False, 3, 1.0)
    allowed = np.ones((3, len(index)), dtype=bool)
    allowed[1] = False
    found = exact_search(expander, index, allowed, np.array([4, 4, 0]))
    assert (found.items[0] >= 0).all()
    assert (found.items[1:] == -1).all()
    assert found.expanded[1:].tolist() == [0, 0]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), hybrid=st.booleans(), levels=st.integers(1, 3), shared=st.booleans())
def test_the_compact_family_is_searched_exactly(seed, hybrid, levels, shared):
    small = make_small(seed, 40, hybrid=hybrid, levels=levels)
    generator = with_several_leaves(small, seed, 0.4)[0] if shared else small.generator
    rng = np.random.default_rng(seed)
    encoded = generator.encode([rng.integers(40, size=n) for n in (0, 4, 9)], ["something", "", "other"])
    allowed = rng.random((3, 40)) < 0.6
    exact = generator.log_probabilities(encoded, np.tile(np.arange(40), (3, 1)))
    found = exact_search(generator.expander(encoded), generator.index, allowed, np.full(3, 8), chunk=2)
    _check(found, exact, exact, allowed, np.full(3, 8))


WORLDS = {
    "hybrid": make_world(noise=0.3, levels=2),
    "pure": make_world("pure", noise=0.3),
    "lazy": make_world("pure", noise=0.3, layers=3, lazy_layers=2),
}


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_the_lm_family_is_searched_exactly_and_runs_each_code_once(name, share):
    generator = WORLDS[name].generator()
    histories = [np.array([3, 17, 5]), np.empty(0, np.int64), np.array([8] * 30), np.array([1])]
    encoded = generator.encode(histories, ["comedies from France", "", "something for winter", ""])
    exact = generator.scores(histories, ["comedies from France", "", "something for winter", ""])
    allowed = np.random.default_rng(3).random((4, 60)) < share
    expander = generator.expander(encoded)
    found = exact_search(expander, generator.index, allowed, np.full(4, 6), chunk=3)
    _check(found, exact, exact, allowed, np.full(4, 6))
    alone = generator.expander(encoded.take(np.array([0])))
    single = exact_search(alone, generator.index, allowed[:1], np.array([6]), chunk=1)
    # one request and one prefix at a time: no padding, and the root is no code
    assert alone.forwarded == int(single.expanded[0]) - 1
    np.testing.assert_array_equal(single.items[0], found.items[0])


def test_an_exact_search_is_never_worse_than_a_beam():
    small = make_small(2, 60, hybrid=True, levels=2, codes=6)
    encoded = small.generator.encode([np.array([1, 2])], [""])
    free = np.ones((1, 60), dtype=bool)
    beam, _ = small.generator.search(encoded, Rules(free), np.array([2]), 5)
    found = exact_search(small.generator.expander(encoded), small.generator.index, free, np.array([5]))
    assert (found.score[0] >= beam.log_probability[0] - 1e-6).all()
    assert found.score[0].sum() > beam.log_probability[0].sum()
