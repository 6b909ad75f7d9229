"""Ways to tune a release, compared: same space, budget, seeds and first trial, and what the winners do on new queries.

Scores are of counted, priced work, so a measurement is the same whoever asks for it; measurements are kept and shared
between methods and seeds. Nothing that the test queries say reaches a method.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from eval.figures import Progress, Report, make_context
from recsys_core.metrics import bootstrap_mean
from recsys_core.tuning.cache import Cache
from recsys_core.tuning.history import History
from recsys_core.tuning.measurement import MeasuredSystem
from recsys_core.tuning.methods import ABLATIONS, MAIN, MethodName, make_method
from recsys_core.tuning.score import Gates, judge
from recsys_core.tuning.session import choose
from recsys_core.tuning.study import Budget, run_study

AT = (10, 20, 30)
"""Trials after which the best score is told."""


class Run(BaseModel):
    """One method under one seed."""

    model_config = ConfigDict(extra="forbid")

    method: str
    """Which."""
    seed: int
    """Of the search."""
    best: list[float]
    """Best score after each trial."""
    proposed: dict[str, Any]
    """Changes that the method proposes, after the finalists were held against the validation queries."""
    speed: float
    """Throughput of the proposal against the reference."""
    test_quality: float
    """Share of the reference's quality that the proposal keeps on the test queries."""
    test_lower: float
    """Lower bound of that."""
    lucky_quality: float
    """The same share for the highest mean among trials whose mean alone clears the floor: without bound and
    validation, this would have been promoted."""
    duplicates: int
    """Trials that repeated an earlier one."""
    failures: int
    """Trials that crashed, hung or raised an error."""


class TuneDetail(BaseModel):
    """What the figures are made of."""

    model_config = ConfigDict(extra="forbid")

    gates: Gates
    """What held."""
    queries: int
    """Requests that were searched on."""
    size: int
    """Combinations of knob values."""
    measured: int
    """Configurations that were really measured; the rest was shared."""
    runs: list[Run] = Field(default_factory=list)
    """All of them."""


def bench_tune(
    system: MeasuredSystem,
    folder: Path,
    *,
    methods: Sequence[MethodName] = (*MAIN, "tpe_constrained", *ABLATIONS),
    seeds: int = 8,
    trials: int = 30,
    gates: Gates | None = None,
    release: str = "",
    command: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Run every method under every seed.

    Args:
        system: what is tuned.
        folder: of kept measurements.
        methods: which.
        seeds: 0 to this, less one.
        trials: each study's budget, the reference among them.
        gates: what a configuration must hold to.
        release: for the context.
        command: likewise.
        progress: told how far the work is.
    """
    gates = gates or Gates()
    cache = Cache(folder, system)
    reference = cache.space.canonical(cache.space.reference)
    detail = TuneDetail(
        gates=gates,
        queries=len(next(iter(cache.measure(reference, "tune").quality.values()))),
        size=cache.space.size,
        measured=0,
    )
    total = len(methods) * seeds
    for seed in range(seeds):
        for method in methods:
            if progress is not None:
                progress("studies", len(detail.runs), total)
            made = make_method(method, cache.space, trials, seed)
            history = run_study(cache, made, gates, Budget(trials=trials)).history
            detail.runs.append(_run(cache, history, method, seed, gates))
    detail.measured = len(list(cache.folder.glob("tune-*.json")))
    context = make_context(seed=0, release=release, command=command)
    return Report(figures=_figures(detail, trials), context=context, detail=detail.model_dump(mode="json"))


def _run(cache: Cache, history: History, method: str, seed: int, gates: Gates) -> Run:
    space = cache.space
    base = cache.measure(space.canonical(space.reference), "test")
    proposed = choose(cache, history, gates)
    test = judge(cache.measure(proposed.config, "test"), base, gates)
    loose = gates.model_copy(update={"bounded": False})
    reference = cache.measure(space.canonical(space.reference), "tune")
    alone = [(judge(cache.measure(t.config, "tune"), reference, loose).score, t) for t in history.trials]
    lucky = max(alone, key=lambda pair: pair[0])[1]
    return Run(
        method=method,
        seed=seed,
        best=[round(score, 5) for score in history.best_so_far()],
        proposed=proposed.changes,
        speed=proposed.tune.speed,
        test_quality=test.quality,
        test_lower=test.lower,
        lucky_quality=judge(cache.measure(lucky.config, "test"), base, gates).quality,
        duplicates=len(history.trials) - len({space.key(t.config) for t in history.trials}),
        failures=sum(bool(t.measured.failure) for t in history.trials),
    )


def _figures(detail: TuneDetail, trials: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    points = [at for at in AT if at <= trials] or [trials]
    by_method: dict[str, list[Run]] = {}
    for run in detail.runs:
        by_method.setdefault(run.method, []).append(run)
    for method, runs in by_method.items():
        for at in points:
            scores = np.array([run.best[at - 1] for run in runs])
            interval = bootstrap_mean(scores, seed=0)
            name = f"score@{at}.{method}"
            figures |= {name: interval.value, f"{name}.lo": interval.low, f"{name}.hi": interval.high}
            figures[f"{name}.sd"] = float(scores.std(ddof=1)) if len(scores) > 1 else 0.0
        figures[f"floor_violations.{method}"] = float(sum(r.test_quality < detail.gates.floor for r in runs))
        figures[f"point_floor_violations.{method}"] = float(sum(r.lucky_quality < detail.gates.floor for r in runs))
        figures[f"proposed_speed.{method}"] = float(np.mean([r.speed for r in runs]))
        figures[f"test_quality.{method}"] = float(np.mean([r.test_quality for r in runs]))
    at = points[-1]
    if "sidra" in by_method:
        ours = np.array([run.best[at - 1] for run in by_method["sidra"]])
        for method, runs in by_method.items():
            if method != "sidra":
                ratio = np.log(ours / np.array([run.best[at - 1] for run in runs]))
                interval = bootstrap_mean(ratio, seed=0)
                name = f"ratio@{at}.sidra/{method}"
                ends = np.exp([interval.value, interval.low, interval.high])
                figures |= dict(zip((name, f"{name}.lo", f"{name}.hi"), map(float, ends), strict=True))
    return figures | {"measured": float(detail.measured), "queries": float(detail.queries)}
