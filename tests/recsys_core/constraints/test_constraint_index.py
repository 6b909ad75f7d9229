"""The NumPy index: contract, shapes, refusals and files."""

import numpy as np
import pytest

from recsys_core.constraints import ConstraintIndex
from recsys_core.errors import BuildError, ReleaseError
from tests.contracts.constraint_index import ConstraintIndexContract

SIDS = np.array([[2, 7, 0], [0, 1, 4], [2, 7, 9], [2, 3, 1]])
"""Leaf order is items 1, 3, 0, 2."""


class TestConstraintIndex(ConstraintIndexContract):
    def build(self, sids):
        return ConstraintIndex.build(sids)


class TestReloadedConstraintIndex(ConstraintIndexContract):
    @pytest.fixture(autouse=True, scope="class")
    def _folder(self, tmp_path_factory):
        type(self).folder = tmp_path_factory.mktemp("index")

    def build(self, sids):
        ConstraintIndex.build(sids).save(self.folder)
        return ConstraintIndex.load(self.folder)


class TestShapes:
    def test_arrays_are_breadth_first(self):
        index = ConstraintIndex.build(SIDS)
        assert index.levels == 3
        assert len(index) == 4
        assert index.vocab_sizes == [3, 8, 10]
        assert index.leaf_item.tolist() == [1, 3, 0, 2]
        assert [a.tolist() for a in index.child_start] == [[0, 2], [0, 1, 3], [0, 1, 2, 4]]
        assert [a.tolist() for a in index.child_token] == [[0, 2], [1, 3, 7], [4, 1, 0, 9]]
        assert [a.tolist() for a in index.leaf_low] == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
        assert [a.tolist() for a in index.leaf_high] == [[4], [1, 4], [1, 2, 4], [1, 2, 3, 4]]
        assert index.nodes == [1, 2, 3, 4]
        assert all(
            a.dtype == np.int32
            for a in [index.leaf_item, index.item_leaf, index.item_leaf_start, *index.child_start, *index.leaf_low]
        )

    @pytest.mark.parametrize(
        ("largest", "dtype"),
        [(255, np.uint8), (256, np.uint16), (65_535, np.uint16), (65_536, np.int32), (2**31 - 2, np.int32)],
    )
    def test_tokens_take_the_smallest_type_that_holds_them(self, largest, dtype):
        index = ConstraintIndex.build([[3, 0], [largest, 1]])
        assert [tokens.dtype for tokens in index.child_token] == [dtype, np.uint8]
        assert index.lookup([[largest, 1], [largest ^ 256, 1]]).tolist() == [1, -1]
        assert index.children(0, [0])[1].dtype == np.int32
        assert index.sids().tolist() == [[3, 0], [largest, 1]]

    def test_arrays_that_only_count_are_not_kept(self):
        index = ConstraintIndex.build([[0, 1, 5, 2], [0, 2, 5, 2], [1, 0, 5, 2]])
        assert sorted(index.arrays.files()) == [
            *("child_start_0", "child_start_1"),
            *(f"child_token_{level}" for level in range(4)),
            *("item_leaves", "leaf_item", "leaf_start_0"),
        ]
        before = index.nbytes
        assert [a.tolist() for a in index.child_start] == [[0, 2], [0, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]
        assert [a.tolist() for a in index.leaf_low[2:]] == [[0, 1, 2]] * 3
        assert index.nbytes == before + 4 * 4, "made once, for all of them"

    def test_children_keep_the_shape_of_the_states_and_pad_to_their_widest(self):
        index = ConstraintIndex.build(SIDS)
        children, tokens = index.children(1, [[0, -1], [1, 1]])
        assert children.shape == tokens.shape == (2, 2, 2)
        assert children.dtype == tokens.dtype == np.int32
        assert children.tolist() == [[[0, -1], [-1, -1]], [[1, 2], [1, 2]]]
        assert tokens.tolist() == [[[1, -1], [-1, -1]], [[3, 7], [3, 7]]]
        assert index.children(1, [0])[0].shape == (1, 1)
        assert index.children(1, [-1])[0].tolist() == [[-1]]
        assert index.children(1, np.empty(0, dtype=int))[0].shape == (0, 1)

    def test_padding_is_closed_and_empty(self):
        index = ConstraintIndex.build(SIDS)
        everything = index.restrict(np.ones(4, dtype=bool))
        assert not everything.open(2, [-1, -1]).any()
        assert index.leaf_range(2, -1) == (0, 0)
        assert everything.open(3, [[0], [3]], [[0], [0]]).all()

    def test_rows_choose_the_rule(self):
        index = ConstraintIndex.build(SIDS)
        rules = index.restrict(np.array([[False, True, False, False], [True, False, True, True]]))
        assert rules.open(1, [[0, 1], [0, 1]], [[0], [1]]).tolist() == [[True, False], [False, True]]
        assert rules.counts().tolist() == [1, 3]

    def test_a_rule_of_another_shape_is_refused(self):
        index = ConstraintIndex.build(SIDS)
        for rule in (np.ones(3, dtype=bool), np.ones(4), np.ones((1, 2, 4), dtype=bool)):
            with pytest.raises(ValueError, match=r"bool\[R, 4\]"):
                index.restrict(rule)

    def test_one_item(self):
        index = ConstraintIndex.build([[5, 0]])
        assert index.children(0, [0])[1].tolist() == [[5]]
        assert index.lookup([[5, 0], [5, 1]]).tolist() == [0, -1]
        assert index.restrict(np.array([False])).counts().tolist() == [0]

    def test_lookup_of_another_length_is_refused(self):
        with pytest.raises(ValueError, match="3 levels"):
            ConstraintIndex.build(SIDS).lookup([[1, 2]])

    def test_the_input_is_left_alone(self):
        given = SIDS.astype(np.int32)
        ConstraintIndex.build(given)
        assert (given == SIDS).all()

    def test_size_of_an_item_is_modest(self):
        rng = np.random.default_rng(0)
        sids = np.unique(rng.integers(0, 256, (50_000, 4)), axis=0)
        assert ConstraintIndex.build(sids).nbytes / len(sids) < 60


class TestOrder:
    @pytest.mark.parametrize("seed", range(8))
    def test_levels_beyond_one_key_are_sorted_too(self, seed):
        rng = np.random.default_rng(seed)
        # 31 bits a level: two levels fill a key, so that most rows tie on it
        drawn = rng.choice([0, 1, 70_000, 2**31 - 2], (300, 6), p=[0.6, 0.2, 0.1, 0.1])
        unique = np.unique(drawn, axis=0)
        items = np.unique(drawn, axis=0, return_inverse=True)[1]
        for index in (
            ConstraintIndex.build(unique[rng.permutation(len(unique))]),
            ConstraintIndex.build(drawn, items=items),
        ):
            assert index.leaf_sids().tolist() == unique.tolist()
            assert index.nodes == [1, *(len(np.unique(unique[:, :depth], axis=0)) for depth in range(1, 7))]
        assert index.leaf_item.tolist() == list(range(len(unique)))
        with pytest.raises(BuildError, match="duplicates in all"):
            ConstraintIndex.build(drawn)

    @pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16])
    def test_shuffled_input_gives_the_same_index(self, dtype):
        rng = np.random.default_rng(0)
        sids = np.unique(rng.integers(0, 50, (400, 3)), axis=0).astype(dtype)
        order = rng.permutation(len(sids))
        one = ConstraintIndex.build(sids)
        two = ConstraintIndex.build(sids[order], items=np.arange(len(sids))[order])
        assert one.arrays.files().keys() == two.arrays.files().keys()
        assert all((a == two.arrays.files()[name]).all() for name, a in one.arrays.files().items())


