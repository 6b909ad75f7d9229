"""New items without training: what was there stays, what comes is found, and paths are chosen by contexts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import ConfigError, DataError
from recsys_core.generator.cold import (
    ColdConfig,
    add_items,
    extend_index,
    extend_model,
    nearest_known,
)
from recsys_core.generator.cold_paths import PathConfig, content_paths, path_nll, select_paths, votes
from recsys_core.generator.cold_share import LOWEST, share_of_probability
from recsys_core.generator.compact import CompactGenerator, save_model
from recsys_core.generator.family import Rules
from recsys_core.generator.prepare import centred, centred_with, content_mean
from recsys_core.generator.trie import TrieTensors, all_log_probabilities
from tests.recsys_core.generator.small import make_small

HISTORIES = (np.array([0, 4, 8]), np.array([0, 1, 2, 3, 5, 6, 7, 8]))


class FixedPaths:
    """A quantizer whose candidates are all paths, in the order of a hash of the vector."""

    def __init__(self, codes: int, levels: int) -> None:
        self.all = np.stack(np.meshgrid(*[np.arange(codes)] * levels, indexing="ij"), axis=-1).reshape(-1, levels)

    def candidates(self, vectors, count):
        orders = [np.random.default_rng(int(abs(v[0]) * 1e6)).permutation(len(self.all))[:count] for v in vectors]
        paths = np.stack([self.all[order] for order in orders]).astype(np.int32)
        return paths, np.zeros(paths.shape[:2], dtype=np.float32)


def _content(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 12)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _added(small, count=3, config=None):
    generator = small.generator
    return add_items(
        generator.model, generator.index, _content(count), FixedPaths(4, 2), _content(count), HISTORIES, config
    )


def _exact(model, index, hybrid, encoded):
    with torch.no_grad():
        return all_log_probabilities(
            model, TrieTensors.from_index(index, hybrid=hybrid), encoded.states, encoded.wish
        ).numpy()


@pytest.mark.parametrize("hybrid", [True, False])
def test_every_old_weight_is_the_same_and_the_old_model_is_left_alone(hybrid):
    small = make_small(1, 30, hybrid=hybrid)
    before = {name: t.clone() for name, t in small.generator.model.state_dict().items()}
    added = _added(small)
    for name, old in before.items():
        assert torch.equal(small.generator.model.state_dict()[name], old), f"{name} of the trained model changed"
        new = added.model.state_dict()[name]
        assert torch.equal(new[: len(old)] if old.ndim else new, old), name
    assert len(added.model.items.weight) == len(added.model.wish_items.weight) == 33
    assert torch.equal(added.model.text[:30], small.generator.model.text)
    assert torch.equal(added.model.sids[:30], small.generator.model.sids)


@pytest.mark.parametrize("hybrid", [True, False])
def test_old_items_keep_their_semantic_ids_and_states_their_values(hybrid):
    small = make_small(2, 30, hybrid=hybrid)
    added = _added(small)
    assert added.index.sids()[:30].tolist() == small.sids.tolist()
    assert added.index.lookup(small.sids).tolist() == list(range(30))
    assert added.model.sids.tolist() == added.index.sids().tolist()
    again = CompactGenerator(added.model, added.index, small.generator.encode_texts)
    histories = [np.array([1, 2, 3]), np.array([], dtype=np.int64)]
    np.testing.assert_allclose(
        again.encode(histories, ["", "words"]).states,
        small.generator.encode(histories, ["", "words"]).states,
        atol=1e-6,
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), hybrid=st.booleans(), count=st.integers(1, 6), registered=st.integers(1, 4))
def test_old_items_only_lose_what_the_new_ones_take(seed, hybrid, count, registered):
    small = make_small(seed, 25, hybrid=hybrid)
    added = _added(small, count, ColdConfig(paths=PathConfig(registered=registered)))
    encoded = small.generator.encode([np.array([1, 2])], [""])
    before = _exact(small.generator.model, small.generator.index, hybrid, encoded)
    after = _exact(added.model, added.index, hybrid, encoded)
    assert (after[:, :25] <= before + 1e-4).all(), "no old item may gain"
    assert np.isfinite(after).all(), "every new item can be reached"
    np.testing.assert_allclose(np.exp(after).sum(axis=1), 1.0, atol=1e-4)


@pytest.mark.parametrize("hybrid", [True, False])
def test_a_search_finds_new_items_and_they_can_stand_in_a_history(hybrid):
    small = make_small(3, 30, hybrid=hybrid)
    added = _added(small)
    generator = CompactGenerator(added.model, added.index, small.generator.encode_texts)
    encoded = generator.encode([np.array([30, 1]), np.array([32])], ["", ""])
    only_new = np.arange(33) >= 30
    found, _ = generator.search(encoded, Rules(np.tile(only_new, (2, 1))), np.array([2, 2]), 5)
    assert set(found.items[0].tolist()) >= {-1}
    assert set(found.items.ravel().tolist()) - {-1} <= {30, 31, 32}
    assert (found.items[:, 0] >= 30).all()


def test_a_new_row_is_the_weighted_mean_of_its_nearest_items():
    small = make_small(4, 20, hybrid=True)
    model = small.generator.model
    content = model.text.numpy()[[7]].copy()
    sids = np.array([[0, 0, 20]])
    table = model.items.weight.detach().numpy()
    alone = extend_model(model, content, sids, ColdConfig(neighbours=1))
    np.testing.assert_allclose(alone.items.weight.detach().numpy()[20], table[7], atol=1e-6)
    silent = extend_model(model, content, sids, ColdConfig(learned_share=0))
    assert not silent.items.weight.detach().numpy()[20].any()
    even = extend_model(model, content, sids, ColdConfig(neighbours=3, sharpness=0, learned_share=0.5))
    near, _ = nearest_known(content, model, np.ones(20, dtype=bool), 3)
    assert near[0, 0] == 7
    np.testing.assert_allclose(even.items.weight.detach().numpy()[20], table[near[0]].mean(axis=0) / 2, atol=1e-6)
    np.testing.assert_allclose(
        even.wish_items.weight.detach().numpy()[20],
        model.wish_items.weight.detach().numpy()[near[0]].mean(axis=0) / 2,
        atol=1e-6,
    )


def test_items_that_nobody_chose_lend_nothing():
    small = make_small(4, 20, hybrid=True)
    content = small.generator.model.text.numpy()[[7]].copy()
    known = np.ones(20, dtype=bool)
    known[7] = False
    near, _ = nearest_known(content, small.generator.model, known, 19)
    assert 7 not in near


def test_content_of_another_width_or_with_nan_is_refused():
    small = make_small(4, 20, hybrid=True)
    with pytest.raises(DataError, match="don't fit a generator of 12 text dimensions"):
        extend_model(small.generator.model, np.ones((1, 5), dtype=np.float32), np.zeros((1, 3), dtype=int))
    broken = _content(2)
    broken[1, 3] = np.nan
    with pytest.raises(DataError, match="new item 1 holds NaN"):
        extend_model(small.generator.model, broken, np.zeros((2, 3), dtype=int))


@pytest.mark.parametrize("hybrid", [True, False])
def test_an_extended_model_is_saved_and_loaded(hybrid, tmp_path):
    small = make_small(5, 20, hybrid=hybrid)
    added = _added(small, 5)
    save_model(added.model, tmp_path)
    sids = added.index.sids()
    loaded = CompactGenerator.load(tmp_path, sids, added.model.text.numpy(), added.index, small.generator.encode_texts)
    assert loaded.model.code_sizes == added.model.code_sizes
    assert all(torch.equal(t, loaded.model.state_dict()[n]) for n, t in added.model.state_dict().items())


class TestIndex:
    def test_hybrid_paths_carry_the_items_own_token(self):
        index = ConstraintIndex.build([[0, 0], [1, 1], [1, 2]])
        grown = extend_index(index, [np.array([[1], [0], [1]], dtype=np.int32)], hybrid=True)
        assert grown.leaf_sids()[grown.leaf_item == 3].tolist() == [[0, 3], [1, 3]]
        assert grown.sids()[3].tolist() == [1, 3]

    def test_pure_paths_count_on_behind_the_items_already_there(self):
        index = ConstraintIndex.build([[0, 5, 0], [0, 5, 1], [2, 2, 0]])
        paths = [np.array([[0, 5]], dtype=np.int32), np.array([[2, 2], [7, 7]], dtype=np.int32)]
        grown = extend_index(index, paths, hybrid=False)
        assert grown.sids()[3:].tolist() == [[0, 5, 2], [2, 2, 1]]
        assert grown.leaf_sids()[grown.leaf_item == 4].tolist() == [[2, 2, 1], [7, 7, 0]]

    def test_a_further_path_never_counts_beyond_what_main_ones_do(self):
        index = ConstraintIndex.build([[0, 0], [1, 0]])
        grown = extend_index(index, [np.array([[2], [1]], dtype=np.int32)], hybrid=False)
        assert grown.leaf_sids()[grown.leaf_item == 2].tolist() == [[2, 0]]

    def test_an_index_can_be_extended_twice(self):
        index = ConstraintIndex.build([[0, 0], [1, 1]])
        once = extend_index(index, [np.array([[1], [0]], dtype=np.int32)], hybrid=True)
        twice = extend_index(once, [np.array([[0]], dtype=np.int32)], hybrid=True)
        assert twice.sids().tolist() == [[0, 0], [1, 1], [1, 2], [0, 3]]
        assert twice.leaves == 5


class TestSelection:
    def test_votes_are_those_of_the_formula(self):
        rng = np.random.default_rng(0)
        nll = rng.random((5, 4)) * 3
        expected = np.zeros(4)
        total = 0.0
        for row in nll:
            p = np.exp(-row / 0.7)
            p /= p.sum()
            omega = 1 - -(p * np.log(p)).sum() / np.log(4)
            expected += omega * p
            total += omega
        np.testing.assert_allclose(votes(nll, 0.7), expected / total, atol=1e-6)

    def test_contexts_that_know_nothing_decide_nothing(self):
        assert votes(np.ones((6, 3)), 1.0).max() < 0.01

    @pytest.mark.parametrize("hybrid", [True, False])
    def test_likelihoods_of_all_paths_add_up_to_one(self, hybrid):
        small = make_small(6, 40, hybrid=hybrid)
        every = FixedPaths(4, 2).all.astype(np.int32)
        with torch.inference_mode():
            nll = path_nll(small.generator.model, torch.randn(5, small.generator.model.state_width), every)
        np.testing.assert_allclose(np.exp(-nll).sum(axis=1), 1.0, atol=1e-5)

    def _choice(self, config):
        """One item whose neighbour, item 5, stands second in ten histories."""
        small = make_small(8, 20, hybrid=True)
        items = np.random.default_rng(0).integers(0, 20, 40)
        items[items == 5] = 6
        items[1::4] = 5
        pool = [FixedPaths(4, 2).all[::-1][:6].astype(np.int32)]
        chosen = select_paths(small.generator.model, pool, np.array([[5]]), np.arange(0, 41, 4), items, config)
        return small, items, pool, chosen

    def test_the_likeliest_paths_lead_when_the_vote_is_clear(self):
        small, items, pool, chosen = self._choice(PathConfig(margin=0.0, registered=6, contexts=40))
        histories = [items[n : n + 1] for n in range(0, 40, 4)]
        encoded = small.generator.encode(histories, [""] * 10)
        with torch.no_grad():
            vote = votes(path_nll(small.generator.model, encoded.states, pool[0]), 1.0)
        assert chosen.paths[0].tolist() == pool[0][np.argsort(-vote, kind="stable")].tolist()
        assert (chosen.supported, chosen.committed) == (1, 1)
        assert chosen.switched == int(vote.argmax() != 0)

    def test_the_path_of_content_stays_among_several(self):
        for registered in (1, 2, 3):
            _, _, pool, everything = self._choice(PathConfig(margin=0.0, registered=6, contexts=40))
            _, _, _, chosen = self._choice(PathConfig(margin=0.0, registered=registered, contexts=40))
            assert len(chosen.paths[0]) == registered
            assert chosen.paths[0][0].tolist() == everything.paths[0][0].tolist()
            assert registered == 1 or pool[0][0].tolist() in chosen.paths[0].tolist()

    def test_too_few_contexts_or_too_small_a_lead_leave_the_order_of_content(self):
        for config, supported in ((PathConfig(minimum_contexts=1000), 0), (PathConfig(margin=1.0), 1)):
            _, _, pool, chosen = self._choice(config)
            assert chosen.paths[0].tolist() == pool[0][: PathConfig().registered].tolist()
            assert (chosen.supported, chosen.committed, chosen.switched) == (supported, 0, 0)

    def test_a_neighbour_that_only_opens_histories_gives_no_context(self):
        small = make_small(8, 20, hybrid=True)
        pool = [FixedPaths(4, 2).all[:6].astype(np.int32)]
        offsets, items = np.array([0, 2, 4, 6, 8]), np.array([5, 1, 5, 2, 5, 3, 5, 4])
        chosen = select_paths(small.generator.model, pool, np.array([[5]]), offsets, items, PathConfig())
        assert chosen.supported == 0

    def test_a_code_that_was_never_learned_is_no_candidate_but_the_own_path_stays(self):
        source = FixedPaths(6, 1)
        vectors = _content(4, seed=2)
        for own, all_paths in zip(
            content_paths(source, vectors, 6, (4,), 1), source.candidates(vectors, 4)[0], strict=True
        ):
            assert own[0].tolist() == all_paths[0].tolist()
            assert (own[1:] < 4).all()


class Few(FixedPaths):
    def candidates(self, vectors, count):
        if count > 3:
            raise ConfigError("there are only 3 paths")
        return super().candidates(vectors, count)


def test_where_there_are_fewer_paths_fewer_are_tried():
    assert [len(own) for own in content_paths(Few(4, 1), _content(2), 4, (4,), 1)] == [2, 2]


class TestShare:
    def _loud(self, share):
        """New items whose content is what everybody reads, so that they would take too much."""
        # shares must hold without a content expert and without a prior on popularity: large logs have neither
        small = make_small(9, 30, hybrid=True, levels=1, content_width=0)
        generator = small.generator
        with torch.no_grad():
            generator.model.popularity_scales.zero_()
            generator.model.popularity_taste.weight.zero_()
        content = generator.model.text.numpy()[:4].copy()
        config = ColdConfig(share=share, paths=PathConfig(registered=4))
        added = add_items(generator.model, generator.index, content, FixedPaths(4, 1), content, HISTORIES, config)
        return generator, added

    def test_new_items_take_no_more_than_their_share(self):
        _, free = self._loud(8.0)
        assert free.share is not None
        assert free.share < 1
        wanted = 0.9 * free.share
        _, held = self._loud(wanted * 34 / 4)
        assert held.share is not None
        assert 0.9 * wanted < held.share <= wanted + 1e-6

    def test_only_the_offset_of_new_items_is_moved(self):
        _, held = self._loud(0.02)
        _, free = self._loud(None)
        assert not held.model.item_offset[:30].any()
        assert (held.model.item_offset[30:] < 0).all()
        assert (held.model.item_offset[30:] >= LOWEST).all()
        for name, tensor in free.model.state_dict().items():
            assert name == "item_offset" or torch.equal(tensor, held.model.state_dict()[name]), name

    def test_a_share_that_is_not_reached_changes_nothing(self):
        _, held = self._loud(8.0)
        assert not held.model.item_offset.any()

    def test_the_share_is_what_brute_force_says(self):
        small = make_small(9, 30, hybrid=False)
        trie = TrieTensors.from_index(small.generator.index, hybrid=False)
        encoded = small.generator.encode([HISTORIES[1]], [""])
        exact = _exact(small.generator.model, small.generator.index, False, encoded)
        share = share_of_probability(small.generator.model, trie, [HISTORIES[1]], 20)
        assert share == pytest.approx(np.exp(exact[0, 20:]).sum(), rel=1e-4)


def test_centring_with_the_training_mean_leaves_old_items_where_they_were():
    text = _content(20, seed=5) + 0.3
    mean = content_mean(text)
    assert (centred_with(text, mean) == centred(text)).all()
    longer = np.concatenate([text, _content(5, seed=6)])
    assert (centred_with(longer, mean)[:20] == centred(text)).all()
    assert not np.allclose(centred(longer)[:20], centred(text), atol=1e-4)
