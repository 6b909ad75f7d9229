"""Simulated conversations as figures: who found what they had in mind, how soon, how reliably."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import comb

import numpy as np
from numpy.typing import NDArray

from eval.simulator.trials import TURNS, Simulation, Trial
from recsys_core.metrics.bootstrap import Interval, bootstrap_mean, bootstrap_paired


def simulation_figures(found: Simulation, *, seed: int = 0) -> dict[str, float]:
    """Figures with ``.lo`` and ``.hi``: 95 % bootstrap intervals, people resampled."""
    per_user = _by_person(found)
    figures: dict[str, float] = {"simulated_users": found.people, "simulated_trials": len(found.trials)}
    for turn in range(1, TURNS + 1):
        _put(figures, f"success_at_{turn}", _share(per_user, partial(_found_by, turn)), seed)
    success = _share(per_user, partial(_found_by, TURNS))
    baseline = np.array(found.baseline, dtype=np.float64)
    _put(figures, f"baseline_success_at_{TURNS}", baseline, seed)
    _put(figures, f"baseline_pages_success_at_{TURNS}", np.array(found.pages, dtype=np.float64), seed)
    difference = bootstrap_paired(success, baseline, seed=seed)
    _interval(figures, f"success_at_{TURNS}-baseline", difference)
    if baseline.mean() > 0:
        figures["success_ratio"] = float(success.mean() / baseline.mean())
    _put(figures, "recall_at_10_final", _share(per_user, _in_last_cards), seed)
    trials = min(len(own) for own in per_user)
    if trials >= 3:
        hats = [comb(sum(t.found is not None for t in own), 3) / comb(len(own), 3) for own in per_user]
        _put(figures, "pass_hat_3", np.array(hats), seed)
    turns = [turn for trial in found.trials for turn in trial.turns]
    _put(figures, "simulated_turns_mean", np.array([np.mean([len(t.turns) for t in own]) for own in per_user]), seed)
    figures["questions_asked_back"] = sum(bool(turn.asked) for turn in turns)
    figures["simulated_failed_turns"] = sum(trial.failed_turns for trial in found.trials)
    figures["tokens_per_conversation"] = float(np.mean([trial.tokens for trial in found.trials]))
    figures["seconds_per_turn_p50"] = round(float(np.median([turn.seconds for turn in turns])), 4)
    return figures


def _found_by(turn: int, trial: Trial) -> bool:
    return trial.found is not None and trial.found <= turn


def _in_last_cards(trial: Trial) -> bool:
    return bool(trial.turns) and trial.turns[-1].rank is not None


def _by_person(found: Simulation) -> list[list[Trial]]:
    own: list[list[Trial]] = [[] for _ in range(found.people)]
    for trial in found.trials:
        own[trial.user].append(trial)
    return own


def _share(per_user: Sequence[Sequence[Trial]], holds: Callable[[Trial], bool]) -> NDArray[np.float64]:
    return np.array([np.mean([holds(trial) for trial in own]) for own in per_user])


def _put(figures: dict[str, float], name: str, values: NDArray[np.float64], seed: int) -> None:
    _interval(figures, name, bootstrap_mean(values, seed=seed))


def _interval(figures: dict[str, float], name: str, found: Interval) -> None:
    figures |= {name: found.value, f"{name}.lo": found.low, f"{name}.hi": found.high}
