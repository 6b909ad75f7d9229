"""One batch's loss: who sends gradients where, and that the order of rows doesn't matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recsys_core.generator.config import TrainConfig
from recsys_core.generator.data import PLAIN, Batch
from recsys_core.generator.losses import SidLoss
from recsys_core.generator.step import training_loss
from recsys_core.generator.trie import TrieTensors
from tests.recsys_core.generator.small import make_small

CONFIG = TrainConfig(sentence_noise=0.0, grounding_weight=0.0)
HISTORY = np.array([[1, 2, 3], [4, 5, -1], [6, 7, 8], [9, -1, -1]])
TARGETS = np.array([[1, 2, 3, 4], [4, 5, 6, -1], [6, 7, 8, 9], [9, 10, -1, -1]])
NO_GROUND = (np.empty(0, np.int64), np.empty((0, 0), bool))


def _step(told, order=(0, 1, 2, 3)):
    """Loss of the batch with rows in an order, and the model with its gradients."""
    small = make_small(3, 30, hybrid=True)
    model = small.generator.model.eval()  # no dropout, which would fall on other places
    trie = TrieTensors.from_index(small.generator.index, hybrid=True)
    loss = SidLoss(model, trie, full=True, sampled_items=1, auxiliary_weight=1.0)
    rows, told = np.array(order), np.array(told)
    wording = np.where(told, np.arange(4), PLAIN)
    batch = Batch(HISTORY[rows], wording[rows], np.full(4, -1), TARGETS[rows], told[rows])
    wordings = torch.randn(4, 12, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(0)
    value = training_loss(model, loss, batch, NO_GROUND, CONFIG, wordings, torch.zeros(30, 12), generator)
    value.backward()
    return value.item(), model


def _moved(model, name):
    gradient = model.get_parameter(name).grad
    return gradient is not None and bool(gradient.any())


def test_the_order_of_rows_does_not_matter():
    told = [False, True, False, True]
    value, one = _step(told)
    again, other = _step(told, order=(3, 0, 2, 1))
    assert again == pytest.approx(value, rel=1e-5)
    for name in ("blocks.0.qkv.weight", "items.weight", "wish_in.0.weight"):
        torch.testing.assert_close(one.get_parameter(name).grad, other.get_parameter(name).grad, atol=1e-6, rtol=1e-4)


def test_plain_rows_bend_taste_and_told_rows_do_not():
    _, plain = _step([False] * 4)
    assert _moved(plain, "blocks.0.qkv.weight")
    assert _moved(plain, "items.weight")
    _, told = _step([True] * 4)
    assert not _moved(told, "blocks.0.qkv.weight")
    assert not _moved(told, "items.weight")
    assert _moved(told, "wish_in.0.weight")


def test_beside_told_rows_plain_ones_bend_taste_as_ever():
    """Their gradient is that of a batch in which the others are not there, weighed by how many targets there are."""
    _, mixed = _step([False, True, False, True])
    whole = mixed.get_parameter("blocks.0.qkv.weight").grad
    small = make_small(3, 30, hybrid=True)
    model = small.generator.model.eval()
    trie = TrieTensors.from_index(small.generator.index, hybrid=True)
    loss = SidLoss(model, trie, full=True, sampled_items=1, auxiliary_weight=1.0)
    rows = np.array([0, 2])
    silent = np.full(2, PLAIN)
    batch = Batch(HISTORY[rows], silent, np.full(2, -1), TARGETS[rows], np.zeros(2, dtype=bool))
    nothing = torch.zeros(4, 12)
    generator = torch.Generator().manual_seed(0)
    training_loss(model, loss, batch, NO_GROUND, CONFIG, nothing, torch.zeros(30, 12), generator).backward()
    alone = model.get_parameter("blocks.0.qkv.weight").grad
    share = (TARGETS[rows] >= 0).sum() / (TARGETS >= 0).sum()
    torch.testing.assert_close(whole, alone * share, atol=1e-6, rtol=1e-4)


def test_a_batch_without_targets_has_no_loss():
    small = make_small(3, 30, hybrid=True)
    trie = TrieTensors.from_index(small.generator.index, hybrid=True)
    loss = SidLoss(small.generator.model, trie, full=True, sampled_items=1, auxiliary_weight=1.0)
    none = np.full((1, 2), -1)
    batch = Batch(np.array([[1]]), np.array([PLAIN]), np.array([-1]), none, np.array([False]))
    nothing = torch.zeros(4, 12)
    found = training_loss(
        small.generator.model, loss, batch, NO_GROUND, CONFIG, nothing, torch.zeros(30, 12), torch.Generator()
    )
    assert found is None
