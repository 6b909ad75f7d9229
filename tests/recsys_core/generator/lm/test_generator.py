"""Scores are probabilities, the beam finds what brute force finds, and rules are never broken."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.catalog.filters import ItemFilter
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import UnknownItemError
from recsys_core.generator.family import Rules
from recsys_core.generator.fusion import Fusion
from recsys_core.generator.lm.answers import LmAnswers
from recsys_core.generator.lm.config import LmTrainConfig
from recsys_core.generator.lm.documents import answer_document, pack
from recsys_core.generator.lm.generator import LmGenerator, folded_vocabulary
from recsys_core.generator.lm.losses import LmLoss
from recsys_core.generator.protocol import GenerateRequest
from tests.recsys_core.generator.lm.tiny import make_world

WORLDS = {
    "hybrid": make_world(noise=0.3),
    "hybrid of two code levels": make_world(noise=0.3, levels=2),
    "pure": make_world("pure", noise=0.3),
}
GENERATORS = {name: world.generator() for name, world in WORLDS.items()}
HISTORIES = [np.array([3, 17, 5]), np.empty(0, np.int64), np.array([8] * 30), np.array([1])]
WORDS = ["comedies from France", "", "something for winter, please", ""]


@pytest.fixture(params=GENERATORS)
def generator(request):
    return GENERATORS[request.param]


def test_probabilities_of_all_items_sum_to_one(generator):
    scores = generator.scores(HISTORIES, WORDS)
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1.0, atol=1e-4)
    assert scores.std(axis=1).min() > 0.05  # and they differ


def test_a_batch_scores_like_single_requests(generator):
    together = generator.scores(HISTORIES, WORDS)
    alone = np.concatenate([generator.scores([h], [w]) for h, w in zip(HISTORIES, WORDS, strict=True)])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert generator.scores([]).shape == (0, 60)


def test_words_and_history_change_the_scores(generator):
    plain, worded, longer = generator.scores([HISTORIES[0], HISTORIES[0], HISTORIES[3]], ["", "comedies", ""])
    assert np.abs(plain - worded).max() > 1e-3
    assert np.abs(plain - longer).max() > 1e-3


def test_a_wide_beam_equals_brute_force(generator):
    exact = generator.scores(HISTORIES, WORDS)
    encoded = generator.encode(HISTORIES, WORDS)
    free = np.ones((4, 60), dtype=bool)
    found, _ = generator.search(encoded, Rules(free), np.full(4, 60), 60)
    np.testing.assert_array_equal(np.sort(found.items, axis=1), np.tile(np.arange(60), (4, 1)))
    np.testing.assert_allclose(np.take_along_axis(exact, found.items, 1), found.log_probability, atol=1e-4)
    assert (np.diff(found.log_probability, axis=1) <= 0).all()


def test_given_items_have_the_exact_log_probability(generator):
    exact = generator.scores(HISTORIES, WORDS)
    items = np.array([[4, 59, -1], [0, -1, -1], [7, 8, 9], [30, 30, 2]])
    found = generator.log_probabilities(generator.encode(HISTORIES, WORDS), items)
    assert (found[items < 0] == -np.inf).all()
    expected = np.take_along_axis(exact, np.maximum(items, 0), 1)
    np.testing.assert_allclose(found[items >= 0], expected[items >= 0], atol=1e-4)


def test_some_of_the_requests_can_be_taken(generator):
    encoded = generator.encode(HISTORIES, WORDS).take(np.array([2, 0]))
    items = np.array([[4], [4]])
    expected = generator.scores([HISTORIES[2], HISTORIES[0]], [WORDS[2], WORDS[0]])[:, 4:5]
    np.testing.assert_allclose(generator.log_probabilities(encoded, items), expected, atol=1e-4)


@given(
    seed=st.integers(0, 10_000),
    share=st.sampled_from([0.0, 0.02, 0.3, 0.9]),
    beam=st.integers(1, 12),
    name=st.sampled_from(sorted(GENERATORS)),
)
@settings(max_examples=20, deadline=None)
def test_a_search_under_any_rule_gives_allowed_items_once_with_exact_probabilities(seed, share, beam, name):
    generator = GENERATORS[name]
    rng = np.random.default_rng(seed)
    allowed = rng.random((4, 60)) < share
    exact = generator.scores(HISTORIES, WORDS)
    found, _ = generator.search(generator.encode(HISTORIES, WORDS), Rules(allowed), rng.integers(1, beam + 1, 4), 10)
    for row in range(4):
        items = found.items[row][found.items[row] >= 0]
        assert len(set(items.tolist())) == len(items)
        assert allowed[row, items].all()
        assert bool(len(items)) == bool(allowed[row].any())
        np.testing.assert_allclose(found.log_probability[row, : len(items)], exact[row, items], atol=1e-4)


def _with_more_paths(world, seed=0):
    """The same model where every third item has up to two more semantic IDs."""
    rng = np.random.default_rng(seed)
    sids, items = world.sids.tolist(), list(range(60))
    hybrid = world.vocabulary.layout.hybrid
    for item in range(0, 60, 3):
        for _ in range(2):
            path = [int(rng.integers(n)) for n in world.vocabulary.layout.code_sizes] + ([item] if hybrid else [])
            if path not in sids:
                sids.append(path)
                items.append(item)
    return LmGenerator(world.model.fold(), world.vocabulary, ConstraintIndex.build(sids, items=items))


@pytest.mark.parametrize("name", WORLDS)
def test_several_semantic_ids_of_an_item_add_up_and_it_comes_once(name):
    generator = _with_more_paths(WORLDS[name])
    assert generator.index.leaves > 65
    exact = generator.scores(HISTORIES, WORDS)
    np.testing.assert_allclose(np.exp(exact).sum(axis=1), 1.0, atol=1e-4)
    encoded = generator.encode(HISTORIES, WORDS)
    found, _ = generator.search(encoded, Rules(np.ones((4, 60), dtype=bool)), np.full(4, 200), 70)
    np.testing.assert_array_equal(np.sort(found.items, axis=1)[:, -60:], np.tile(np.arange(60), (4, 1)))
    np.testing.assert_allclose(
        np.take_along_axis(exact, found.items[:, :60], 1), found.log_probability[:, :60], atol=1e-4
    )
    every = np.tile(np.arange(60), (4, 1))
    np.testing.assert_allclose(generator.log_probabilities(encoded, every), exact, atol=1e-4)


def test_fusion_reorders_but_never_changes_the_probabilities(generator):
    encoded, free = generator.encode(HISTORIES, WORDS), np.ones((4, 60), dtype=bool)
    fused, _ = generator.search(encoded, Rules(free), np.full(4, 60), 60, Fusion(power=2.0, reference=0.1))
    exact = generator.scores(HISTORIES, WORDS)
    np.testing.assert_allclose(np.take_along_axis(exact, fused.items, 1), fused.log_probability, atol=1e-4)
    assert (np.diff(fused.fused, axis=1) <= 0).all()
    assert (np.diff(fused.log_probability, axis=1) > 0).any()


def test_the_item_head_is_the_auxiliary_softmax_that_was_trained():
    world = WORLDS["hybrid"]
    generator = LmGenerator(world.model.fold(), folded_vocabulary(world.model, world.vocabulary), world.index)
    head = generator.item_head(generator.encode(HISTORIES, WORDS))
    np.testing.assert_allclose(np.exp(head).sum(axis=1), 1.0, atol=1e-4)
    loss = LmLoss(world.model, world.trie, LmTrainConfig()).eval()
    layout, sids = world.vocabulary.layout, world.sids.astype(np.int64)
    document = answer_document(layout, sids, [], HISTORIES[0], np.array([-1, -1, -1, 7]))
    parts = []
    for weight in (0.0, 1.0):
        loss.config = LmTrainConfig(auxiliary_weight=weight)
        with torch.no_grad():
            parts.append(float(loss(pack([document], layout.pad, 64), torch.Generator())))
    silent = generator.item_head(generator.encode(HISTORIES[:1], [""]))
    assert parts[1] - parts[0] == pytest.approx(-float(silent[0, 7]), abs=1e-4)


@pytest.fixture(scope="module")
def answers():
    return LmAnswers(GENERATORS["hybrid"], WORLDS["hybrid"].catalogue, release="r1")


def test_requests_become_results_with_every_exclusion_kept(answers):
    request = GenerateRequest(
        instruction="comedies", history=["i3", "i7"], exclude=["i1"], anchors=["i9"], avoid=["i10"], k=60, beam=1
    )
    [result] = answers.generate([request])
    ids = [item.item_id for item in result.items]
    assert set(ids) == {f"i{n}" for n in range(60)} - {"i3", "i7", "i1", "i9", "i10"}
    assert result.exhausted
    assert result.allowed == len(ids) == 55
    assert result.release == "r1"
    assert not result.cold_start


def test_a_filter_holds_and_nothing_allowed_is_an_empty_answer(answers):
    rule = ItemFilter.model_validate({"all_of": [{"field": "genre", "op": "contains", "value": "Comedy"}]})
    never = ItemFilter.model_validate({"all_of": [{"field": "year", "op": "eq", "value": 1800}]})
    first, second = answers.generate([GenerateRequest(filter=rule, k=5), GenerateRequest(filter=never)])
    catalogue = WORLDS["hybrid"].catalogue
    assert len(first.items) == 5
    assert all("Comedy" in catalogue.get(item.item_id).attributes["genre"] for item in first.items)
    assert first.cold_start
    assert (second.items, second.allowed, second.exhausted) == ([], 0, True)


def test_the_answer_has_k_items_however_narrow_the_beam(answers):
    results = answers.generate([GenerateRequest(k=30, beam=1), GenerateRequest(k=3, beam=1, history=["i2"])])
    assert [len(r.items) for r in results] == [30, 3]
    assert not any(r.exhausted for r in results)
    assert answers.generate([]) == []


def test_an_unknown_item_is_named(answers):
    with pytest.raises(UnknownItemError):
        answers.generate([GenerateRequest(history=["nobody"])])
