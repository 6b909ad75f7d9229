"""What a training run came to, on users who gave no reward to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_core.metrics import Interval, bootstrap_mean, bootstrap_paired
from recsys_core.profiles import count_tokens
from recsys_core.rewards.policy.cases import TrainingData
from recsys_core.rewards.policy.config import TrainProfileConfig
from recsys_core.rewards.policy.reward import ProfileReward, Rewards
from recsys_core.rewards.policy.train import Outcome, measure_texts

_PARTS = ("reward", "forward", "backward")
_EXAMPLES = 5


class Summary(NamedTuple):
    """Figures and examples.

    Attributes:
        figures: flat; named in docs/profile-training.md.
        rules: means of profiles written by rules, for the curves.
        examples: profiles of some held-out users: by rules, at the start, at the end.
    """

    figures: dict[str, float]
    rules: dict[str, float]
    examples: list[dict[str, str]]


def summarise(
    outcome: Outcome,
    data: TrainingData,
    reward: ProfileReward,
    config: TrainProfileConfig,
    trained_by: ProfileReward | None = None,
) -> Summary:
    """Measure the start, the end and the rules on the same held-out users and foreign profiles' users.

    Args:
        outcome: of the run.
        data: its histories.
        reward: of held-out users.
        config: its recipe.
        trained_by: the reward of training, where that was another: how far the two agree is told.
    """
    slots = [case.slots for case in data.held_out]
    texts = {
        "start": outcome.start.texts(slots),
        "end": outcome.writer.texts(slots),
        "rule": [case.rule for case in data.held_out],
    }
    found = {name: measure_texts(written, data, reward, config) for name, written in texts.items()}
    figures = figures_of(found, texts, data, config)
    if trained_by is not None:
        other = measure_texts(texts["end"], data, trained_by, config).total
        spread = min(float(other.std()), float(found["end"].total.std()))
        figures["judges_agree"] = float(np.corrcoef(other, found["end"].total)[0, 1]) if spread > 0 else 0.0
    figures["kl_end"] = outcome.curve[-1].get("kl", 0.0)
    examples = [{name: written[row] for name, written in texts.items()} for row in range(min(_EXAMPLES, len(slots)))]
    return Summary(figures, found["rule"].means(), examples)


def figures_of(
    found: Mapping[str, Rewards], texts: Mapping[str, Sequence[str]], data: TrainingData, config: TrainProfileConfig
) -> dict[str, float]:
    """Flat figures of three kinds of profiles of the same held-out users.

    Args:
        found: rewards of ``start``, ``end`` and ``rule``.
        texts: the profiles themselves.
        data: whose.
        config: the recipe.
    """
    figures: dict[str, float] = {
        "users": len(data.held_out),
        "train_users": len({case.visible.user for case in data.train}),
        "train_cuts": len(data.train),
        "skipped_users": data.skipped,
        "steps": config.grpo.steps,
    }
    for part in _PARTS:
        values = {name: _values(rewards, part) for name, rewards in found.items()}
        for name in texts:
            figures |= _with_ends(f"{part}_{name}", bootstrap_mean(values[name], seed=config.seed))
        gain = bootstrap_paired(values["end"], values["start"], seed=config.seed)
        figures |= _with_ends(f"{part}_gain", gain)
        over = bootstrap_paired(values["end"], values["rule"], seed=config.seed)
        figures |= _with_ends(f"{part}_over_rule", over)
    means = found["end"].means()
    figures |= {
        "length_end": means["length"],
        "copied_titles": means["copied"],
        "over_length": means["over_length"],
        "leaks": means["leaked"],
        "empty": means["empty"],
    }
    for name, written in texts.items():
        counts = [count_tokens(text) for text in written]
        figures |= {f"tokens_{name}": sum(counts) / len(counts), f"tokens_max_{name}": float(max(counts))}
    figures["distinct_end"] = len(set(texts["end"])) / len(data.held_out)
    return figures


def _values(rewards: Rewards, part: str) -> NDArray[np.float64]:
    return {"reward": rewards.total, "forward": rewards.forward, "backward": rewards.backward}[part]


def _with_ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}.lo": interval.low, f"{name}.hi": interval.high}
