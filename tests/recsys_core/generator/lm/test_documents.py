"""Packing, branches and padding are bookkeeping: they never change what the model computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.generator.lm.config import LmTrainConfig
from recsys_core.generator.lm.data import epoch_documents
from recsys_core.generator.lm.documents import answer_document, meaning_document, pack, words_document
from recsys_core.generator.lm.losses import LmLoss
from tests.recsys_core.generator.lm.tiny import make_world

WORLDS = {
    "hybrid": make_world(noise=0.2),
    "hybrid of two code levels": make_world(noise=0.2, levels=2),
    "pure": make_world("pure", noise=0.2),
}


@pytest.fixture(params=WORLDS)
def world(request):
    return WORLDS[request.param]


def _documents(world, seed, count=6):
    """Histories with targets at random places, with and without words, and one answer in words."""
    rng = np.random.default_rng(seed)
    layout, sids = world.vocabulary.layout, world.sids.astype(np.int64)
    documents = [words_document(layout, 4, [1, 2, 3])]
    for _ in range(count):
        history = rng.integers(60, size=int(rng.integers(0, 7)))
        targets = np.where(rng.random(len(history) + 1) < 0.7, rng.integers(60, size=len(history) + 1), -1)
        words = rng.integers(50, size=int(rng.integers(0, 5))).tolist()
        documents.append(answer_document(layout, sids, words, history, targets))
        documents.append(meaning_document(layout, sids, words, rng.choice(60, size=int(rng.integers(1, 9)))))
    return documents


@pytest.mark.parametrize("seed", range(3))
def test_a_branch_computes_what_the_plain_prompt_does(world, seed):
    """Each state that predicts a target equals the folded model's on: words, history so far, codes so far."""
    rng = np.random.default_rng(seed)
    layout, sids = world.vocabulary.layout, world.sids.astype(np.int64)
    history, targets, words = rng.integers(60, size=5), rng.integers(60, size=6), [3, 4]
    targets[2] = -1
    rows = pack([answer_document(layout, sids, words, history, targets)], layout.pad, 8)
    world.model.eval()
    causal = world.model.fold()
    with torch.no_grad():
        states = world.model(rows.tokens, rows.position, rows.sees).flatten(0, 1)
        for number, place in enumerate(np.flatnonzero(targets >= 0)):
            prompt = layout.prompt(words, history[:place])
            for level in range(layout.levels):
                codes = [layout.first(n) + int(sids[targets[place], n]) for n in range(level)]
                plain = causal.base_model(torch.tensor([prompt + codes])).last_hidden_state[0, -1]
                assert (states[rows.states[number, level]] - plain).abs().max() < 1e-4


@given(seed=st.integers(0, 1000), row_tokens=st.sampled_from([1, 20, 64, 1000]), name=st.sampled_from(sorted(WORLDS)))
@settings(max_examples=15, deadline=None)
def test_packing_never_changes_a_loss(seed, row_tokens, name):
    world = WORLDS[name]
    documents = _documents(world, seed)
    loss = LmLoss(world.model, world.trie, LmTrainConfig(text_weight=0.5)).eval()
    layout = world.vocabulary.layout
    with torch.no_grad():
        together = loss(pack(documents, layout.pad, row_tokens), torch.Generator())
        alone = [loss(pack([d], layout.pad, 1), torch.Generator()) for d in documents]
    words = alone[0]
    counts = [len(d.targets) for d in documents[1:]]
    each = sum(value * n for value, n in zip(alone[1:], counts, strict=True)) / max(1, sum(counts))
    assert float(together) == pytest.approx(float(words + each), abs=2e-4)


def test_the_loss_is_the_served_log_probability_plus_the_item_among_all(world):
    documents = [d for d in _documents(world, 1) if len(d.targets)]
    loss = LmLoss(world.model, world.trie, LmTrainConfig(auxiliary_weight=0)).eval()
    histories = [np.array([3, 9, 2]), np.empty(0, np.int64)]
    targets = np.array([7, 31])
    layout, sids = world.vocabulary.layout, world.sids.astype(np.int64)
    documents = [
        answer_document(layout, sids, [], h, np.r_[np.full(len(h), -1), t])
        for h, t in zip(histories, targets, strict=True)
    ]
    with torch.no_grad():
        value = loss(pack(documents, layout.pad, 64), torch.Generator())
    generator = world.generator()
    exact = generator.log_probabilities(generator.encode(histories, ["", ""]), targets[:, None])
    assert float(value) == pytest.approx(-float(exact.mean()), abs=1e-4)


