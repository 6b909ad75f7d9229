"""What every constraint index keeps, held against a plain dict trie; inherit and give ``build``."""

from collections import defaultdict

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# the health check is about one test run in different ways; here every implementation runs the inherited test once
bounded = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.differing_executors])


class DictTrie:
    """The obvious way: a dictionary from prefix to the tokens that follow, and from SID to item."""

    def __init__(self, sids):
        self.items = {tuple(sid): item for item, sid in enumerate(sids.tolist())}
        self.next = defaultdict(set)
        for sid in self.items:
            for level in range(len(sid)):
                self.next[sid[:level]].add(sid[level])

    def items_below(self, prefix):
        return [item for sid, item in self.items.items() if sid[: len(prefix)] == prefix]


@st.composite
def catalogues(draw):
    """Unique SIDs of random shape: depth 1 to 5, few or many tokens a level, even or skewed, in random order."""
    depth = draw(st.integers(1, 5))
    wanted = draw(st.integers(1, 200))
    widths = [draw(st.sampled_from([1, 2, 3, 10, 1000])) for _ in range(depth)]
    skew = draw(st.sampled_from([1.0, 3.0, 8.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    drawn = [(rng.random(wanted) ** skew * width).astype(np.int64) for width in widths]
    unique = np.unique(np.stack(drawn, axis=1), axis=0)
    return unique[rng.permutation(len(unique))], rng


def walk(index, trie):
    """Every node of the index with its prefix: pairs (level, node, prefix), the root first."""
    found = [(0, 0, ())]
    for level, node, prefix in found:
        if level < index.levels:
            children, tokens = index.children(level, [node])
            found += [
                (level + 1, int(child), (*prefix, int(token)))
                for child, token in zip(children[0], tokens[0], strict=True)
                if child >= 0
            ]
    return found


class ConstraintIndexContract:
    def build(self, sids):
        raise AssertionError("a subclass builds the index")

    @bounded
    @given(catalogues())
    def test_children_are_those_of_a_dict_trie(self, catalogue):
        sids, _ = catalogue
        index, trie = self.build(sids), DictTrie(sids)
        nodes = walk(index, trie)
        assert len(nodes) == 1 + len({p for sid in trie.items for p in (sid[:n] for n in range(1, len(sid) + 1))})
        for level, node, prefix in nodes:
            if level == index.levels:
                assert index.leaf_item[node] == trie.items[prefix]
                continue
            _, tokens = index.children(level, [node])
            assert tokens[0].tolist() == sorted(trie.next[prefix])

    @bounded
    @given(catalogues(), st.sampled_from([0.0, 0.02, 0.3, 1.0]))
    def test_open_exactly_where_an_allowed_item_lies_below(self, catalogue, share):
        sids, rng = catalogue
        index, trie = self.build(sids), DictTrie(sids)
        allowed = rng.random((3, len(sids))) < share
        restriction = index.restrict(allowed)
        assert restriction.counts().tolist() == allowed.sum(axis=1).tolist()
        for level, node, prefix in walk(index, trie):
            below = trie.items_below(prefix)
            for row in range(3):
                assert restriction.count(level, node, row) == allowed[row, below].sum()
                assert restriction.open(level, node, row) == allowed[row, below].any()

    @bounded
    @given(catalogues())
    def test_an_open_path_never_ends_before_an_allowed_item(self, catalogue):
        sids, rng = catalogue
        index = self.build(sids)
        allowed = rng.random((2, len(sids))) < 0.2
        restriction = index.restrict(allowed)
        for row in range(2):
            frontier = np.array([0]) if allowed[row].any() else np.array([], dtype=int)
            for level in range(index.levels):
                children, _ = index.children(level, frontier)
                kept = (children >= 0) & restriction.open(level + 1, children, row)
                assert kept.any(axis=1).all(), "a kept node has no way on"
                frontier = children[kept]
            assert sorted(index.leaf_item[frontier].tolist()) == np.flatnonzero(allowed[row]).tolist()

    @bounded
    @given(catalogues())
    def test_lookup_and_step_find_what_exists_and_nothing_else(self, catalogue):
        sids, rng = catalogue
        index, trie = self.build(sids), DictTrie(sids)
        assert index.lookup(sids).tolist() == list(range(len(sids)))
        strangers = rng.integers(-2, 12, (50, index.levels))
        assert index.lookup(strangers).tolist() == [trie.items.get(tuple(sid), -1) for sid in strangers.tolist()]
        for level, node, prefix in walk(index, trie)[:40]:
            if level == index.levels:
                continue
            tokens = np.arange(-1, 12)
            reached = index.step(level, node, tokens)
            assert (reached >= 0).tolist() == [int(t) in trie.next[prefix] for t in tokens]
            assert (index.step(level, -1, tokens) == -1).all()

    @bounded
    @given(catalogues())
    def test_leaf_ranges_cover_the_items_below(self, catalogue):
        sids, _ = catalogue
        index, trie = self.build(sids), DictTrie(sids)
        for level, node, prefix in walk(index, trie):
            low, high = index.leaf_range(level, node)
            assert sorted(index.leaf_item[low:high].tolist()) == sorted(trie.items_below(prefix))
        assert (index.leaf_item[index.item_leaf] == np.arange(len(sids))).all()
        assert (index.sids() == sids).all()
