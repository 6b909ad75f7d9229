"""Fusion against its formula in plain Python, alone and inside the search."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys_core.generator.family import Rules
from recsys_core.generator.fusion import SPREAD_FLOOR, SPREAD_PREFIXES, Fusion, fuse, spread
from recsys_core.generator.trie import TrieTensors, all_log_probabilities
from tests.recsys_core.generator.small import make_small


def random_scores(seed, batch=3, width=4, fan=5):
    """Prefixes best first, some missing; items inside each sum to 1, some padded."""
    rng = np.random.default_rng(seed)
    prefixes = -np.sort(-np.log(rng.dirichlet(np.ones(width), size=batch)), axis=1).astype(np.float32)
    logits = rng.normal(size=(batch, width, fan)) * 2
    logits[rng.random(logits.shape) < 0.2] = -np.inf
    logits[:, :, 0] = 0.0
    conditional = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
    missing = int(rng.integers(0, width))
    if missing:
        prefixes[0, -missing:] = -np.inf
    return prefixes, conditional.astype(np.float32)


def test_a_power_of_0_is_the_product_of_probabilities():
    prefixes, conditional = random_scores(0)
    np.testing.assert_array_equal(fuse(prefixes, conditional, Fusion()), prefixes[:, :, None] + conditional)
    assert Fusion(reference=0.3).sharpness(prefixes).tolist() == [1.0, 1.0, 1.0]


@given(st.integers(0, 10_000), st.floats(0, 2), st.floats(0.5, 3))
@settings(max_examples=40, deadline=None)
def test_items_inside_a_prefix_sum_to_its_probability(seed, power, reference):
    prefixes, conditional = random_scores(seed)
    fused = fuse(prefixes, conditional, Fusion(power=power, reference=reference))
    assert not np.isnan(fused).any()
    np.testing.assert_allclose(np.exp(fused).sum(axis=2), np.exp(prefixes), rtol=1e-3, atol=1e-6)
    assert (np.isneginf(fused) >= np.isneginf(conditional)).all()


def test_where_one_prefix_stands_out_items_are_told_apart_more_sharply():
    conditional = np.log(np.array([[[0.6, 0.3, 0.1]] * 3] * 2, dtype=np.float32))
    alike, apart = [-1.0, -1.1, -1.2], [-0.1, -3.0, -5.0]
    fused = fuse(np.array([alike, apart], dtype=np.float32), conditional, Fusion(power=1.0, reference=1.0))
    inside = fused - np.array([alike, apart], dtype=np.float32)[:, :, None]
    assert np.exp(inside[0, 0, 0]) < 0.6 < np.exp(inside[1, 0, 0])
    assert (fused[:, 0].argsort(axis=1) == conditional[:, 0].argsort(axis=1)).all(), "the order inside is kept"


def test_a_spread_as_usual_changes_nothing_whatever_the_power():
    prefixes, conditional = random_scores(3, batch=1)
    usual = float(spread(prefixes)[0])
    fused = fuse(prefixes, conditional, Fusion(power=3.0, reference=usual))
    np.testing.assert_allclose(fused, prefixes[:, :, None] + conditional, rtol=1e-4, atol=1e-5)


def test_only_the_best_prefix_proposes_when_asked_to():
    prefixes, conditional = random_scores(1)
    fused = fuse(prefixes, conditional, Fusion(best_prefix_only=True))
    np.testing.assert_array_equal(fused[:, 0], prefixes[:, :1] + conditional[:, 0])
    assert np.isneginf(fused[:, 1:]).all()


@given(st.lists(st.floats(-20, 0, width=32), min_size=1, max_size=SPREAD_PREFIXES), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_the_spread_is_the_deviation_of_the_prefixes_without_padding(values, padding):
    values = sorted(values, reverse=True)
    row = np.array([values + [-np.inf] * padding], dtype=np.float32)
    mean = sum(values) / len(values)
    expected = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    assert spread(row)[0] == pytest.approx(max(expected, SPREAD_FLOOR), rel=1e-3)


def test_the_spread_does_not_depend_on_a_wider_beam_or_on_nothing_at_all():
    best = -np.arange(SPREAD_PREFIXES, dtype=np.float32)[None, :]
    wider = np.concatenate([best, [[-50.0, -90.0]]], axis=1).astype(np.float32)
    assert spread(best) == spread(wider)
    assert spread(np.array([[-np.inf, -np.inf]], dtype=np.float32))[0] == np.float32(SPREAD_FLOOR)


@pytest.mark.parametrize("wrong", [{"power": -1}, {"reference": 0}, {"power": float("nan")}, {"sigma": 1}])
def test_settings_outside_their_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        Fusion(**wrong)


def plain_fusion(sids, probability, allowed, fusion):
    """Fused log-probability of each allowed item from the log-probabilities of all, one by one."""
    prefixes = [tuple(sid[:-1]) for sid in sids.tolist()]
    members = {p: [i for i, q in enumerate(prefixes) if q == p] for p in prefixes}
    score = {p: math.log(sum(math.exp(probability[i]) for i in items)) for p, items in members.items()}
    kept = sorted((p for p, items in members.items() if any(allowed[i] for i in items)), key=lambda p: -score[p])
    if fusion.best_prefix_only:
        kept = kept[:1]
    best = [score[p] for p in kept[:SPREAD_PREFIXES]]
    mean = sum(best) / max(1, len(best))
    deviation = math.sqrt(sum((s - mean) ** 2 for s in best) / max(1, len(best)))
    sharp = (max(deviation, SPREAD_FLOOR) / fusion.reference) ** fusion.power
    fused = {}
    for prefix in kept:
        logits = {i: sharp * (probability[i] - score[prefix]) for i in members[prefix]}
        mass = sum(math.exp(v) for v in logits.values())
        fused |= {i: score[prefix] + v - math.log(mass) for i, v in logits.items() if allowed[i]}
    return fused


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_items=st.integers(2, 30),
    hybrid=st.booleans(),
    power=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    only_best=st.booleans(),
)
def test_a_search_with_fusion_equals_brute_force(seed, n_items, hybrid, power, only_best):
    small = make_small(seed, n_items, hybrid=hybrid, levels=2, codes=3)
    generator = small.generator
    encoded = generator.encode([np.array([0, 1]), np.array([], dtype=np.int64)], ["", "a wish"])
    fusion = Fusion(power=power, reference=0.7, best_prefix_only=only_best)
    allowed = np.random.default_rng(seed).random((2, n_items)) < 0.7
    found, _ = generator.search(encoded, Rules(allowed), np.full(2, n_items), n_items, fusion)
    trie = TrieTensors.from_index(generator.index, hybrid=hybrid)
    with torch.inference_mode():
        everything = all_log_probabilities(generator.model, trie, encoded.states, encoded.wish).numpy()
    for row in range(2):
        expected = plain_fusion(small.sids, everything[row].tolist(), allowed[row], fusion)
        items = found.items[row][found.items[row] >= 0].tolist()
        assert set(items) == set(expected)
        np.testing.assert_allclose(found.fused[row][: len(items)], [expected[i] for i in items], atol=2e-3)
        assert (np.diff(found.fused[row][: len(items)]) <= 0).all(), "the order follows the fused score"
        np.testing.assert_allclose(found.log_probability[row][: len(items)], everything[row][items], atol=1e-3)
