"""Maskers without a rule, live, cached and compacted: contract, choice of kernel, cache."""

import numpy as np
import pytest
from hypothesis import given, settings

from recsys_core.constraints import ConstraintIndex, leaf_flags, rules
from recsys_core.constraints.cache import RuleCache, RuleCacheConfig
from recsys_core.constraints.continuations import Continuations, largest
from recsys_core.constraints.masking import Masker, MaskerConfig
from recsys_core.constraints.prepared import CachedMasker, CompactedMasker
from recsys_core.constraints.rules import LiveMasker, Rule
from tests.contracts.masker import MaskerContract, bounded, worlds

CONFIGS = (
    MaskerConfig(),
    MaskerConfig(dense_from=2),
    MaskerConfig(loop_from=0, dense_from=1e9),
    MaskerConfig(loop_from=1e9, ragged_from=0, dense_from=1e9),
)
"""The choice as it is, and each of dense, row by row and ragged wherever it can be."""


class TestMasker(MaskerContract):
    def maskers(self, world):
        world.allowed[:] = True
        return [Masker(world.index.arrays, len(world.index), config) for config in CONFIGS]


class TestLiveMasker(MaskerContract):
    kind = LiveMasker

    def maskers(self, world):
        arrays, items = world.index.arrays, len(world.index)
        rule = Rule.of_items(arrays, items, world.allowed)
        return [self.kind(Masker(arrays, items, config), rule) for config in CONFIGS]


class TestLazyMasker(TestLiveMasker):
    """A rule whose leaves are read where somebody looks, as large ones are."""

    @pytest.fixture(autouse=True)
    def large(self, monkeypatch):
        monkeypatch.setattr(rules, "_LAZY_FROM", 0)
        monkeypatch.setattr(leaf_flags, "BLOCK", 64)
        monkeypatch.setattr(leaf_flags, "_LOOKS", (2, 4))


class TestCachedMasker(TestLiveMasker):
    kind = CachedMasker


