"""The teacher's soft targets against a count by hand, and what they change in the loss."""

import numpy as np
import pytest
import torch

from recsys_core.baselines.item_cf import ItemCF, ItemCFConfig
from recsys_core.generator.distillation import CollaborativeTeacher
from recsys_core.generator.losses import SidLoss
from recsys_core.generator.trie import TrieTensors
from tests.recsys_core.generator.small import make_small
from tests.recsys_core.generator.test_losses import parts

N_ITEMS = 40


def teacher(seed, window=3):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 9, size=30)
    items = np.concatenate([rng.choice(N_ITEMS, size=n, replace=False) for n in lengths])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    config = ItemCFConfig(window=window, recency_power=0.7, backward=0.4)
    return CollaborativeTeacher(ItemCF.fit(offsets, items, N_ITEMS, config))


def by_hand(teacher, history, position, wanted, items):
    votes = np.zeros(N_ITEMS)
    seen = [int(i) for i in history[:position] if i >= 0]
    for age, item in enumerate(reversed(seen[-teacher.window :]), start=1):
        votes += age**-teacher.recency_power * teacher.similarity[item].toarray()[0]
    votes[[*seen[-teacher.window :], wanted]] = 0
    kept = votes[items]
    return kept / kept.sum() if kept.sum() else kept


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("every", [True, False])
def test_soft_targets_are_the_votes_without_history_and_target(seed, every):
    rng = np.random.default_rng(seed)
    judge = teacher(seed)
    history = np.full((5, 6), -1)
    wanted = np.full((5, 7), -1)
    for row in range(5):
        length = int(rng.integers(0, 7))
        history[row, :length] = rng.integers(N_ITEMS, size=length)
        wanted[row, : length + 1] = rng.integers(N_ITEMS, size=length + 1)
    places = np.flatnonzero(wanted.ravel() >= 0)
    targets = wanted.ravel()[places]
    some = np.unique(np.concatenate([history[history >= 0], targets, rng.integers(N_ITEMS, size=5)]))
    items = np.arange(N_ITEMS) if every else some
    found = judge.targets(history, places, targets, items).numpy()
    for place, target, row in zip(places, targets, found, strict=True):
        expected = by_hand(judge, history[place // 7], place % 7, target, items)
        np.testing.assert_allclose(row, expected, atol=1e-6)
    assert (found[places % 7 == 0] == 0).all(), "nobody votes before the first item"


def test_the_loss_of_soft_targets_is_their_cross_entropy():
    small = make_small(3, 30, hybrid=True)
    loss, states, wish, targets, keys, pool = parts(small)
    model = small.generator.model
    taught = torch.softmax(torch.randn(len(targets), 30), dim=1)
    taught[0] = 0
    trie = TrieTensors.from_index(small.generator.index, hybrid=True)
    distilled = SidLoss(model, trie, full=True, sampled_items=8, auxiliary_weight=1.0, distillation_weight=0.5)
    logits = model.query(model.levels, states, wish) @ keys.T
    extra = -(taught * torch.log_softmax(logits, dim=1)).sum(dim=1)
    plain = loss(states, wish, targets, keys, pool)
    assert distilled(states, wish, targets, keys, pool, taught=taught).item() == pytest.approx(
        plain.item() + 0.5 * extra.mean().item(), rel=1e-5
    )


def test_targets_told_in_words_are_not_taught():
    small = make_small(4, 30, hybrid=True)
    _, states, wish, targets, keys, pool = parts(small)
    trie = TrieTensors.from_index(small.generator.index, hybrid=True)
    loss = SidLoss(
        small.generator.model, trie, full=True, sampled_items=8, auxiliary_weight=1.0, distillation_weight=0.5
    )
    taught = torch.softmax(torch.randn(len(targets), 30), dim=1)
    told = torch.arange(len(targets)) % 2 == 0
    other = taught.clone()
    other[told] = 1 / 30
    value = loss(states, wish, targets, keys, pool, told=told, taught=taught)
    assert value.item() == loss(states, wish, targets, keys, pool, told=told, taught=other).item()
    other[~told] = 1 / 30
    assert value.item() != loss(states, wish, targets, keys, pool, told=told, taught=other).item()
