"""The tuner's own optimiser: two surrogates, constrained expected improvement, three phases.

Phases and their shares (explore to 40 %, exploit to 75 %, fine-tune) are those of arXiv 2606.05489. What happens in
them is ours: exploring begins with a few spread-out configurations and then gives uncertainty more weight; exploiting
takes the plain acquisition; fine-tuning looks only near the best ones found, where the surrogates know most.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.tuning.history import History, Phase, Prediction, Proposal, TrialRecord
from recsys_core.tuning.space import Config, Space
from recsys_core.tuning.surrogates import Expected, Surrogate, TwoSurrogates, improvement

Floats = NDArray[np.float64]


class OptimiserConfig(BaseModel):
    """How candidates are looked for, and what may be left out to see what it is worth."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    explore: float = Field(default=0.40, ge=0, le=1)
    """Share of the trials after which exploring ends."""
    exploit: float = Field(default=0.75, ge=0, le=1)
    """Share after which exploiting ends."""
    first: int = Field(default=4, ge=1)
    """Spread-out configurations before surrogates are asked."""
    changed: int = Field(default=3, ge=1)
    """Knobs in which those differ from the reference."""
    candidates: int = Field(default=1200, ge=10)
    """Configurations that the acquisition chooses from."""
    phases: bool = True
    """False: exploit all along (ablation)."""
    two_surrogates: bool = True
    """False: one surrogate of the score itself (ablation)."""
    memory: int | None = None
    """Learn from the newest trials only; None from all (ablation: a few)."""


