"""Training of the small profile writer: a supervised start, then GRPO, with checkpoints that survive a kill.

Every random choice of a batch follows from (seed, batch), so a resumed run goes on as the unbroken one would.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recsys_core.durable import digest, write_json
from recsys_core.errors import BuildError, ConfigError
from recsys_core.generator.checkpoint import CheckpointFiles
from recsys_core.generator.checkpoint import Progress as Kept
from recsys_core.rewards.policy.cases import Case, TrainingData, sample_batch
from recsys_core.rewards.policy.config import TrainProfileConfig
from recsys_core.rewards.policy.grammar import Grammar
from recsys_core.rewards.policy.grpo import group_advantages, grpo_loss
from recsys_core.rewards.policy.reward import ProfileReward, Rewards, stop_at_leaks
from recsys_core.rewards.policy.sampling import chosen_log_probabilities, sample
from recsys_core.rewards.policy.slots import Sheet, Words, make_grammar, sheet
from recsys_core.rewards.policy.warm import rule_plans, warm_start
from recsys_core.rewards.policy.writer import TrainedWriter, seed_of

Progress = Callable[[str, int, int], None]

_RISE = 20
"""Batches over which the learning rate goes up."""


class Outcome(NamedTuple):
    """What a run gives.

    Attributes:
        writer: with the last weights. Not the best on held-out users: choosing by them would be tuning on them.
        start: the same writer after the supervised start.
        curve: one record a batch.
    """

    writer: TrainedWriter
    start: TrainedWriter
    curve: list[dict[str, float]]


def train_profiles(
    data: TrainingData,
    reward: ProfileReward,
    config: TrainProfileConfig,
    folder: Path,
    progress: Progress | None = None,
    *,
    measured_by: ProfileReward | None = None,
    report: Callable[[dict[str, float]], None] | None = None,
) -> Outcome:
    """Train a writer.

    Args:
        data: histories, cut.
        reward: of the profiles.
        config: the recipe.
        folder: for checkpoints; a run that stopped there goes on.
        progress: told (stage, done, total).
        measured_by: the reward of held-out users; the same when None.
        report: told the record of each batch.

    Raises:
        ConfigError: the folder holds a run of other settings or data.
        LeakError: a fact isn't in the visible history, or a profile names what it is to predict.
        BuildError: the loss is not a number; the last checkpoint stays.
    """
    torch.set_num_threads(config.threads)
    for case in (*data.train, *data.held_out):
        data.guard.check_facts(case.visible, case.slots)
    _same_run(folder, config, data, reward.judge.name)
    run = _Run(data, reward, measured_by or reward, config, folder, progress)
    files: Any = CheckpointFiles(folder)  # reads and writes state dicts, so it serves any module
    kept = files.resume(run.policy, run.optimizer) or Kept()
    curve = kept.reports
    if not curve:
        curve.append({"step": 0, **run.measure()})
        if report:
            report(_numbers(curve[-1]))
    steps = config.grpo.steps
    for step in range(kept.epoch, steps):
        record = run.batch(step)
        if (step + 1) % config.grpo.evaluate_every == 0 or step + 1 == steps:
            record |= run.measure()
        curve.append(record)
        kept.epoch = step + 1
        if (step + 1) % config.grpo.save_every == 0 or step + 1 == steps:
            files.save(run.policy, run.optimizer, kept)
        if progress:
            progress("training", step + 1, steps)
        if report:
            report(_numbers(record))
    return Outcome(run.writer, run.start, [_numbers(record) for record in curve])


def grammar_of(data: TrainingData) -> Grammar:
    """The phrases for what training histories hold."""
    return make_grammar([case.slots for case in data.train], data.noun)


def _numbers(record: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in record.items()}


def _same_run(folder: Path, config: TrainProfileConfig, data: TrainingData, judge: str) -> None:
    """A folder is resumed only by the run that began it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run.json"
    mine = {"settings": digest(config.model_dump(mode="json"), judge), "data": data.hash}
    if not path.exists():
        write_json(path, mine)
        return
    theirs = json.loads(path.read_text(encoding="utf-8"))
    for part in ("settings", "data"):
        if theirs.get(part) != mine[part]:
            raise ConfigError(
                f"{folder.parent} holds an unfinished run with other {part}; choose another folder (--out) or delete it"
            )


