"""Training raises the reward of users who took no part in it, goes on after a kill, and is stopped by a leak."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from recsys_core.catalog.synth import synthetic
from recsys_core.errors import ConfigError
from recsys_core.metrics import bootstrap_paired
from recsys_core.profiles import MAX_TOKENS, HistoryFacts, count_tokens
from recsys_core.rewards import BumpConfig
from recsys_core.rewards.policy.cases import Case, TrainingData, training_data
from recsys_core.rewards.policy.config import DataConfig, GrpoConfig, PolicyConfig, TrainProfileConfig, WarmConfig
from recsys_core.rewards.policy.guards import LeakError
from recsys_core.rewards.policy.reward import ProfileReward, stop_at_leaks
from recsys_core.rewards.policy.slots import FIGURES, Slot
from recsys_core.rewards.policy.summary import summarise
from recsys_core.rewards.policy.train import Outcome, measure, train_profiles
from recsys_core.rewards.policy.writer import TrainedWriter, TrainingRecord
from tests.recsys_core.rewards.policy.words_judge import WordsJudge

CONFIG = TrainProfileConfig(
    policy=PolicyConfig(width=32, layers=1, heads=2, slots=32, longest=24),
    data=DataConfig(held_out=40, cuts=3, targets=3, held_out_draws=6),
    warm=WarmConfig(epochs=6, batch=32, smoothing=0.15),
    grpo=GrpoConfig(steps=16, users=10, group=8, learning_rate=5e-3, evaluate_every=16, save_every=4),
    bump=BumpConfig(draws=4, shuffles=1),
)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    catalogue, log = synthetic(n_items=120, n_users=150, seed=1)
    return training_data(catalogue, log, CONFIG)


def reward_of(data: TrainingData) -> ProfileReward:
    return ProfileReward(WordsJudge(), data.guard, CONFIG.bump)


@pytest.fixture(scope="module")
def trained(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return train_profiles(data, reward_of(data), CONFIG, tmp_path_factory.mktemp("run"))


def test_users_who_train_and_users_who_are_measured_are_apart(data):
    train, held_out = ({case.visible.user for case in part} for part in (data.train, data.held_out))
    assert len(held_out) == len(data.held_out) > 30
    assert not train & held_out
    catalogue, log = synthetic(n_items=120, n_users=150, seed=1)
    for case in (*data.train, *data.held_out):
        items = log.sequence(log.user(case.visible.user)).tolist()
        known, wanted = case.visible.items, case.visible.targets
        assert not known & set(wanted)
        assert max(items.index(i) for i in known) < min(items.index(i) for i in wanted)
        if case in data.train:
            # their own last two interactions are nobody's business here
            assert not (known | set(wanted)) & set(items[-2:])
    # choosing settings measures others, and those who are measured in the end take no part in it
    chosen = training_data(catalogue, log, CONFIG.model_copy(update={"split": "validation"}))
    assert not held_out & {case.visible.user for case in (*chosen.train, *chosen.held_out)}


def test_training_raises_the_reward_of_held_out_users(data, trained):
    summary = summarise(trained, data, reward_of(data), CONFIG)
    figures = summary.figures
    assert figures["reward_end"] > figures["reward_start"]
    assert figures["reward_gain.lo"] > 0
    assert figures["reward_gain"] == pytest.approx(figures["reward_end"] - figures["reward_start"])
    assert trained.curve[0]["held_out_reward"] == pytest.approx(figures["reward_start"])
    assert trained.curve[-1]["held_out_reward"] == pytest.approx(figures["reward_end"])
    assert figures["tokens_max_end"] <= MAX_TOKENS
    assert (figures["copied_titles"], figures["over_length"], figures["leaks"]) == (0, 0, 0)
    assert trained.curve[-1]["kl"] > 0


def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(data, trained, tmp_path):
    class Killed(Exception):
        pass

    def kill(record: dict[str, float]) -> None:
        if record["step"] == 11:
            raise Killed

    with pytest.raises(Killed):
        train_profiles(data, reward_of(data), CONFIG, tmp_path, report=kill)
    seen: list[float] = []
    went_on = train_profiles(data, reward_of(data), CONFIG, tmp_path, report=lambda record: seen.append(record["step"]))
    assert seen[0] == 9  # what came after the last checkpoint is done again
    assert [(r["step"], r["reward"]) for r in went_on.curve[1:]] == [
        (r["step"], r["reward"]) for r in trained.curve[1:]
    ]
    for name, tensor in trained.writer.policy.state_dict().items():
        assert torch.equal(went_on.writer.policy.state_dict()[name], tensor), name
    other = CONFIG.model_copy(update={"seed": 5})
    with pytest.raises(ConfigError, match="other settings"):
        train_profiles(data, reward_of(data), other, tmp_path)


def record_of(data: TrainingData) -> TrainingRecord:
    return TrainingRecord(judge="words", seed=0, data_hash=data.hash, config=CONFIG)


def test_a_writer_is_found_again_in_its_folder(data, trained, tmp_path):
    trained.writer.save(tmp_path, record_of(data))
    loaded = TrainedWriter.load(tmp_path)
    facts = [case.facts for case in data.held_out[:6]]
    assert loaded.write_many(facts, n=3, seed=7) == trained.writer.write_many(facts, n=3, seed=7)
    assert loaded.write(facts[0]) == loaded.write(facts[0], n=2)[:1]
    assert all(0 < count_tokens(texts[0]) <= MAX_TOKENS for texts in loaded.write_many(facts))
    assert loaded.name == f"trained-{data.hash[:8]}-s0"
    nobody = HistoryFacts(noun="films", interactions=0, items=0, rated=False)
    assert loaded.write(nobody, n=2) == ["", ""]
    assert set(load_file(tmp_path / "model.safetensors")) == set(loaded.policy.state_dict())

    (tmp_path / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(ConfigError, match="train it anew"):
        TrainedWriter.load(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"version": 9}))
    with pytest.raises(ConfigError, match="version 9"):
        TrainedWriter.load(tmp_path)
    with pytest.raises(ConfigError, match=r"config\.json is missing"):
        TrainedWriter.load(tmp_path / "elsewhere")


def test_a_planted_target_ends_the_run_wherever_it_stands(data, tmp_path):
    case = data.held_out[0]
    target = case.visible.targets[0]
    title = data.guard.title(target)
    # as an item of the visible part
    seen = case.visible._replace(items=case.visible.items | {target})
    with pytest.raises(LeakError, match=r"to be predicted and stands in the visible history"):
        data.guard.check_facts(seen, case.slots)
    # as a fact
    planted = (*case.slots, Slot("subject", title, (0.5,) * FIGURES))
    with pytest.raises(LeakError, match=r"title of item .* to be predicted"):
        data.guard.check_facts(case.visible, planted)
    foreign = (*case.slots, Slot("genre", "Somebody Else's", (0.5,) * FIGURES))
    with pytest.raises(LeakError, match="in none of the visible items"):
        data.guard.check_facts(case.visible, foreign)

    # as a fact that got past, so that the policy writes it
    def plant(case: Case) -> Case:
        leak = Slot("genre", data.guard.title(case.visible.targets[0]), (1.0,) * FIGURES)
        return dataclasses.replace(case, slots=(leak, *case.slots), facts=case.facts)

    leaking = dataclasses.replace(
        data, train=[plant(c) for c in data.train], held_out=[plant(c) for c in data.held_out]
    )
    with pytest.raises(LeakError, match="title"):
        train_profiles(leaking, reward_of(leaking), CONFIG, tmp_path)
    # and written by anybody else
    reward = reward_of(data)
    texts = [f"Likes {title}, and more." if n == 0 else c.rule for n, c in enumerate(data.held_out)]
    found = reward(data.held_out, texts, range(len(texts)), seed=0)
    assert found.leaked.tolist() == [1.0] + [0.0] * (len(texts) - 1)
    assert found.total[0] == 0
    with pytest.raises(LeakError, match=title):
        stop_at_leaks(found, 0.0)
    stop_at_leaks(found, 0.5)


def test_padding_and_copying_do_not_pay(data):
    cases = data.held_out
    reward = reward_of(data)

    def total(texts: list[str]) -> np.ndarray:
        return reward(cases, texts, range(len(cases)), seed=0).total

    plain = [case.rule.splitlines()[0] for case in cases]
    words = " ".join(slot.name for slot in cases[0].slots)
    padded = [f"{text} {' '.join([words] * 12)}" for text in plain]
    assert bootstrap_paired(total(padded), total(plain)).high < 0
    found = reward(cases, padded, range(len(cases)), seed=0)
    assert (found.over_length == 1).all()
    copies = [
        f"{text} Liked {', '.join(sorted(data.guard.title(i) for i in case.visible.items)[:3])}."
        for text, case in zip(plain, cases, strict=True)
    ]
    copied = reward(cases, copies, range(len(cases)), seed=0)
    assert (copied.copied[[len(case.visible.items) >= 3 for case in cases]] == 3).all()
    assert bootstrap_paired(copied.total, total(plain)).high < 0
    assert copied.means()["copied"] == 1


def test_a_title_that_is_also_a_fact_is_no_leak(data):
    case = data.held_out[0]
    title = data.guard.title(case.visible.targets[0])
    assert data.guard.leaked(case.visible, f"Comes back to {title}.", [title]) is None
    assert data.guard.leaked(case.visible, f"Comes back to {title}. Liked {title} 2.", [f"{title} 2", "other"]) == title
    assert data.guard.leaked(case.visible, f"Not{title.lower()}s.", []) is None
    longer = next(i for i in range(120) if data.guard.title(i) == f"{data.guard.title(0)} 2")
    part = case.visible._replace(items=frozenset({longer}), targets=(0,))
    assert data.guard.leaked(part, f"Liked {data.guard.title(longer)}.", []) is None
    assert data.guard.leaked(part, f"Liked {data.guard.title(0)}.", []) == data.guard.title(0)


def test_measuring_does_not_depend_on_the_order_of_calls(data, trained):
    first = measure(trained.writer, data, reward_of(data), CONFIG)
    second = measure(trained.writer, data, reward_of(data), CONFIG)
    assert np.array_equal(first.total, second.total)
