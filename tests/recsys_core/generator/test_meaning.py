"""What words mean: told apart after a little training, balanced, and without numbers that aren't any."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from recsys_core.generator.meaning import MeaningTower, balanced, train_meaning

N_ITEMS, D_TEXT = 24, 8


@dataclass
class TinyBank:
    """Three conditions; the first is rare."""

    masks: np.ndarray
    near_items: np.ndarray

    def grounding(self, count, rng):
        rows = rng.integers(len(self.masks), size=count) if len(self.masks) else np.empty(0, np.int64)
        return rows.astype(np.int64), self.masks[rows]


@pytest.fixture
def bank():
    masks = np.zeros((3, N_ITEMS), dtype=bool)
    masks[0, :2] = True
    masks[1, 2:12] = True
    masks[2, 12:] = True
    near = np.stack([np.arange(N_ITEMS), np.roll(np.arange(N_ITEMS), 1)], axis=1)
    return TinyBank(masks, near)


def unit(rows):
    return torch.nn.functional.normalize(rows, dim=-1)


def trained(bank, *, seed=0, steps=80, text=None, report=None):
    torch.manual_seed(seed)
    tower = MeaningTower(N_ITEMS, D_TEXT, width=16)
    generator = torch.Generator().manual_seed(1)
    text = unit(torch.randn(N_ITEMS, D_TEXT, generator=generator)) if text is None else text
    wordings = unit(torch.randn(3, D_TEXT, generator=generator))
    loss = train_meaning(tower, text, bank, wordings, text, steps=steps, batch=12, noise=0.01, seed=seed, report=report)
    with torch.inference_mode():
        return loss, tower(wordings, text).numpy()


def test_training_tells_conditions_apart_the_rare_one_too(bank):
    loss, odds = trained(bank)
    for row, mask in zip(odds, bank.masks, strict=True):
        assert row[mask].min() > row[~mask].max()
        assert (row[mask] > 0).all()
    _, untrained = trained(bank, steps=4)
    assert loss < 2 * math.log(2)
    assert any(r[m].min() <= r[~m].max() for r, m in zip(untrained, bank.masks, strict=True))


def test_the_same_seed_gives_the_same_odds(bank):
    assert np.array_equal(trained(bank, steps=10)[1], trained(bank, steps=10)[1])
    assert not np.array_equal(trained(bank, steps=10)[1], trained(bank, steps=10, seed=1)[1])


def test_items_of_which_nothing_is_known_and_items_alike_give_numbers(bank):
    silent = torch.zeros(N_ITEMS, D_TEXT)
    loss, odds = trained(bank, steps=20, text=silent)
    assert math.isfinite(loss)
    assert np.isfinite(odds).all()
    loss, odds = trained(bank, steps=20, text=unit(torch.ones(N_ITEMS, D_TEXT)))
    assert math.isfinite(loss)
    assert np.isfinite(odds).all()


def test_without_conditions_nothing_is_trained(bank):
    empty = TinyBank(np.zeros((0, N_ITEMS), dtype=bool), bank.near_items)
    torch.manual_seed(0)
    tower = MeaningTower(N_ITEMS, D_TEXT)
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    text = torch.zeros(N_ITEMS, D_TEXT)
    wordings = torch.zeros(0, D_TEXT)
    assert train_meaning(tower, text, empty, wordings, text, steps=5, batch=4, noise=0.0, seed=0) == 0.0
    assert all(torch.equal(before[name], value) for name, value in tower.state_dict().items())


def test_progress_is_told_every_fifty_steps(bank):
    told = []
    trained(bank, steps=100, report=lambda *event: told.append(event))
    assert [event[:2] for event in told] == [(50, 100), (100, 100)]
    assert told[1][2] < told[0][2]


def test_the_loss_of_not_knowing_is_twice_log_2_however_few_are_meant():
    for meant in (1, 5, 9):
        mask = torch.zeros(1, 10, dtype=torch.bool)
        mask[0, :meant] = True
        assert balanced(torch.zeros(1, 10), mask).item() == pytest.approx(2 * math.log(2), rel=1e-5)


def test_a_row_in_which_all_or_nothing_is_meant_has_one_side_only():
    assert balanced(torch.zeros(1, 4), torch.ones(1, 4, dtype=torch.bool)).item() == pytest.approx(math.log(2))
    assert balanced(torch.zeros(1, 4), torch.zeros(1, 4, dtype=torch.bool)).item() == pytest.approx(math.log(2))


def test_the_loss_equals_plain_sums_and_large_odds_stay_finite():
    logits = torch.tensor([[2.0, -1.0, 0.5], [300.0, -300.0, 0.0]])
    mask = torch.tensor([[True, False, False], [True, False, False]])
    first = math.log1p(math.exp(-2.0)) + (math.log1p(math.exp(-1.0)) + math.log1p(math.exp(0.5))) / 2
    second = 0.0 + (0.0 + math.log(2)) / 2
    assert balanced(logits, mask).item() == pytest.approx((first + second) / 2, rel=1e-5)
    assert math.isfinite(balanced(-logits, mask).item())
