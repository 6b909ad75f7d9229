"""The mix does what its formula says, and learning it prefers the better partner."""

from __future__ import annotations

import numpy as np

from recsys_core.generator.protocol import Task
from recsys_core.ranking.mix import ServingConfig, TaskMix, away_from, geometric, toward_anchors

FLOOR = 1e-5


def test_ends_of_the_weight_are_the_partners_alone():
    generator = np.log(np.array([0.5, 0.3, 0.2], dtype=np.float32))
    cf = np.array([0.1, 0.2, 0.7], dtype=np.float32)
    flat = np.zeros(3, dtype=np.float32)
    assert geometric(generator, cf, flat, TaskMix(item_cf=0.0), FLOOR).argsort().tolist() == [2, 1, 0]
    assert geometric(generator, cf, flat, TaskMix(item_cf=1.0), FLOOR).argsort().tolist() == [0, 1, 2]


def test_an_item_that_one_partner_never_proposes_is_damped_not_forbidden():
    generator = np.array([np.log(0.9), -np.inf], dtype=np.float32)
    mixed = geometric(generator, np.array([0.0, 1.0]), np.zeros(2), TaskMix(item_cf=0.5), FLOOR)
    assert np.isfinite(mixed).all()


def test_the_wish_conditions_item_cf_only_by_guidance():
    generator = np.log(np.array([0.5, 0.5], dtype=np.float32))
    cf = np.array([0.6, 0.4])
    wish = np.array([-9.0, 0.0])
    assert geometric(generator, cf, wish, TaskMix(item_cf=0.5, guidance=0.0), FLOOR).argmax() == 0
    assert geometric(generator, cf, wish, TaskMix(item_cf=0.5, guidance=1.0), FLOOR).argmax() == 1


def test_closed_items_stay_closed():
    scores = np.array([-np.inf, 0.0, -1.0])
    pulled = toward_anchors(scores, np.array([1.0, 0.0, 0.0]), 0.5, FLOOR)
    assert pulled[0] == -np.inf
    assert away_from(scores, np.array([0.0, 1.0, 0.0]), 4.0).tolist() == [-np.inf, -4.0, -1.0]


def test_a_task_without_a_mix_uses_that_of_for_you():
    config = ServingConfig(mixes={Task.for_you: TaskMix(item_cf=0.2)})
    assert config.mix(Task.holiday, "").item_cf == 0.2
    assert ServingConfig().mix(Task.holiday, "") == TaskMix()


def test_words_count_even_when_the_task_is_left_at_its_default():
    config = ServingConfig(mixes={Task.for_you: TaskMix(item_cf=0.9), Task.query: TaskMix(item_cf=0.1, guidance=2.0)})
    assert config.mix(Task.for_you, "films from France").guidance == 2.0
    assert config.mix(Task.for_you, "  ").item_cf == 0.9