class TestSeveralLeavesOfAnItem:
    SIDS = np.array([[2, 7], [0, 1], [2, 3], [0, 0], [2, 7]])
    ITEMS = np.array([1, 0, 2, 1, 1])
    """Item 1 has [2, 7] (its first, given twice) and [0, 0]."""

    def test_items_leaves_and_groups_are_counted_apart(self):
        index = ConstraintIndex.build(self.SIDS, items=self.ITEMS)
        assert (len(index), index.leaves) == (3, 4)
        assert index.leaf_item.tolist() == [1, 0, 2, 1]
        assert index.item_leaf_start.tolist() == [0, 1, 3, 4]
        assert index.item_leaves.tolist() == [1, 3, 0, 2]
        assert index.item_leaf.tolist() == [1, 3, 2], "the main leaf is that of the first SID given, not the smallest"
        assert index.sids().tolist() == [[0, 1], [2, 7], [2, 3]]
        assert index.leaf_sids().tolist() == [[0, 0], [0, 1], [2, 3], [2, 7]]

    def test_every_leaf_leads_to_its_item(self):
        index = ConstraintIndex.build(self.SIDS, items=self.ITEMS)
        assert index.lookup(self.SIDS).tolist() == self.ITEMS.tolist()

    def test_a_rule_on_an_item_opens_and_closes_all_its_leaves(self):
        index = ConstraintIndex.build(self.SIDS, items=self.ITEMS)
        rules = index.restrict(np.array([[False, True, False], [True, False, True]]))
        assert rules.open(2, np.arange(4), 0).tolist() == [True, False, False, True]
        assert rules.open(2, np.arange(4), 1).tolist() == [False, True, True, False]
        assert rules.counts().tolist() == [1, 2], "items, not leaves"

    def test_one_leaf_each_is_the_ordinary_index(self):
        plain, given = ConstraintIndex.build(SIDS), ConstraintIndex.build(SIDS, items=np.arange(4))
        assert plain.leaves == len(plain) == 4
        assert all(
            (a == b).all() for a, b in zip(plain.arrays.files().values(), given.arrays.files().values(), strict=True)
        )
        swapped = ConstraintIndex.build(SIDS, items=[3, 2, 1, 0])
        assert swapped.sids().tolist() == SIDS[::-1].tolist()

    def test_saving_keeps_main_leaves(self, tmp_path):
        built = ConstraintIndex.build(self.SIDS, items=self.ITEMS)
        built.save(tmp_path)
        loaded = ConstraintIndex.load(tmp_path)
        assert (len(loaded), loaded.leaves) == (3, 4)
        assert loaded.item_leaf.tolist() == built.item_leaf.tolist()
        assert loaded.item_leaf_start.tolist() == built.item_leaf_start.tolist()

    def test_one_sid_for_two_items_is_refused_by_name(self):
        with pytest.raises(BuildError, match=r"'a' and 'b' share the SID \[2, 7\].*1 duplicates"):
            ConstraintIndex.build([[2, 7], [2, 7], [2, 7], [0, 1]], ["a", "b"], items=[0, 0, 1, 1])

    @pytest.mark.parametrize(
        ("items", "sentence"),
        [
            ([0, 2, 2], "item 1 has no SID"),
            ([0, 5, 1], "item 5 of 3 SIDs"),
            ([0, -1, 1], "belongs to item -1"),
            ([0, 1], r"int\[3\]"),
            ([0.0, 1.0, 2.0], "whole number"),
        ],
    )
    def test_items_that_do_not_fit(self, items, sentence):
        with pytest.raises(BuildError, match=sentence):
            ConstraintIndex.build([[1, 2], [3, 4], [5, 6]], items=items)

    def test_a_bad_token_names_the_item_of_its_row(self):
        with pytest.raises(BuildError, match="'y' has token -3"):
            ConstraintIndex.build([[1, 2], [1, 4], [1, -3]], ["x", "y"], items=[0, 1, 1])


