"""What TRL is given: a reward function as it calls them, and, where it is installed, real steps of a tiny model."""

from __future__ import annotations

import importlib.util
import json

import pytest

from recsys_core.catalog.synth import synthetic
from recsys_core.errors import ConfigError
from recsys_core.rewards import BumpConfig
from recsys_core.rewards.policy.cases import TrainingData, training_data
from recsys_core.rewards.policy.config import DataConfig, GrpoConfig, TrainProfileConfig
from recsys_core.rewards.policy.guards import LeakError
from recsys_core.rewards.policy.instruct import (
    PACKAGES,
    InstructConfig,
    InstructTrainer,
    TrlReward,
    need_packages,
    one_cut_a_user,
    profile_of,
)
from recsys_core.rewards.policy.reward import ProfileReward
from tests.recsys_core.rewards.policy.words_judge import WordsJudge

CONFIG = InstructConfig(model="none", users=10, group=2, steps=2, reply_tokens=24, lora_rank=2, learning_rate=1e-2)
INSTALLED = all(importlib.util.find_spec(name) for name in PACKAGES)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    catalogue, log = synthetic(n_items=60, n_users=70, seed=1)
    config = TrainProfileConfig(data=DataConfig(held_out=12, cuts=2, targets=2), grpo=GrpoConfig(users=10))
    return training_data(catalogue, log, config)


def reward_of(data: TrainingData) -> ProfileReward:
    return ProfileReward(WordsJudge(), data.guard, BumpConfig(draws=4, shuffles=1), titles=2)


def reply(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": json.dumps({"lines": text.splitlines()})}]


def test_the_reward_is_called_as_trl_calls_it(data):
    cases = one_cut_a_user(data.train)
    assert len({case.visible.user for case in cases}) == len(cases)
    seen: list[dict[str, float]] = []
    reward = TrlReward(reward_of(data), cases, CONFIG, seen.append)
    # groups of two, users in any order; the columns of the data set and more come as keywords
    order = [n for n in (3, 9, 0, 1, 2, 4, 5, 6, 7, 8) for _ in range(2)]
    good = [reply(cases[n].rule) for n in order]
    found = reward(
        prompts=[[]] * 20, completions=good, completion_ids=[[1]] * 20, case=order, trainer_state=None, log_extra=None
    )
    assert len(found) == 20
    assert all(isinstance(value, float) for value in found)
    # two of a kind in a group met the same negatives; only ties fall one way or the other
    assert found[::2] == pytest.approx(found[1::2], abs=0.25)
    others = [reply(cases[(n + 1) % 10].rule) for n in order]
    assert sum(found) > sum(reward(prompts=[], completions=others, case=order))
    plain = [cases[n].rule for n in order]
    assert sum(reward(prompts=[], completions=plain, case=order)) < sum(found) - 20 * 0.2  # no JSON
    assert [record["step"] for record in seen] == [1, 2, 3]
    assert [record["malformed"] for record in seen] == [0, 0, 1]
    leaks = [reply(f"Likes {data.guard.title(cases[n].visible.targets[0])}.") for n in order]
    with pytest.raises(LeakError, match="which it is to predict"):
        reward(prompts=[], completions=leaks, case=order)


def test_replies_are_read_whatever_they_are():
    assert profile_of('{"lines": ["Likes War films.", " ", "Likes drama."]}') == (
        "Likes War films.\nLikes drama.",
        True,
    )
    assert profile_of("Likes War films. Likes Drama.") == ("Likes War films.\nLikes Drama.", False)
    for odd in ("", "[]", "null", '{"lines": "x"}', '{"lines": [1]}', '{"lines": ['):
        assert profile_of(odd)[1] is False
    assert profile_of("")[0] == ""


def test_what_is_missing_is_named(monkeypatch, data, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs trl, peft.*sidra\[rl\]"):
        need_packages()
    with pytest.raises(ConfigError, match=r"sidra\[rl\]"):
        InstructTrainer(data.train, [], reward_of(data), CONFIG, tmp_path)


@pytest.mark.skipif(not INSTALLED, reason="needs the extra rl: pip install 'sidra[rl]'")
def test_trl_takes_real_steps(data, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    cases = one_cut_a_user(data.train)
    words = sorted({word for case in cases for word in case.rule.replace(".", " .").split()})
    vocabulary = {word: n for n, word in enumerate(["<pad>", "<end>", "<unknown>", "user", *words])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<end>", unk_token="<unknown>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}user "
    size = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, eos_token_id=1, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(size).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    config = CONFIG.model_copy(update={"model": str(tmp_path / "model"), "save_every": 1})
    prompts = [[{"role": "user", "content": "Likes"}] for _ in cases]
    seen: list[dict[str, float]] = []
    trainer = InstructTrainer(cases, prompts, reward_of(data), config, tmp_path / "run", seen.append)
    trainer.train()
    assert [record["step"] for record in seen] == [1, 2]
    assert len(trainer.write(prompts[:3])) == 3
    trainer.save(tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").is_file()
    changed = LlamaForCausalLM.from_pretrained(tmp_path / "out").state_dict()
    before = LlamaForCausalLM.from_pretrained(tmp_path / "model").state_dict()
    assert any(not before[name].equal(tensor) for name, tensor in changed.items())
