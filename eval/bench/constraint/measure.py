"""What masking costs: every way of it on the same states and scores, taking turns, level by level.

A catalogue of random semantic IDs is made for each size. States are the ancestors of random allowed leaves, so deep
levels are met as a search meets them. All methods get the same states and scores in turn, so that whatever else the
machine does falls on all alike; a figure is the sum over levels of the medians, in microseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from eval.bench.constraint.catalogue import measure_build
from eval.bench.constraint.config import METHODS, BenchConfig
from eval.bench.constraint.methods import Case, Method, make_method
from eval.bench.generate import peak_memory_mb
from eval.figures import Progress, Report, make_context
from recsys_core.constraints.masking import Masker
from recsys_core.constraints.rules import LiveMasker, Rule
from recsys_core.errors import ConfigError

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.thread_time}
_SLOW = {"prefix_fn", "sorted_exact", "sorted_top50", "hash_bitmap", "xgrammar"}
_SLOW_ROUNDS = 5


def bench_constraint(
    config: BenchConfig | None = None, *, command: str | None = None, progress: Progress | None = None
) -> Report:
    """Measure all methods at all sizes.

    Args:
        config: what is measured.
        command: command line for the context.
        progress: told how far the work is.

    Raises:
        ConfigError: an unknown method or way to draw codes, or too few semantic IDs for the items.
    """
    import torch

    config = config or BenchConfig()
    unknown = sorted(set(config.methods) - set(METHODS))
    if unknown:
        raise ConfigError(f"methods are {', '.join(METHODS)}; {unknown[0]!r} is not one of them")
    before = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    figures: dict[str, float] = {}
    detail: dict[str, Any] = {"config": config.model_dump(mode="json"), "levels_us": {}, "work": {}, "left_out": {}}
    try:
        with torch.inference_mode():
            for codes in config.codes:
                for items in sorted(config.items):
                    at = f"@{short(items)}" + ("" if codes == "uniform" else f".{codes}")
                    _measure(config, items, codes, at, (figures, detail), progress)
    finally:
        torch.set_num_threads(before)
    figures["peak_memory_mb"] = round(peak_memory_mb(), 1)
    return Report(figures=figures, context=make_context(seed=config.seed, command=command), detail=detail)


def _measure(
    config: BenchConfig,
    items: int,
    codes: str,
    at: str,
    result: tuple[dict[str, float], dict[str, Any]],
    progress: Progress | None,
) -> None:
    """One catalogue; its figures' names end in ``at``."""
    figures, detail = result
    built = measure_build(items, config.levels, config.vocab, codes, config.seed, config.clock)
    figures[f"build_s{at}"] = round(built["build_s"], 4)
    figures[f"bytes_per_item{at}"] = round(built["bytes"] / items, 2)
    figures[f"build_peak_mb{at}"] = round(built["build_peak_mb"], 1)
    case = Case.make(config, items, codes)
    figures[f"masker_bytes_per_item{at}"] = round(Masker(case.index.arrays, items).nbytes / items, 2)
    figures[f"rule_first_step_ms{at}"] = round(_first_step(case), 4)
    methods: dict[str, Method] = {}
    for name in config.methods:
        try:
            methods[name] = make_method(case, name)
            methods[name].best(0)
        except (ConfigError, ImportError, RuntimeError) as error:
            # no C++ compiler, no transformers, too large: said in the detail
            methods.pop(name, None)
            detail["left_out"][f"{name}{at}"] = str(error).strip().splitlines()[0][:200]
    work = {name: _work(method, config.levels) for name, method in methods.items()}
    for method in methods.values():
        for level in range(config.levels):
            method.ready(level)
    masked, with_best, ratios = _take_turns(config, methods, at, progress)
    for name, ratio in ratios.items():
        figures[f"ratio.{name}{at}"] = round(ratio, 4)
    for name in methods:
        figures[f"step_us.{name}{at}"] = round(sum(masked[name]), 1)
        figures[f"step_best_us.{name}{at}"] = round(sum(with_best[name]), 1)
    detail["levels_us"][at] = {
        name: {"mask": [round(us, 1) for us in masked[name]], "mask_and_best": [round(us, 1) for us in with_best[name]]}
        for name in methods
    }
    detail["work"][at] = work
    figures[f"disagreements{at}"] = _disagreements(work)


