"""Mixes against a search over all weights in plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from eval.comparison import blend as module
from eval.comparison.blend import FLOOR, fit_blend, mix, probabilities
from recsys_core.baselines.protocol import FitData

N_ITEMS, N_USERS = 15, 12


@dataclass
class Table:
    """Scores that depend on the newest item only."""

    rows: np.ndarray
    parameters: int = 5

    def scores(self, histories):
        return np.stack([self.rows[h[-1]] for h in histories]).astype(np.float32)


def world(seed):
    rng = np.random.default_rng(seed)
    histories = [rng.choice(N_ITEMS, size=3, replace=False) for _ in range(N_USERS)]
    targets = np.array([rng.choice(np.setdiff1d(np.arange(N_ITEMS), h)) for h in histories])
    data = FitData(
        offsets=np.array([0, 1]),
        items=np.array([0]),
        n_items=N_ITEMS,
        content=np.zeros((N_ITEMS, 0), np.float32),
        validation_histories=histories,
        validation_targets=targets,
    )
    votes = rng.random((N_ITEMS, N_ITEMS)) * (rng.random((N_ITEMS, N_ITEMS)) < 0.5)
    logs = rng.normal(size=(N_ITEMS, N_ITEMS)) * 2
    logs[rng.random(logs.shape) < 0.1] = -np.inf
    return data, Table(votes), Table(logs)


def plain_ndcg(data, votes, logs, weight, geometric):
    total = 0.0
    for history, target in zip(data.validation_histories, data.validation_targets.tolist(), strict=True):
        p = votes.rows[history[-1]]
        p = p / p.sum() if p.sum() else p
        q = np.exp(logs.rows[history[-1]])
        q = q / q.sum()
        if geometric:
            scores = weight * np.log(p + FLOOR) + (1 - weight) * np.log(q + FLOOR)
        else:
            scores = weight * p + (1 - weight) * q
        rivals = [i for i in range(N_ITEMS) if i not in history.tolist()]
        order = sorted(rivals, key=lambda i, scores=scores: (-scores[i], i))
        place = order.index(target)
        total += 1 / math.log2(place + 2) if place < 10 else 0.0
    return total / len(data.validation_targets)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_choice_is_the_best_of_all_weights_in_steps_of_a_tenth(seed):
    data, votes, logs = world(seed)
    grid = {(n / 10, g): plain_ndcg(data, votes, logs, n / 10, g) for n in range(11) for g in (False, True)}
    chosen, value = fit_blend([votes, logs], [False, True], data)
    assert value == pytest.approx(max(grid.values()), abs=1e-4)
    assert grid[(chosen.weights[0], chosen.geometric)] == pytest.approx(value, abs=1e-4)
    assert sum(chosen.weights) == pytest.approx(1)
    assert chosen.parameters == 10


def test_probabilities_sum_to_one_or_to_nothing_where_nothing_is_proposed():
    silent = np.full((N_ITEMS, N_ITEMS), -np.inf)
    silent[1, 4] = 3.0
    (found,) = probabilities([Table(silent)], [True], [np.array([0]), np.array([1])])
    assert not np.isnan(found).any()
    assert found.sum(axis=1).tolist() == [0.0, 1.0]
    (votes,) = probabilities([Table(np.zeros((N_ITEMS, N_ITEMS)))], [False], [np.array([0])])
    assert votes.sum() == 0.0


def test_a_part_without_weight_changes_nothing():
    first, second = np.array([[0.2, 0.8]], np.float32), np.array([[0.0, 1.0]], np.float32)
    np.testing.assert_allclose(mix([first, second], [1.0, 0.0], geometric=False), first)
    np.testing.assert_allclose(mix([first, second], [1.0, 0.0], geometric=True), np.log(first + FLOOR), rtol=1e-6)


def test_many_users_are_sampled_the_same_way_every_time(monkeypatch):
    monkeypatch.setattr(module, "MOST_USERS", 5)
    data, votes, logs = world(4)
    one, value = fit_blend([votes, logs], [False, True], data, seed=3)
    again, same = fit_blend([votes, logs], [False, True], data, seed=3)
    assert (one.weights, one.geometric, value) == (again.weights, again.geometric, same)