def test_documents_fill_rows_without_overlap(world):
    documents = _documents(world, 2, count=30)
    rows = pack(documents, world.vocabulary.layout.pad, 64)
    assert rows.real == sum(len(d.tokens) for d in documents)
    assert int((rows.tokens != world.vocabulary.layout.pad).sum()) == rows.real
    assert rows.tokens.shape[1] <= 64
    # dense enough: first-fit leaves at most half of the rows' space empty
    assert rows.real > 0.5 * rows.tokens.numel()
    assert bool(rows.sees.any(-1).all())


def test_an_epoch_holds_every_training_item_as_a_target_and_no_held_out_one(world):
    config = LmTrainConfig(instruction_share=0, alignment_share=0, batch_positions=64)
    batches = epoch_documents(
        world.data, world.vocabulary.layout, world.sids.astype(np.int64), config, np.random.default_rng(0)
    )
    targets = np.concatenate([d.targets for documents in batches for d in documents])
    np.testing.assert_array_equal(np.sort(targets), np.sort(world.split.train_items))


def test_value_weights_follow_each_users_own_values(world):
    values = (np.arange(len(world.data.values)) % 5 + 1).astype(np.float32)
    data = type(world.data)(**{**world.data.__dict__, "values": values})
    config = LmTrainConfig(instruction_share=0, alignment_share=0, batch_positions=64, value_weight=1.0)
    batches = epoch_documents(
        data, world.vocabulary.layout, world.sids.astype(np.int64), config, np.random.default_rng(0)
    )
    found = sorted(
        (int(t), round(float(w), 4))
        for docs in batches
        for d in docs
        for t, w in zip(d.targets, d.weights, strict=True)
    )
    mean = values.mean()
    expected = sorted((int(i), round(float(v / mean), 4)) for i, v in zip(data.sequences.items, values, strict=True))
    assert found == expected


def test_a_heavier_target_counts_for_more(world):
    layout, sids = world.vocabulary.layout, world.sids.astype(np.int64)
    history, targets = np.array([1, 2]), np.array([5, -1, 9])
    loss = LmLoss(world.model, world.trie, LmTrainConfig()).eval()

    def value(weights):
        document = answer_document(layout, sids, [], history, targets, np.array(weights, np.float32))
        with torch.no_grad():
            return float(loss(pack([document], layout.pad, 1), torch.Generator()))

    first, second = value([1, 1, 0]), value([0, 1, 1])
    assert value([3, 1, 1]) == pytest.approx(0.75 * first + 0.25 * second, abs=1e-4)


def test_items_that_fit_the_same_words_are_learned_as_if_each_stood_alone(world):
    layout, sids = world.vocabulary.layout, world.sids.astype(np.int64)
    loss = LmLoss(world.model, world.trie, LmTrainConfig()).eval()
    items, nothing = np.array([3, 40, 17, 3]), np.empty(0, np.int64)
    with torch.no_grad():
        together = loss(pack([meaning_document(layout, sids, [5, 6], items)], layout.pad, 64), torch.Generator())
        alone = [
            loss(
                pack([answer_document(layout, sids, [5, 6], nothing, np.array([i]))], layout.pad, 64), torch.Generator()
            )
            for i in items.tolist()
        ]
    assert float(together) == pytest.approx(float(sum(alone)) / 4, abs=1e-4)


def test_words_tied_to_items_weigh_their_share_of_the_loss(world):
    config = LmTrainConfig(alignment_share=0.5, alignment_weight=0.25, alignment_items=3, batch_positions=128)
    layout, sids = world.vocabulary.layout, world.sids.astype(np.int64)
    wordings = {tuple(words) for words in world.data.wordings}
    several = 0
    for documents in epoch_documents(world.data, layout, sids, config, np.random.default_rng(0)):
        tied, histories = [], []
        for document in documents:
            on_trunk = document.tokens[document.branch < 0]
            own_items = document.targets.size and (on_trunk >= layout.first_item).sum() == 0 and document.branch.size
            alone = own_items and len({int(place) for place in document.states[:, 0]}) == 1
            (tied if alone and document.weights[0] != 1 else histories).append(document)
        of_histories = sum(float(d.weights.sum()) for d in histories)
        assert sum(float(d.weights.sum()) for d in tied) == pytest.approx(0.25 * of_histories, rel=1e-4)
        for document in tied:
            words = tuple(document.tokens[1 : int(document.states[0, 0])].tolist())
            several += len(document.targets) > 1
            if len(document.targets) > 1:
                assert words in wordings
                meant = np.zeros(60, dtype=bool)
                meant[document.targets] = True
                fitting = [
                    condition.items
                    for number, condition in enumerate(world.data.sampler.conditions)
                    for wording in range(len(condition.wordings))
                    if tuple(world.data.wordings[world.data.sampler.first_row[number] + wording]) == words
                ]
                plain = {tuple(world.data.wordings[row]) for row in world.data.sampler.for_you_rows if row >= 0}
                assert words in plain or any(items is not None and items[meant].all() for items in fitting)
    assert several > 10