def _work(method: Method, levels: int) -> dict[str, list[int]]:
    """What a method leaves open and reads, by level."""
    counted: dict[str, list[int]] = {"open": [], "places": []}
    for level in range(levels):
        method.ready(level)
        found = method.step(level)
        counted["open"].append(method.open(found))
        counted["places"].append(method.read(found))
    return counted


def _first_step(case: Case) -> float:
    """Median milliseconds from a new rule over items to its first continuations, the root's."""
    items = len(case.index)
    plain, clock = Masker(case.index.arrays, items), CLOCKS[case.config.clock]
    rng, times = np.random.default_rng([case.config.seed, 2]), []
    for _ in range(7):
        allowed = rng.random(items) < case.config.share
        allowed[0] = True
        began = clock()
        masker = LiveMasker(plain, Rule.of_items(case.index.arrays, items, allowed))
        masker.step(0, case.nodes[0], case.scores[0])
        times.append(1e3 * (clock() - began))
    return median(times)


def _take_turns(
    config: BenchConfig, methods: dict[str, Method], at: str, progress: Progress | None
) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, float]]:
    """Median microseconds a level of each method: masking, and masking with the choice of the best.

    The third result is the median over the rounds of a method's time for all levels divided by that of ``csr_eager``.
    """
    wait, clock = _waiting(config.device), CLOCKS[config.clock]
    names = list(methods)
    times: dict[tuple[str, int, bool], list[float]] = {}
    rng = np.random.default_rng([config.seed, 3])
    for round_ in range(config.rounds + 1):
        for level in range(config.levels):
            for place in rng.permutation(len(names)):
                name = names[int(place)]
                if name in _SLOW and round_ > _SLOW_ROUNDS:
                    continue
                for chosen in (False, True):
                    action = methods[name].best if chosen else methods[name].step
                    methods[name].ready(level)
                    wait()
                    began = clock()
                    action(level)
                    wait()
                    spent = 1e6 * (clock() - began)
                    if round_:  # the first round warms up, compiling included
                        times.setdefault((name, level, chosen), []).append(spent)
        if progress is not None:
            progress(f"masking {at}", round_, config.rounds)

    def medians(chosen: bool) -> dict[str, list[float]]:
        return {n: [median(times[n, level, chosen]) for level in range(config.levels)] for n in names}

    base = _totals(times, "csr_eager", config.levels)
    ratios = {}
    for name in names if base else ():
        own = _totals(times, name, config.levels)
        ratios[name] = median(mine / theirs for mine, theirs in zip(own, base, strict=False))
    return medians(False), medians(True), ratios


def _totals(times: dict[tuple[str, int, bool], list[float]], name: str, levels: int) -> list[float]:
    """Microseconds of all levels, round by round."""
    if (name, 0, False) not in times:
        return []
    return [sum(spent) for spent in zip(*(times[name, level, False] for level in range(levels)), strict=True)]


def _waiting(device: str) -> Callable[[], None]:
    """Waits until the device has done what it was given."""
    if device == "cpu":
        return lambda: None
    import torch

    return torch.cuda.synchronize if torch.cuda.is_available() else lambda: None


def _disagreements(work: dict[str, dict[str, list[int]]]) -> int:
    """Levels at which a method without a rule that is exact leaves another number of tokens open than the others."""
    exact = [w["open"] for name, w in work.items() if name not in _UNLIKE]
    return sum(len(set(level)) > 1 for level in zip(*exact, strict=True))


_UNLIKE = {"sidra_live", "sidra_cached", "sidra_compacted", "sidra_torch_rule", "sorted_top50", "hash_bitmap"}
"""Under a rule, or not exact by design."""


def short(items: int) -> str:
    """1000000 as 1e6; numbers that are no power of ten as they are."""
    power = len(str(items)) - 1
    return f"1e{power}" if items == 10**power and power > 2 else str(items)