class Optimiser:
    """Proposes configurations and ranks those of others by the same acquisition.

    Args:
        space: to search.
        trials: how many there will be, for the phases.
        seed: of everything random.
        config: how.
    """

    def __init__(self, space: Space, trials: int, seed: int, config: OptimiserConfig | None = None) -> None:
        self.space, self.trials = space, trials
        self.config = config or OptimiserConfig()
        self._seed = seed

    def phase(self, number: int) -> Phase:
        """The phase of a trial."""
        if number == 0:
            return "reference"
        done = number / max(1, self.trials)
        if not self.config.phases or self.config.explore < done <= self.config.exploit:
            return "exploit"
        return "explore" if done <= self.config.explore else "fine-tune"

    def propose(
        self, history: History, advised: Sequence[Proposal] = (), built: frozenset[tuple[object, ...]] | None = None
    ) -> tuple[Proposal, Prediction | None]:
        """The next configuration, never one that was measured.

        Args:
            history: of the study.
            advised: valid proposals of others, completed; ranked by the same acquisition beside the optimiser's own.
            built: if nothing more may be built: what is there (:meth:`Space.rebuild_key`).
        """
        number = len(history.trials)
        rng = np.random.default_rng([self._seed, number])
        known = {self.space.key(t.config) for t in history.trials}
        sound = [t for t in history.trials if not t.measured.failure]
        if number <= self.config.first or len(sound) < 2:
            if advised:
                return advised[0], None
            return Proposal(config=self._spread(history, rng, known, built), proposed_by="sidra", reason="spread"), None
        seen = history.trials if self.config.memory is None else history.trials[-self.config.memory :]
        phase = self.phase(number)
        own = self._candidates(history, phase, rng, known, built)
        pool = [*own, *(p.config for p in advised)]
        if not pool:
            return Proposal(config=self.space.sample(rng), proposed_by="sidra", reason="all near ones are known"), None
        best = history.best()
        score = best.verdict.score if best else 0.0
        if not self.config.two_surrogates:
            values = _single(self.space, seen, pool, score, self._seed)
            chosen, prediction = int(values.argmax()), None
        else:
            expected = self._learned(seen, history)(pool, score or 1e-3)
            values = acquisition(expected, phase)
            chosen = int(values.argmax())
            prediction = predicted(expected, values, chosen)
        if chosen >= len(own):
            return advised[chosen - len(own)], prediction
        return Proposal(config=pool[chosen], proposed_by="sidra", reason=_reason(phase, prediction)), prediction

    def predict(self, history: History, configs: Sequence[Config]) -> list[Prediction]:
        """What the surrogates expect of configurations, for those who advise; empty before there are enough trials."""
        if len([t for t in history.trials if not t.measured.failure]) < 2 or not configs:
            return []
        best = history.best()
        expected = self._learned(history.trials, history)(configs, best.verdict.score if best else 1e-3)
        values = acquisition(expected, self.phase(len(history.trials)))
        return [predicted(expected, values, n) for n in range(len(configs))]

    def _learned(self, seen: Sequence[TrialRecord], history: History) -> TwoSurrogates:
        if not any(not t.measured.failure for t in seen):
            seen = history.trials
        return TwoSurrogates(self.space, seen, self._seed)

    def _spread(
        self, history: History, rng: np.random.Generator, known: set[str], built: frozenset[tuple[object, ...]] | None
    ) -> Config:
        """Far from what was tried, and a few knobs from the reference: among configurations of random values nearly
        all break the floor, and one learns the same from each.
        """
        near = self.space.neighbours(dict(self.space.reference), rng, 200, self.config.changed)
        free = self._unknown(near, known, built)
        if not free:
            return self.space.sample(rng)
        tried = self.space.encode([t.config for t in history.trials])
        points = self.space.encode(free)
        distance = np.abs(points[:, None, :] - tried[None, :, :]).sum(axis=2).min(axis=1)
        return free[int(distance.argmax())]

    def _candidates(
        self,
        history: History,
        phase: Phase,
        rng: np.random.Generator,
        known: set[str],
        built: frozenset[tuple[object, ...]] | None,
    ) -> list[Config]:
        count = self.config.candidates
        ranked = sorted((t for t in history.trials if t.feasible), key=lambda t: -t.verdict.score)
        around = [t.config for t in ranked[:3]] or [dict(self.space.reference)]
        found: list[Config] = []
        if phase == "fine-tune":
            for steps in (1, 2):
                found += self._about(around, rng, count // 2, steps)
        else:
            found += [self.space.sample(rng) for _ in range(count // 4)]
            for steps in (1, 2, 3, 5):
                found += self._about([*around, dict(self.space.reference)], rng, count // 5, steps)
        return self._unknown(found, known, built)

    def _about(self, centres: Sequence[Config], rng: np.random.Generator, count: int, steps: int) -> list[Config]:
        share = max(1, count // len(centres))
        return [near for centre in centres for near in self.space.neighbours(dict(centre), rng, share, steps)]

    def _unknown(
        self, configs: Sequence[Config], known: set[str], built: frozenset[tuple[object, ...]] | None
    ) -> list[Config]:
        seen, kept = set(known), []
        for config in configs:
            key = self.space.key(config)
            if key not in seen and (built is None or self.space.rebuild_key(config) in built):
                seen.add(key)
                kept.append(config)
        return kept


def acquisition(expected: Expected, phase: Phase) -> Floats:
    """What candidates are ranked by; larger is better.

    Exploring forgives doubt about the floor by half (a square root of the probability), so that its edge is found;
    otherwise constrained expected improvement as it is.
    """
    safe = np.sqrt(expected.safe) if phase == "explore" else expected.safe
    return np.asarray(expected.improvement * safe)


def predicted(expected: Expected, values: Floats, place: int) -> Prediction:
    """One candidate's expectation as a record."""
    return Prediction(
        slack=float(expected.slack[place]),
        slack_sd=float(expected.slack_sd[place]),
        speed=float(np.exp(-expected.log_cost[place])),
        log_cost_sd=float(expected.log_cost_sd[place]),
        safe=float(expected.safe[place]),
        acquisition=float(values[place]),
    )


def _single(space: Space, trials: Sequence[TrialRecord], configs: Sequence[Config], best: float, seed: int) -> Floats:
    """Expected improvement of one surrogate of the score, zeros included (ablation)."""
    surrogate = Surrogate(space, [t.config for t in trials], [t.verdict.score for t in trials], seed)
    mean, sd = surrogate(configs)
    return improvement(mean, sd, best)


def _reason(phase: Phase, prediction: Prediction | None) -> str:
    if prediction is None:
        return phase
    return (
        f"{phase}: expected {prediction.speed:.2f} times as fast, quality {prediction.slack:+.3f} over the floor, "
        f"safe with {prediction.safe:.0%}"
    )