class TestCompactedMasker(TestLiveMasker):
    kind = CompactedMasker

    def maskers(self, world):
        world.allowed[len(world.allowed) // 2] = True  # nothing allowed has no index
        return super().maskers(world)


def wide(items=20_000, seed=0):
    """An index whose second level is wide, third narrow and fourth single."""
    sids = np.unique(np.random.default_rng(seed).integers(0, 300, (items, 4)), axis=0)
    return ConstraintIndex.build(sids)


@settings(bounded, max_examples=10)
@given(worlds(most=4_000))
def test_every_tier_reaches_what_is_allowed_of_large_catalogues(world):
    world.allowed[0] = True
    arrays, items = world.index.arrays, len(world.index)
    base, rule = Masker(arrays, items), Rule.of_items(arrays, items, world.allowed)
    for masker in (base, LiveMasker(base, rule), CachedMasker(base, rule), CompactedMasker(base, rule)):
        nodes = np.zeros(1, dtype=np.int64)
        for level in range(masker.levels):
            # in pieces: scores of thousands of states over the whole vocabulary would fill the memory
            pieces = np.array_split(nodes, len(nodes) // 200 + 1)
            steps = [masker.step(level, piece, world.scores(len(piece))).each() for piece in pieces]
            nodes = np.concatenate([child for _, _, child, _ in steps])
        expected = np.arange(items) if masker is base else np.flatnonzero(world.allowed)
        assert set(masker.items(nodes).tolist()) == set(expected.tolist())


class TestKernels:
    def test_all_ways_agree_on_a_large_index(self):
        index = wide()
        rng = np.random.default_rng(1)
        allowed = rng.random(len(index)) < 0.4
        rule = Rule.of_items(index.arrays, len(index), allowed)
        for level in range(4):
            nodes = rng.integers(-1, index.nodes[level], 50)
            scores = rng.standard_normal((50, 300)).astype(np.float32)
            for make in (lambda base: base, lambda base: LiveMasker(base, rule), lambda base: CachedMasker(base, rule)):
                found = [make(Masker(index.arrays, len(index), c)).step(level, nodes, scores).each() for c in CONFIGS]
                for other in found[1:]:
                    assert all((a == b).all() for a, b in zip(found[0], other, strict=True))

    def test_a_level_gets_a_dense_table_only_where_that_pays(self):
        index = wide()
        base = Masker(index.arrays, len(index), MaskerConfig(dense_from=200))
        assert [table.bias is not None for table in base.tables] == [True, False, False, False]
        assert base.nbytes == 4 * 300
        small = Masker(index.arrays, len(index), MaskerConfig(dense_from=1, dense_bytes=100_000))
        assert [table.bias is not None for table in small.tables] == [True, False, False, False]

    def test_levels_of_one_child_hold_nothing_under_a_rule(self):
        index = ConstraintIndex.build([[0, 1, 5], [1, 2, 6], [1, 3, 7]])
        rule = Rule.of_items(index.arrays, 3, np.array([True, False, True]))
        cached = CachedMasker(Masker(index.arrays, 3), rule)
        assert cached.tables[2] == cached._base_tables[2]

    def test_compacted_nodes_know_their_numbers_in_the_whole_index(self):
        index = wide()
        rng = np.random.default_rng(2)
        allowed = rng.random(len(index)) < 0.1
        base = Masker(index.arrays, len(index))
        masker = CompactedMasker(base, Rule.of_items(index.arrays, len(index), allowed))
        nodes = np.zeros(1, dtype=np.int64)
        for level in range(4):
            _, token, child, _ = masker.step(level, nodes, rng.random((len(nodes), 300)).astype(np.float32)).each()
            chosen = rng.integers(0, len(child), 30)
            nodes, token = child[chosen], token[chosen]
            assert (index.child_token[level][masker.original(level + 1, nodes)] == token).all()
        assert (index.leaf_item[masker.original(4, nodes)] == masker.items(nodes)).all()
        assert masker.original(4, np.array([-1])).tolist() == [-1]
        assert masker.nbytes < 0.5 * index.nbytes


class TestRules:
    def test_items_and_leaves_say_the_same(self):
        index = ConstraintIndex.build([[2, 7], [0, 1], [2, 3], [0, 0]], items=[1, 0, 2, 1])
        by_item = Rule.of_items(index.arrays, 3, np.array([False, True, True]))
        positions = np.flatnonzero(np.isin(index.leaf_item, [1, 2]))
        for rule in (positions, positions[::-1], np.isin(index.leaf_item, [1, 2])):
            by_leaf = Rule.of_leaves(index.arrays, 3, rule)
            assert (by_leaf.allowed == by_item.allowed).all()
            assert by_leaf.items == by_item.items == 2
        assert by_item.share == 0.75

    def test_what_is_no_rule_is_refused(self):
        index = ConstraintIndex.build([[2, 7], [0, 1]])
        for rule in (np.ones(3, dtype=bool), np.ones(2), np.ones((1, 2), dtype=bool)):
            with pytest.raises(ValueError, match="rule over items"):
                Rule.of_items(index.arrays, 2, rule)
        for rule in (np.ones(3, dtype=bool), np.ones(2)):
            with pytest.raises(ValueError, match="rule over leaves"):
                Rule.of_leaves(index.arrays, 2, rule)
        for rule in ([0, 2], [-1]):
            with pytest.raises(ValueError, match="from 0 to 1"):
                Rule.of_leaves(index.arrays, 2, rule)

    def test_a_rule_that_allows_nothing_is_exhausted_at_once(self):
        index = ConstraintIndex.build([[2, 7], [0, 1]])
        rule = Rule.of_items(index.arrays, 2, np.zeros(2, dtype=bool))
        for kind in (LiveMasker, CachedMasker):
            masker = kind(Masker(index.arrays, 2), rule)
            assert masker.allowed == 0
            scores = np.zeros((1, 8), dtype=np.float32)
            assert masker.step(0, [0], scores).best(3).nodes.tolist() == [[-1, -1, -1]]
            masker.mask_(0, [0], scores)
            assert (scores == -np.inf).all()


class TestRuleCache:
    def setup_method(self):
        self.index = wide(2_000)
        self.asked = 0

    def allowed(self, share):
        def make():
            self.asked += 1
            return np.random.default_rng(0).random(len(self.index)) < share

        return make

    def test_a_rule_is_live_then_cached_then_compacted(self):
        cache = RuleCache(self.index, "r1", RuleCacheConfig(compact_uses=4))
        kinds = [type(cache.get("half", self.allowed(0.5))) for _ in range(5)]
        assert kinds == [LiveMasker, CachedMasker, CachedMasker, CompactedMasker, CompactedMasker]
        assert self.asked == 1, "a kept rule isn't asked for again"

    def test_a_rule_that_keeps_little_is_compacted_on_its_second_use(self):
        cache = RuleCache(self.index)
        assert [type(cache.get(1, self.allowed(0.1))) for _ in range(2)] == [LiveMasker, CompactedMasker]

    def test_the_rule_not_used_for_longest_goes_when_the_budget_is_spent(self):
        sizes = RuleCache(self.index)
        sizes.get(0, self.allowed(0.5))
        live = sizes.nbytes
        sizes.get(0, self.allowed(0.5))
        cached = sizes.nbytes
        cache = RuleCache(self.index, config=RuleCacheConfig(budget_bytes=cached + live))
        for key in (0, 1, 0, 2):
            cache.get(key, self.allowed(0.5))
        assert cache.nbytes == cached + live
        assert list(cache._entries) == [("", 0), ("", 2)]

    def test_a_rule_larger_than_the_budget_still_works(self):
        cache = RuleCache(self.index, config=RuleCacheConfig(budget_bytes=10))
        assert cache.get(0, self.allowed(1.0)).allowed == len(self.index)
        assert (len(cache), cache.nbytes) == (0, 0)

    def test_rules_of_another_release_are_not_met(self):
        first, second = (RuleCache(self.index, release) for release in ("r1", "r2"))
        second._entries = first._entries
        first.get("x", np.ones(len(self.index), dtype=bool))
        assert second.get("x", np.zeros(len(self.index), dtype=bool)).allowed == 0

    def test_leaf_positions_are_taken_as_they_are(self):
        masker = RuleCache(self.index).get("two", np.array([5, 3]), by_leaf=True)
        assert masker.allowed == 2
        assert masker.is_open(4, np.arange(7)).tolist() == [False, False, False, True, False, True, False]


class TestLargest:
    @pytest.mark.parametrize("size", [0, 1, 100, 9_000, 50_000])
    @pytest.mark.parametrize("kind", ["distinct", "ties", "one", "closed"])
    def test_is_a_stable_sort(self, size, kind):
        rng = np.random.default_rng(size)
        values = {
            "distinct": rng.standard_normal(size),
            "ties": rng.integers(0, 5, size).astype(float),
            "one": np.zeros(size),
            "closed": np.where(rng.random(size) < 0.999, -np.inf, 1.0),
        }[kind].astype(np.float32)
        for k in (1, 7, 140, 3_000):
            expected = np.argsort(-values, kind="stable")[:k]
            assert largest(values, k).tolist() == expected[values[expected] > -np.inf].tolist()

    @pytest.mark.parametrize("size", [3, 300, 20_001])
    def test_nan_anywhere_is_refused(self, size):
        for place in (0, size // 2, size - 1):
            values = np.zeros(size, dtype=np.float32)
            values[place] = np.nan
            with pytest.raises(ValueError, match="NaN"):
                largest(values, 2)

    def test_states_that_do_not_divide_are_refused(self):
        found = Continuations(np.zeros((3, 2), dtype=np.float32), None, lambda p: (p, p, p))
        with pytest.raises(ValueError, match="3 states"):
            found.best(1, groups=2)