class _Run:
    """Policy, reference and optimiser of one run."""

    def __init__(
        self,
        data: TrainingData,
        reward: ProfileReward,
        measured_by: ProfileReward,
        config: TrainProfileConfig,
        folder: Path,
        progress: Progress | None,
    ) -> None:
        self.data, self.reward, self.measured_by, self.config = data, reward, measured_by, config
        grammar = grammar_of(data)
        words = Words.of([case.slots for case in data.train], config.policy.values)
        self.writer = TrainedWriter.fresh(config.policy, grammar, words, seed_of(config.seed, 3))
        self.policy = self.writer.policy
        self.start = TrainedWriter(copy.deepcopy(self.policy), grammar, words)
        self._warm(folder / "start.safetensors", progress)
        self.optimizer = torch.optim.AdamW(self.policy.parameters(), lr=config.grpo.learning_rate, weight_decay=0.0)

    def _warm(self, path: Path, progress: Progress | None) -> None:
        """The supervised start, made once and kept: it is also the reference."""
        if path.exists():
            self.policy.load_state_dict(load_file(path))
        else:
            part = self._sheet(self.data.train)
            plans = rule_plans(self.data.train, self.writer.grammar)
            told = None if progress is None else lambda done, total: progress("supervised start", done, total)
            warm_start(self.policy, self.writer.grammar, part, plans, self.config.warm, self.config.seed, told)
            temporary = path.with_suffix(".part")
            save_file({name: t.contiguous() for name, t in self.policy.state_dict().items()}, temporary)
            temporary.rename(path)
        self.start.policy.load_state_dict(self.policy.state_dict())
        self.start.policy.requires_grad_(False)

    def _sheet(self, cases: list[Case]) -> Sheet:
        policy = self.config.policy
        return sheet([case.slots for case in cases], self.writer.grammar, self.writer.words, policy.slots)

    def batch(self, step: int) -> dict[str, Any]:
        """Sample, reward, update: the record of one batch.

        Raises:
            LeakError: a profile names what it is to predict.
            BuildError: the loss is not a number.
        """
        config, began = self.config.grpo, time.perf_counter()
        rng = np.random.default_rng([self.config.seed, 4, step])
        cases = sample_batch(self.data.train, config.users, rng)
        part = self._sheet(cases).rows(np.repeat(np.arange(len(cases)), config.group))
        generator = torch.Generator().manual_seed(seed_of(self.config.seed, 5, step))
        plans = sample(self.policy, self.writer.grammar, part, generator)
        texts = [
            self.writer.text(plan, cases[row // config.group].slots) for row, plan in enumerate(plans.actions.tolist())
        ]
        owners = np.repeat(np.arange(len(cases)), config.group).tolist()
        rewards = self.reward(cases, texts, owners, seed=seed_of(self.config.seed, 7, step))
        stop_at_leaks(rewards, config.leak_rate)
        grouped = torch.from_numpy(rewards.total).reshape(len(cases), config.group)
        advantages = group_advantages(grouped, by_spread=config.by_spread).flatten().float()
        with torch.no_grad():
            old = chosen_log_probabilities(self.policy, part, plans)
            reference = chosen_log_probabilities(self.start.policy, part, plans)
        real = torch.from_numpy(plans.real)
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1.0, (step + 1) / _RISE)
        parts = []
        for _ in range(config.updates):
            parts.append(
                grpo_loss(
                    chosen_log_probabilities(self.policy, part, plans),
                    old,
                    reference,
                    advantages,
                    real,
                    clip=config.clip,
                    kl_weight=config.kl_weight,
                    by_length=config.by_length,
                )
            )
            self._update(parts[-1].loss, step)
        return {
            "step": step + 1,
            **rewards.means(),
            "kl": float(parts[-1].kl),
            "clipped": float(parts[-1].clipped),
            "seconds": round(time.perf_counter() - began, 2),
        }

    def _update(self, loss: Tensor, step: int) -> None:
        if not math.isfinite(loss.item()):
            raise BuildError(
                f"the training loss became {loss.item()} in batch {step + 1}; lower the learning rate. "
                "The last checkpoint is kept"
            )
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.grpo.largest_gradient)
        self.optimizer.step()

    def measure(self) -> dict[str, float]:
        """Means over held-out users, each name with ``held_out_`` before it."""
        rewards = measure(self.writer, self.data, self.measured_by, self.config)
        stop_at_leaks(rewards, self.config.grpo.leak_rate)
        return {f"held_out_{name}": value for name, value in rewards.means().items()}


def measure(writer: TrainedWriter, data: TrainingData, reward: ProfileReward, config: TrainProfileConfig) -> Rewards:
    """Rewards of one likeliest profile of each held-out user; the same foreign ones for every writer."""
    return measure_texts(writer.texts([case.slots for case in data.held_out]), data, reward, config)


def measure_texts(texts: list[str], data: TrainingData, reward: ProfileReward, config: TrainProfileConfig) -> Rewards:
    """Likewise of any profiles, one a held-out user."""
    owners = range(len(texts))
    seed = seed_of(config.seed, 6)
    return reward(data.held_out, texts, owners, seed=seed, draws=config.data.held_out_draws)
