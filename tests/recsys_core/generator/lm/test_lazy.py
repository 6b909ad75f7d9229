"""The lazy decoder: asked as it was trained, its lower layers run once a request, and stock engines are kept off it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from recsys_core.errors import ConfigError, ReleaseError
from recsys_core.generator.family import Rules
from recsys_core.generator.lm.config import LmConfig, LmTrainConfig
from recsys_core.generator.lm.documents import answer_document, pack
from recsys_core.generator.lm.generator import LmGenerator, save_lm
from recsys_core.generator.lm.lazy import ARCHITECTURE, LAZY_FILE, refuse_lazy
from recsys_core.generator.lm.losses import LmLoss
from recsys_core.generator.lm.train import train
from tests.recsys_core.generator.lm.tiny import make_world

WORLDS = {
    "pure": make_world("pure", noise=0.3, layers=3, lazy_layers=2),
    "hybrid": make_world(noise=0.3, levels=2, layers=3, lazy_layers=1),
    "ordinary": make_world("pure", noise=0.3, layers=3),
}
HISTORIES = [np.array([3, 17, 5]), np.empty(0, np.int64), np.array([8] * 30), np.array([1])]
WORDS = ["comedies from France", "", "something for winter, please", ""]


@pytest.fixture(params=WORLDS)
def world(request):
    return WORLDS[request.param]


def test_a_target_is_as_probable_in_training_as_when_asked(world):
    generator = world.generator()
    loss = LmLoss(world.model, world.trie, LmTrainConfig(auxiliary_weight=0)).eval()
    layout, sids = world.vocabulary.layout, world.sids.astype(np.int64)
    words = world.vocabulary.encode(["comedies from France"])[0]
    for item in (0, 7, 41):
        # the other targets of the row must not be seen by this one's branch
        targets = np.array([9, 4, -1, item])
        weights = np.array([0, 0, 0, 1], np.float32)
        document = answer_document(layout, sids, words, HISTORIES[0], targets, weights)
        with torch.no_grad():
            trained = float(loss(pack([document], layout.pad, 64), torch.Generator()))
        encoded = generator.encode(HISTORIES[:1], WORDS[:1])
        asked = float(generator.log_probabilities(encoded, np.array([[item]]))[0, 0])
        assert -trained == pytest.approx(asked, abs=1e-4)


def test_all_items_sum_to_one_and_a_wide_beam_finds_them(world):
    generator = world.generator()
    exact = generator.scores(HISTORIES, WORDS)
    np.testing.assert_allclose(np.exp(exact).sum(axis=1), 1.0, atol=1e-4)
    free = np.ones((4, 60), dtype=bool)
    found, _ = generator.search(generator.encode(HISTORIES, WORDS), Rules(free), np.full(4, 60), 60)
    np.testing.assert_allclose(np.take_along_axis(exact, found.items, 1), found.log_probability, atol=1e-5)


def _tokens_by_layer(generator, beam):
    counts = np.zeros(len(generator.engine.causal.base_model.layers), dtype=int)
    hooks = []
    for number, layer in enumerate(generator.engine.causal.base_model.layers):

        def count(module, inputs, output, number=number):
            counts[number] += inputs[0].shape[0] * inputs[0].shape[1]

        hooks.append(layer.register_forward_hook(count))
    encoded = generator.encode([np.array([3, 17, 5])], [""])
    read = counts.copy()
    found, _ = generator.search(encoded, Rules(np.ones((1, 60), dtype=bool)), np.array([beam]), 10)
    for hook in hooks:
        hook.remove()
    return read, counts - read, found.forwarded


def test_codes_run_through_the_upper_layers_only_and_each_once():
    prompt = 5  # begin, history mark, three items
    read, searched, forwarded = _tokens_by_layer(WORLDS["ordinary"].generator(), 6)
    depth = WORLDS["ordinary"].index.levels
    assert read.tolist() == [prompt] * 3
    # a beam may meet fewer prefixes at the first levels, never more
    assert searched.tolist() == [forwarded] * 3
    assert 0 < forwarded <= 6 * (depth - 1)
    read, searched, lazily = _tokens_by_layer(WORLDS["pure"].generator(), 6)
    assert read.tolist() == [prompt + depth - 1, prompt + depth - 1, prompt]
    assert searched.tolist() == [0, 0, lazily]
    assert lazily == forwarded


@pytest.mark.parametrize("name", ["ordinary", "hybrid"])
def test_kept_codes_give_the_states_of_whole_prefixes(name):
    """Each prefix again from its beginning, alone, against one token a level on kept keys and values."""
    engine = WORLDS[name].generator().engine
    levels = engine.layout.levels - 1
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(size, size=(4, 5)) for size in engine.layout.code_sizes[:levels]], axis=2)
    prompts = engine.read(WORLDS[name].vocabulary.encode(WORDS), HISTORIES)
    tree, states = engine.tree(prompts), None
    order, parents = np.arange(5), np.zeros((4, 5), dtype=np.int64)
    for level in range(levels):
        # prefixes change places between levels, as beams do
        moved = rng.permutation(5)
        if level:
            parents = np.tile(tree.tokens - 5 + moved, (4, 1))
        order = order[moved]
        states, tree = engine.grow(
            prompts, tree, level, torch.from_numpy(codes[:, order, level]), torch.from_numpy(parents)
        )
    for row in range(4):
        for column, prefix in enumerate(order):
            alone = engine.read(WORLDS[name].vocabulary.encode(WORDS[row : row + 1]), HISTORIES[row : row + 1])
            chain, last = engine.tree(alone), None
            for level in range(levels):
                last, chain = engine.grow(
                    alone,
                    chain,
                    level,
                    torch.from_numpy(codes[row : row + 1, prefix : prefix + 1, level]),
                    torch.tensor([[level - 1]]),
                )
            torch.testing.assert_close(states[row, column], last[0, 0], atol=1e-5, rtol=1e-5)


def test_kept_codes_equal_a_plain_causal_forward():
    world = WORLDS["ordinary"]
    engine, layout = world.generator().engine, world.vocabulary.layout
    sids = world.sids[11]
    tokens = layout.prompt([], HISTORIES[0]) + [
        layout.first(level) + int(sids[level]) for level in range(layout.levels - 1)
    ]
    with torch.no_grad():
        expected = engine.causal.base_model(torch.tensor([tokens])).last_hidden_state[0]
    prompts = engine.read([[]], HISTORIES[:1])
    torch.testing.assert_close(prompts.states[0], expected[-layout.levels], atol=1e-5, rtol=1e-5)
    tree = engine.tree(prompts)
    for level in range(layout.levels - 1):
        state, tree = engine.grow(prompts, tree, level, torch.tensor([[int(sids[level])]]), torch.tensor([[level - 1]]))
        torch.testing.assert_close(state[0, 0], expected[-layout.levels + 1 + level], atol=1e-5, rtol=1e-5)


def test_saved_and_opened_it_answers_the_same_and_calls_itself_by_another_name(tmp_path):
    world = WORLDS["pure"]
    save_lm(world.model, world.vocabulary, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [ARCHITECTURE]
    opened = LmGenerator.load(tmp_path, world.index)
    np.testing.assert_allclose(opened.scores(HISTORIES, WORDS), world.generator().scores(HISTORIES, WORDS), atol=1e-5)
    weights = (tmp_path / LAZY_FILE).read_bytes()
    (tmp_path / LAZY_FILE).write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ReleaseError, match=LAZY_FILE):
        LmGenerator.load(tmp_path, world.index)


def test_an_engine_without_lazy_layers_is_refused_and_shapes_are_checked():
    with pytest.raises(ConfigError, match="lazy_layers=2: vLLM"):
        refuse_lazy(WORLDS["pure"].vocabulary.layout.lazy_layers, "vLLM")
    refuse_lazy(WORLDS["ordinary"].vocabulary.layout.lazy_layers, "vLLM")
    with pytest.raises(ValidationError, match="leaves none of 2 layers"):
        LmConfig(layers=2, lazy_layers=2)
    with pytest.raises(ValidationError, match="from scratch"):
        LmConfig(pretrained="somewhere", lazy_layers=1)


def test_every_part_of_it_learns(tmp_path):
    world = make_world("pure", n_users=30, layers=2, lazy_layers=1)
    before = {n: t.clone() for n, t in world.model.lazy.state_dict().items()}
    reports = train(world.model, world.trie, world.data, LmTrainConfig(epochs=2, batch_positions=128), tmp_path)
    assert reports[1].loss < reports[0].loss
    assert all(not torch.equal(t, before[n]) for n, t in world.model.lazy.state_dict().items())