class TestRefusals:
    def test_duplicates_name_both_items(self):
        with pytest.raises(BuildError, match=r"'b' and 'd' share the SID \[3, 4\].*1 duplicates"):
            ConstraintIndex.build([[1, 2], [3, 4], [0, 9], [3, 4]], item_ids=["a", "b", "c", "d"])

    def test_duplicates_without_names_give_item_numbers(self):
        with pytest.raises(BuildError, match="item 1 and item 2"):
            ConstraintIndex.build([[1], [7], [7]])

    def test_negative_and_huge_tokens_name_item_and_level(self):
        with pytest.raises(BuildError, match="'y' has token -3 at level 1"):
            ConstraintIndex.build([[1, 2], [1, -3]], item_ids=["x", "y"])
        with pytest.raises(BuildError, match="item 0 has token 2147483647 at level 0"):
            ConstraintIndex.build([[2**31 - 1, 2]])

    @pytest.mark.parametrize(
        ("sids", "sentence"),
        [
            ([[1, 2], [3]], "different lengths"),
            ([], "no SIDs"),
            (np.empty((0, 3), dtype=int), "no SIDs"),
            (np.empty((3, 0), dtype=int), "no SIDs"),
            ([1, 2, 3], r"\[items, levels\]"),
            ([[0.5, 1.0]], "whole numbers"),
            ([["a", "b"]], "whole numbers"),
            ([[True, False]], "whole numbers"),
        ],
    )
    def test_what_is_no_table_of_tokens(self, sids, sentence):
        with pytest.raises(BuildError, match=sentence):
            ConstraintIndex.build(sids)


