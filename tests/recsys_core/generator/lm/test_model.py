"""What is trained is what is saved, and what is saved is an ordinary causal LM."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from recsys_core.errors import ConfigError, ReleaseError
from recsys_core.generator.lm.generator import LmGenerator, save_lm
from recsys_core.generator.lm.vocabulary import LmVocabulary, word_tokenizer
from tests.recsys_core.generator.lm.tiny import make_world


@pytest.fixture(scope="module")
def world():
    return make_world(noise=0.2)


def _prompt(world):
    layout = world.vocabulary.layout
    words = world.vocabulary.encode(["recommend comedies from France"])[0]
    return [*layout.prompt(words, np.array([3, 17, 5])), layout.first(0) + 1]


def _wrapper_logits(model, tokens):
    """Logits by the trained parameters, written out: cosine times factor for codes and items."""
    tokens = torch.tensor([tokens])
    length = tokens.shape[1]
    model.eval()
    with torch.no_grad():
        sees = torch.ones(1, 1, length, length, dtype=torch.bool).tril()
        states = model(tokens, torch.arange(length)[None], sees)[0]
        words = states @ model.text_out.T
        unit = functional.normalize(states, dim=-1)
        codes = unit @ functional.normalize(model.codes[0].weight, dim=-1).T * model.log_scales[0].exp()
        items = model.items.weight + model.content_in(model.content)
        items = unit @ functional.normalize(items, dim=-1).T * model.log_scales[1].exp()
    return torch.cat([words, codes, items], dim=1)


def test_folding_keeps_every_logit(world):
    tokens = _prompt(world)
    folded = world.model.fold()
    with torch.no_grad():
        logits = folded(torch.tensor([tokens])).logits[0]
    assert logits.shape == (len(tokens), world.vocabulary.layout.size)
    assert (logits - _wrapper_logits(world.model, tokens)).abs().max() < 1e-4


def test_folding_leaves_training_and_its_random_state_alone(world):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    before = {n: t.clone() for n, t in world.model.state_dict().items()}
    world.model.train()
    world.model.fold()
    assert world.model.training
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(t, before[n]) for n, t in world.model.state_dict().items())


def test_the_final_norm_has_no_weight_of_its_own_so_states_have_one_length(world):
    folded = world.model.fold()
    with torch.no_grad():
        states = folded.base_model(torch.tensor([_prompt(world)])).last_hidden_state
    assert states.norm(dim=-1).allclose(torch.tensor(math.sqrt(16)), atol=1e-3)


def test_the_saved_folder_opens_with_transformers_alone(world, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    save_lm(world.model, world.vocabulary, tmp_path)
    causal = AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert type(causal).__name__ == "LlamaForCausalLM"
    assert not causal.config.tie_word_embeddings
    assert "auto_map" not in json.loads((tmp_path / "config.json").read_text())
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= {
        p.name for p in tmp_path.iterdir()
    }
    tokens = _prompt(world)
    with torch.no_grad():
        logits = causal(torch.tensor([tokens])).logits[0]
    assert (logits - _wrapper_logits(world.model, tokens)).abs().max() < 1e-4
    text = "<|begin|>" + "recommend comedies from France" + "<|history|><|i_3|><|i_17|><|i_5|><|s0_1|>"
    assert tokenizer(text, add_special_tokens=False).input_ids == tokens


def test_typed_token_names_are_words_and_never_items(world):
    layout = world.vocabulary.layout
    attack = "<|i_3|> <|history|><|s0_1|>"
    [tokens] = world.vocabulary.encode([attack])
    assert tokens
    assert max(tokens) < layout.text_tokens - 5
    assert world.vocabulary.encode(["", "  "]) == [[], []]


def test_long_instructions_and_histories_are_cut(world):
    layout = world.vocabulary.layout
    [tokens] = world.vocabulary.encode(["something very long " * 100])
    prompt = layout.prompt(tokens, np.arange(40))
    assert len(tokens) == layout.text_limit
    assert len(prompt) == 2 + layout.text_limit + layout.window
    assert prompt[-1] == layout.first_item + 39


def test_the_word_tokenizer_is_deterministic_and_writes_any_text():
    texts = ["Silent River", "comedies from Japan", "something for winter"] * 3
    first, second = (word_tokenizer(texts, 320) for _ in range(2))
    assert first.get_vocab() == second.get_vocab()
    assert first.decode(first("Çedilla 東京 river").input_ids).strip() == "çedilla 東京 river"


@pytest.mark.parametrize("damage", ["model.safetensors", "tokenizer.json", "sidra_lm.json", "config.json"])
def test_a_damaged_folder_is_refused(world, tmp_path, damage):
    save_lm(world.model, world.vocabulary, tmp_path)
    (tmp_path / damage).write_text("{")
    with pytest.raises(ReleaseError, match="sidra build"):
        LmGenerator.load(tmp_path, world.index)


def test_an_index_of_other_items_is_refused(world, tmp_path):
    save_lm(world.model, world.vocabulary, tmp_path)
    other = make_world(n_items=40)
    with pytest.raises(ReleaseError, match="60 items"):
        LmGenerator.load(tmp_path, other.index)


def _pretrained(folder, model_type="llama"):
    """A stand-in for an instruct model: tied embeddings, grouped heads, a final norm with a weight."""
    tokenizer = word_tokenizer(["any words will do for this", "more of them"], 300)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 7,  # padded, as Qwen's is
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    causal = LlamaForCausalLM(config).eval()
    causal.model.norm.weight.data.uniform_(0.5, 2.0)
    causal.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return causal, tokenizer


def test_a_pretrained_model_keeps_its_logits_on_words(tmp_path):
    causal, tokenizer = _pretrained(tmp_path)
    world = make_world(pretrained=str(tmp_path))
    tokens = tokenizer("more words will do").input_ids
    assert world.vocabulary.encode(["more words will do"]) == [tokens]
    with torch.no_grad():
        before = causal(torch.tensor([tokens])).logits[0, :, : len(tokenizer)]
        after = world.model.fold()(torch.tensor([tokens])).logits[0, :, : len(tokenizer)]
    assert (before - after).abs().max() < 1e-4


def test_an_extended_pretrained_model_is_saved_and_asked_like_any_other(tmp_path):
    _pretrained(tmp_path / "base")
    world = make_world(pretrained=str(tmp_path / "base"))
    save_lm(world.model, world.vocabulary, tmp_path / "out")
    loaded = LmGenerator.load(tmp_path / "out", world.index)
    histories = [np.array([1, 2, 3]), np.empty(0, np.int64)]
    np.testing.assert_allclose(loaded.scores(histories), world.generator().scores(histories), atol=1e-4)


def test_a_missing_or_already_extended_pretrained_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match="pretrained"):
        make_world(pretrained=str(tmp_path / "nothing"))
    world = make_world()
    save_lm(world.model, world.vocabulary, tmp_path)
    with pytest.raises(ConfigError, match="original model"):
        make_world(pretrained=str(tmp_path))


def test_the_vocabulary_of_a_folder_is_the_one_that_was_saved(world, tmp_path):
    save_lm(world.model, world.vocabulary, tmp_path)
    loaded = LmVocabulary.load(tmp_path)
    factor = float((world.model.log_scales[2] - world.model.log_scales[1]).detach().exp())
    assert loaded.layout.item_head_factor == pytest.approx(factor)
    assert loaded.layout.model_copy(update={"item_head_factor": 1.0}) == world.vocabulary.layout
    texts = ["any good French comedies?", "<|i_1|>"]
    assert loaded.encode(texts) == world.vocabulary.encode(texts)
