"""Changes are seen by the next snapshot, by no earlier one, and mean the same before and after they are merged."""

import threading

import numpy as np
import pytest
from hypothesis import given

from recsys_core.constraints import ConstraintIndex
from recsys_core.constraints.delta import DeltaIndex
from recsys_core.constraints.masking import Masker
from recsys_core.constraints.rules import LiveMasker, Rule
from recsys_core.constraints.union import UnionMasker
from recsys_core.errors import BuildError
from tests.contracts.masker import MaskerContract, bounded, worlds


def reach(masker):
    """Items that stepping reaches, sorted."""
    nodes = np.zeros(1, dtype=np.int64)
    for level in range(masker.levels):
        nodes = masker.step(level, nodes, np.zeros((len(nodes), max(masker.vocab_sizes)), np.float32)).each()[2]
    return sorted(set(masker.items(nodes).tolist()))


class TestUnionMasker(MaskerContract):
    def maskers(self, world):
        index, items = world.index, len(world.index)
        if world.sids is None or items < 2:
            return [Masker(index.arrays, items)] if world.allowed.all() else []
        # items of odd number came later
        parts = []
        for odd in (0, 1):
            chosen = world.owners % 2 == odd
            own = np.flatnonzero(np.arange(items) % 2 == odd)
            part = ConstraintIndex.build(world.sids[chosen], items=world.owners[chosen] // 2)
            rule = Rule.of_items(part.arrays, len(part), world.allowed[own])
            parts.append((LiveMasker(Masker(part.arrays, len(part)), rule), own))
        (base, even), (more, odds) = parts
        masker = UnionMasker(base, more, odds, int(world.allowed.sum()))
        items_of_base = masker.base.items
        # the base's own numbers are those of all in a real delta; here they are the halves
        masker.base.items = lambda nodes: np.where((i := items_of_base(nodes)) >= 0, even.take(i, mode="clip"), -1)
        return [masker]

    def test_other_lengths_do_not_join(self):
        one, two = (ConstraintIndex.build([[0] * n]) for n in (1, 2))
        with pytest.raises(ValueError, match="2 levels"):
            UnionMasker(Masker(one.arrays, 1), Masker(two.arrays, 1), np.array([1]), 2)


class TestDeltaIndex:
    SIDS = np.array([[2, 7, 0], [0, 1, 4], [2, 7, 9], [2, 3, 1]])

    def make(self):
        return DeltaIndex(ConstraintIndex.build(self.SIDS))

    def test_a_new_item_is_there_for_the_next_request_and_not_for_the_one_before(self):
        delta = self.make()
        before = delta.snapshot()
        assert delta.add([[2, 7, 5], [9, 0, 0]]) == [4, 5]
        after = delta.snapshot()
        assert reach(before.masker("all")) == [0, 1, 2, 3]
        assert reach(after.masker("all")) == [0, 1, 2, 3, 4, 5]
        assert after.masker("all").allowed == 6
        assert reach(after.masker("some", np.array([0, 1, 0, 0, 1, 0], dtype=bool))) == [1, 4]

    def test_a_withdrawn_item_is_gone_whether_merged_or_not(self):
        delta = self.make()
        delta.add([[2, 7, 5]])
        delta.withdraw([2, 4])
        assert reach(delta.snapshot().masker("all")) == [0, 1, 3]
        delta.merge()
        assert delta.pending == 0
        assert reach(delta.snapshot().masker("all")) == [0, 1, 3]
        assert delta.snapshot().masker("all").allowed == 3
        delta.restore([4])
        assert reach(delta.snapshot().masker("all")) == [0, 1, 3, 4]

    def test_merging_changes_nothing_that_is_seen(self):
        delta = self.make()
        delta.add([[2, 7, 5], [2, 0, 0], [2, 7, 8]], items=[4, 5, 1])
        rule = np.array([0, 1, 1, 0, 0, 1], dtype=bool)
        before = delta.snapshot()
        delta.merge()
        after = delta.snapshot()
        assert isinstance(before.masker("r", rule), UnionMasker)
        assert not isinstance(after.masker("r", rule), UnionMasker)
        assert reach(before.masker("r", rule)) == reach(after.masker("r", rule)) == [1, 2, 5]
        assert after.rules.index.lookup([[2, 7, 8], [0, 1, 4]]).tolist() == [1, 1]
        assert after.rules.index.sids()[1].tolist() == [0, 1, 4], "the main one stays"

    def test_a_new_tag_makes_rules_be_worked_out_anew(self):
        delta = self.make()
        assert reach(delta.snapshot().masker("comedy", np.array([True, False, False, False]))) == [0]
        delta.retag()
        assert reach(delta.snapshot().masker("comedy", np.array([False, True, False, False]))) == [1]

    def test_what_comes_while_merging_stays_on_top(self, monkeypatch):
        delta = self.make()
        delta.add([[5, 5, 5]])
        build, begun, go = ConstraintIndex.build, threading.Event(), threading.Event()

        def slow(sids, *, items):
            if threading.current_thread() is not threading.main_thread():
                begun.set()
                assert go.wait(10)
            return build(sids, items=items)

        monkeypatch.setattr(ConstraintIndex, "build", slow)
        delta.merge(wait=False)
        assert begun.wait(10)
        delta.add([[6, 6, 6]])
        delta.withdraw([0])
        assert reach(delta.snapshot().masker("all")) == [1, 2, 3, 4, 5]
        go.set()
        delta._merging.join()
        assert delta.pending == 1
        assert reach(delta.snapshot().masker("all")) == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize(
        ("sids", "items", "sentence"),
        [
            ([[2, 7, 0]], None, r"\[2, 7, 0\] is taken"),
            ([[1, 1, 1], [1, 1, 1]], None, r"\[1, 1, 1\] is taken"),
            ([[1, 1]], None, r"\[m, 3\]"),
            ([[1, 1, 1]], [5], "from 4 on without a gap"),
            ([[1, 1, 1]], [-1], "from 4 on without a gap"),
        ],
    )
    def test_what_cannot_be_added_is_refused_and_changes_nothing(self, sids, items, sentence):
        delta = self.make()
        with pytest.raises(BuildError, match=sentence):
            delta.add(sids, items)
        assert delta.snapshot().version == 0

    def test_a_semantic_id_that_was_just_added_is_taken(self):
        delta = self.make()
        delta.add([[1, 1, 1]])
        with pytest.raises(BuildError, match="taken"):
            delta.add([[1, 1, 1]])

    def test_unknown_items_and_rules_of_another_size_are_refused(self):
        delta = self.make()
        for items in ([4], [-1]):
            with pytest.raises(BuildError, match="from 0 to 3"):
                delta.withdraw(items)
        delta.add([[1, 1, 1]])
        with pytest.raises(ValueError, match=r"bool\[5\]"):
            delta.snapshot().masker("x", np.ones(4, dtype=bool))


@bounded
@given(worlds())
def test_any_order_of_changes_reaches_what_is_left(world):
    first = max(1, len(world.index) // 2)
    early = world.owners < first
    delta = DeltaIndex(ConstraintIndex.build(world.sids[early], items=world.owners[early]))
    for begin in range(first, len(world.index), max(1, len(world.index) // 5)):
        chosen = (world.owners >= begin) & (world.owners < begin + max(1, len(world.index) // 5))
        delta.add(world.sids[chosen], world.owners[chosen])
        if world.rng.random() < 0.3:
            delta.merge()
    delta.withdraw(np.flatnonzero(~world.allowed).tolist())
    assert reach(delta.snapshot().masker("all")) == np.flatnonzero(world.allowed).tolist()