class TestFiles:
    def test_mapped_and_read_are_the_same(self, tmp_path):
        built = ConstraintIndex.build(SIDS)
        built.save(tmp_path)
        for mmap in (True, False):
            loaded = ConstraintIndex.load(tmp_path, mmap=mmap)
            assert (loaded.sids() == SIDS).all()
            assert loaded.vocab_sizes == built.vocab_sizes
            assert loaded.arrays.files().keys() == built.arrays.files().keys()
            assert all((a == built.arrays.files()[name]).all() for name, a in loaded.arrays.files().items())

    def test_building_twice_gives_the_same_bytes(self, tmp_path):
        for name in ("a", "b"):
            ConstraintIndex.build(SIDS).save(tmp_path / name)
        files = sorted(path.name for path in (tmp_path / "a").iterdir())
        assert [(tmp_path / "a" / f).read_bytes() for f in files] == [(tmp_path / "b" / f).read_bytes() for f in files]

    def test_missing_header_or_array_is_a_sentence(self, tmp_path):
        with pytest.raises(ReleaseError, match="sidra build"):
            ConstraintIndex.load(tmp_path)
        ConstraintIndex.build(SIDS).save(tmp_path)
        (tmp_path / "child_token_1.npy").unlink()
        with pytest.raises(ReleaseError, match="damaged"):
            ConstraintIndex.load(tmp_path)

    def test_truncated_array_is_a_sentence(self, tmp_path):
        ConstraintIndex.build(SIDS).save(tmp_path)
        path = tmp_path / "leaf_item.npy"
        path.write_bytes(path.read_bytes()[:-6])
        with pytest.raises(ReleaseError, match="damaged"):
            ConstraintIndex.load(tmp_path)

    def test_arrays_of_another_index_are_noticed(self, tmp_path):
        ConstraintIndex.build(SIDS).save(tmp_path)
        ConstraintIndex.build(SIDS[:2]).save(tmp_path / "other")
        (tmp_path / "other" / "child_token_2.npy").replace(tmp_path / "child_token_2.npy")
        with pytest.raises(ReleaseError, match="fit together"):
            ConstraintIndex.load(tmp_path)

    @pytest.mark.parametrize("layout", [2, 9])
    def test_another_layout_says_what_to_run(self, tmp_path, layout):
        ConstraintIndex.build(SIDS).save(tmp_path)
        header = tmp_path / "index.json"
        written = header.read_text(encoding="utf-8")
        header.write_text(written.replace('"layout": 3', f'"layout": {layout}'), encoding="utf-8")
        with pytest.raises(ReleaseError, match=f"layout {layout}, .* run `sidra build`"):
            ConstraintIndex.load(tmp_path)
