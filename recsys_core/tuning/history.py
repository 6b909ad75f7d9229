"""What is kept of a study: every trial, who proposed it and why, what it was expected to give and what it gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from recsys_core.tuning.measurement import Measurement
from recsys_core.tuning.score import Verdict

Phase = Literal["reference", "explore", "exploit", "fine-tune"]
"""Where in a study a trial stands; the reference is always the first."""


class Proposal(BaseModel):
    """A configuration that somebody would like measured."""

    model_config = ConfigDict(extra="forbid")

    config: dict[str, Any]
    """Knob -> value; knobs that are left out stay at the reference."""
    proposed_by: str
    """Who: ``reference``, ``sidra``, ``random``, ``grid``, ``tpe``, ``gp``, ``llm``, ``person`` ..."""
    reason: str = ""
    """Why, one or two sentences."""


class Prediction(BaseModel):
    """What the surrogates expected before a trial."""

    model_config = ConfigDict(extra="forbid")

    slack: float
    """Lower bound of quality minus the floor."""
    slack_sd: float
    """Its standard deviation."""
    speed: float
    """Throughput against the reference."""
    log_cost_sd: float
    """Standard deviation of its logarithm."""
    safe: float
    """Probability that the gates hold."""
    acquisition: float
    """What proposals are ranked by."""


class TrialRecord(BaseModel):
    """One trial, as it is kept and shown. Per-query values stay in the cache of measurements."""

    model_config = ConfigDict(extra="forbid")

    number: int
    """0 is the reference."""
    config: dict[str, Any]
    """Complete and canonical."""
    changes: dict[str, Any]
    """What differs from the reference."""
    phase: Phase
    """Where in the study."""
    proposed_by: str
    """See :class:`Proposal`."""
    reason: str = ""
    """Likewise."""
    predicted: Prediction | None = None
    """What was expected; None without surrogates."""
    verdict: Verdict
    """What it is worth."""
    measured: Measurement
    """What was measured, without per-query values."""
    same_as: int | None = None
    """An earlier trial with the same answers for the same work."""
    no_effect: list[str] = Field(default_factory=list)
    """Knobs in which it differs from that trial: changing them changed nothing."""

    @property
    def feasible(self) -> bool:
        """Whether all gates hold."""
        return self.verdict.score > 0


class History(BaseModel):
    """All trials of a study so far."""

    model_config = ConfigDict(extra="forbid")

    trials: list[TrialRecord] = Field(default_factory=list)
    """In order."""
    refused: dict[str, int] = Field(default_factory=dict)
    """Proposals of advisers that lay outside the space or had been measured, by reason."""

    def best(self) -> TrialRecord | None:
        """The highest score; the earlier of two equal ones."""
        feasible = [t for t in self.trials if t.feasible]
        return max(feasible, key=lambda t: (t.verdict.score, -t.number)) if feasible else None

    def best_quality(self) -> float:
        """Highest share of the reference's quality that any trial's bound reached."""
        return max((t.verdict.lower for t in self.trials), default=0.0)

    def best_so_far(self) -> list[float]:
        """Best score after each trial."""
        scores, best = [], 0.0
        for trial in self.trials:
            best = max(best, trial.verdict.score)
            scores.append(best)
        return scores

    def refuse(self, reason: str) -> None:
        """Count a refused proposal."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def without_effect(self) -> dict[str, list[str]]:
        """Knob -> changes of it that changed nothing, where it was the only difference."""
        found: dict[str, list[str]] = {}
        by_number = {t.number: t for t in self.trials}
        for trial in self.trials:
            if trial.same_as is not None and len(trial.no_effect) == 1:
                name = trial.no_effect[0]
                before = by_number[trial.same_as].config[name]
                found.setdefault(name, []).append(f"{before} -> {trial.config[name]} (trial {trial.number})")
        return found


def same_system(own: Measurement, other: Measurement) -> bool:
    """Whether two measurements say that nothing changed: the same answers for exactly the same work."""
    return not own.failure and not other.failure and own.answers == other.answers and own.work == other.work


def differing(own: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Knobs in which two configurations differ."""
    return [name for name in own if own[name] != other.get(name)]
