"""The mix does what its formula says, and learning it prefers the better partner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys_core.generator.fusion import Fusion
from recsys_core.generator.protocol import Task
from recsys_core.ranking.mix import ServingConfig, TaskMix, away_from, geometric, toward_anchors, with_item_head

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


def test_where_no_item_fits_the_words_something_else_decides():
    cf = np.array([0.6, 0.4])
    hardly = np.log(np.array([1e-8, 1e-5]))
    nothing = np.zeros(2, dtype=np.float32)
    assert geometric(nothing, cf, hardly, TaskMix(item_cf=0.5, guidance=32.0), FLOOR).argmax() == 0
    told = np.log(np.array([0.3, 0.9]))
    assert geometric(nothing, cf, told, TaskMix(item_cf=0.5, guidance=32.0), FLOOR).argmax() == 1


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


@given(
    st.lists(st.floats(0.001, 1.0), min_size=2, max_size=6),
    st.lists(st.floats(0.001, 1.0), min_size=6, max_size=6),
    st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
)
@settings(max_examples=40, deadline=None)
def test_the_item_head_takes_its_share_of_the_probability(own, head, share):
    head = head[: len(own)]
    mixed = with_item_head(np.log(np.array(own, np.float32)), np.log(np.array(head, np.float32)), share)
    expected = [(1 - share) * a + share * b for a, b in zip(own, head, strict=True)]
    np.testing.assert_allclose(np.exp(mixed), expected, rtol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_item_head_brings_nothing_that_the_search_left_out(share):
    candidates = np.array([[-1.0, -np.inf], [-np.inf, -np.inf]], dtype=np.float32)
    head = np.array([[-2.0, -0.1], [-0.1, -0.2]], dtype=np.float32)
    mixed = with_item_head(candidates, head, share)
    assert np.isfinite(mixed).tolist() == [[True, False], [False, False]]
    assert not np.isnan(mixed).any()
    assert candidates[0, 0] == -1.0, "candidates belong to the caller"


def test_vectors_count_with_their_weight_and_the_generator_has_the_rest():
    generator = np.log(np.array([0.5, 0.3, 0.2], dtype=np.float32))
    cf, near = np.array([0.1, 0.2, 0.7]), np.array([0.2, 0.6, 0.2])
    mix = TaskMix(item_cf=0.3, vectors=0.2, guidance=0.0)
    expected = 0.5 * np.log(np.exp(generator) + FLOOR) + 0.3 * np.log(cf + FLOOR) + 0.2 * np.log(near + FLOOR)
    np.testing.assert_allclose(geometric(generator, cf, np.zeros(3), mix, FLOOR, near), expected, rtol=1e-5)
    without = TaskMix(item_cf=0.3, guidance=0.0)
    same = geometric(generator, cf, np.zeros(3), without, FLOOR)
    np.testing.assert_array_equal(geometric(generator, cf, np.zeros(3), without, FLOOR, near), same)


@pytest.mark.parametrize(
    "wrong",
    [
        {"item_cf": 0.7, "vectors": 0.4},
        {"item_cf": -0.1},
        {"vectors": 1.1},
        {"item_head": 1.5},
        {"guidance": 101},
        {"guidance": float("nan")},
        {"popularity": 0.1},
        {"fusion": {"power": -1}},
    ],
)
def test_a_mix_that_leaves_the_generator_less_than_nothing_or_has_odd_weights_is_refused(wrong):
    with pytest.raises(ValidationError):
        TaskMix(**wrong)


def test_partners_may_take_everything_and_rounding_is_forgiven():
    assert TaskMix(item_cf=0.7, vectors=0.1 + 0.2).item_cf == 0.7
    stored = TaskMix(item_cf=0.4, item_head=0.2, fusion=Fusion(power=1.0, reference=0.5))
    assert TaskMix.model_validate_json(stored.model_dump_json()) == stored
