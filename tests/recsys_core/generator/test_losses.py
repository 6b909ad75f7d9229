"""What each part of the loss may change, and that a pool of items stands for all of them."""

import numpy as np
import pytest
import torch

from recsys_core.generator.losses import SidLoss
from recsys_core.generator.step import value_weights
from recsys_core.generator.trie import TrieTensors
from tests.recsys_core.generator.small import make_small


def parts(small, rows=12, seed=0, *, full=True, sampled=8, correction=0.0):
    model = small.generator.model
    trie = TrieTensors.from_index(small.generator.index, hybrid=small.hybrid)
    loss = SidLoss(model, trie, full=full, sampled_items=sampled, auxiliary_weight=1.0, correction=correction)
    generator = torch.Generator().manual_seed(seed)
    history = torch.randint(len(small.sids), (rows, 4), generator=generator)
    targets = torch.randint(len(small.sids), (rows,), generator=generator)
    sentence = torch.randn(rows, 12, generator=generator)
    instruction = model.instruct(sentence, torch.ones(rows, dtype=torch.bool))
    pool = loss.pool(history, targets, generator)
    vectors = model.item_vectors(pool.items)
    states = model(history, instruction, vectors, pool.place)[:, -1]
    keys = model.keys(model.levels, vectors, pool.items)
    return loss, states, instruction.wish, targets, keys, pool


@pytest.mark.parametrize("hybrid", [True, False])
def test_targets_told_in_words_train_the_wish_and_nothing_else(hybrid):
    small = make_small(0, 30, hybrid=hybrid)
    model = small.generator.model
    loss, states, wish, targets, keys, pool = parts(small)
    told = torch.ones(len(targets), dtype=torch.bool)
    loss(states, wish, targets, keys, pool, told=told).backward()
    for name in ("items.weight", "text_in.weight", "blocks.0.qkv.weight", "log_scales", "popularity_scales"):
        gradient = model.get_parameter(name).grad
        assert gradient is None or not gradient.any(), f"{name} was bent by words"
    assert model.get_parameter("wish_in.0.weight").grad.any()
    assert model.get_parameter("log_wish_scales").grad.any()


def test_telling_some_targets_leaves_the_value_of_the_loss():
    small = make_small(1, 30, hybrid=True)
    loss, states, wish, targets, keys, pool = parts(small)
    told = torch.arange(len(targets)) % 3 == 0
    assert loss(states, wish, targets, keys, pool, told=told).item() == pytest.approx(
        loss(states, wish, targets, keys, pool).item(), rel=1e-5
    )


def test_a_pool_of_all_items_gives_the_full_loss():
    small = make_small(2, 25, hybrid=True)
    loss, states, wish, targets, keys, pool = parts(small)
    sampled, *rest, some = parts(small, full=False, sampled=20_000)
    assert len(some.items) == 25
    assert torch.equal(some.place, pool.place)
    assert sampled(*rest, some).item() == pytest.approx(loss(states, wish, targets, keys, pool).item(), rel=1e-4)


def test_a_pool_holds_the_batch_and_knows_where():
    small = make_small(3, 200, hybrid=True)
    *_, targets, _, pool = parts(small, full=False, sampled=5)
    assert (pool.place[targets] >= 0).all()
    assert torch.equal(pool.items[pool.place[targets]], targets)
    assert len(pool.items) < 200
    assert not pool.offset.any()


def test_correction_lifts_items_that_seldom_get_into_the_pool():
    small = make_small(3, 200, hybrid=True)
    history, targets = torch.arange(6)[None], torch.arange(2)
    offsets = []
    for correction in (1.0, 0.5):
        loss, *_ = parts(small, full=False, sampled=5, correction=correction)
        loss.share = torch.softmax(torch.arange(200) / 50, dim=0)
        offsets.append(loss.pool(history, targets, torch.Generator().manual_seed(0)).offset)
    assert (offsets[0] > 0).all()
    assert (offsets[0].diff() < 0).all(), "later items are more popular here"
    torch.testing.assert_close(offsets[1], offsets[0] / 2)


def test_silent_targets_need_no_wish():
    """The columns of the wish are left out for silent targets; the value must be that of the whole product."""
    small = make_small(5, 30, hybrid=True)
    loss, states, wish, targets, keys, pool = parts(small)
    silent = torch.zeros_like(wish)
    tiny = wish * 1e-12  # not silent, and yet without weight
    assert loss(states, silent, targets, keys, pool).item() == pytest.approx(
        loss(states, tiny, targets, keys, pool).item(), rel=1e-5
    )


def test_weights_count():
    small = make_small(4, 30, hybrid=True)
    loss, states, wish, targets, keys, pool = parts(small)
    first = torch.zeros(len(targets))
    first[0] = 2.0
    alone = loss(states[:1], wish[:1], targets[:1], keys, pool)
    assert loss(states, wish, targets, keys, pool, first).item() == pytest.approx(alone.item(), rel=1e-5)


def test_values_weigh_by_their_power():
    values = np.array([[1.0, 4.0], [2.0, 1.0]], dtype=np.float32)
    assert value_weights(values, 0.0) is None
    assert value_weights(None, 1.0) is None
    np.testing.assert_allclose(value_weights(values, 1.0), values / 2)
    np.testing.assert_allclose(value_weights(values, 0.5), (values / 2) ** 0.5)
