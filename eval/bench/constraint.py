"""What masking costs: every way of it on the same states and scores, taking turns, level by level.

A catalogue of random semantic IDs is made for each size. States are the ancestors of random allowed leaves, so deep
levels are met as a search meets them. All methods get the same states and scores in turn, so that whatever else the
machine does falls on all alike; a figure is the sum over levels of the medians, in microseconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from eval.bench.generate import peak_memory_mb
from eval.figures import Progress, Report, make_context
from recsys_core.constraints import ConstraintIndex
from recsys_core.constraints.masking import Masker
from recsys_core.constraints.prepared import CachedMasker, CompactedMasker
from recsys_core.constraints.rules import LiveMasker, Rule
from recsys_core.errors import ConfigError

CODES = ("uniform", "zipf")
METHODS = (
    "sidra_plain",
    "sidra_live",
    "sidra_cached",
    "sidra_compacted",
    "sidra_processor",
    "sidra_torch",
    "csr_eager",
    "csr_compiled",
    "sorted_exact",
    "sorted_top50",
    "hash_bitmap",
    "prefix_fn",
)
"""All that can be measured; ``sidra_live``, ``_cached`` and ``_compacted`` step under a rule, the others without."""

_SLOW = {"prefix_fn", "sorted_exact", "sorted_top50", "hash_bitmap"}
_SLOW_ROUNDS = 5
_TRIE_ITEMS = 2_000_000
"""A trie of dictionaries takes 1.7 kB an item; larger catalogues go without."""


class BenchConfig(BaseModel):
    """What is measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: tuple[int, ...] = (100_000, 1_000_000)
    """Sizes of the catalogues."""
    levels: int = Field(default=8, ge=1, le=32)
    """Length of a semantic ID."""
    vocab: int = Field(default=2048, ge=1)
    """Tokens a level."""
    beams: int = Field(default=140, ge=1)
    """States of a step, and how many are chosen after it."""
    codes: tuple[str, ...] = CODES
    """How tokens are drawn: evenly, or the r-th one with probability proportional to 1/r."""
    methods: tuple[str, ...] = METHODS
    """What is compared."""
    rounds: int = Field(default=40, ge=1)
    """Timings of each method and level."""
    share: float = Field(default=0.5, gt=0, le=1)
    """Share of items that the live and the cached rule allow."""
    compacted_share: float = Field(default=0.1, gt=0, le=1)
    """Share of those that the compacted rule allows."""
    threads: int = Field(default=1, ge=1)
    """Threads of torch."""
    seed: int = 0
    """Seed of catalogues, states, scores and rules."""


def random_sids(items: int, levels: int, vocab: int, codes: str, seed: int) -> NDArray[np.uint16]:
    """Distinct random semantic IDs, ``uint16 | uint32[items, levels]``, in random order.

    Raises:
        ConfigError: an unknown way to draw, or hardly more semantic IDs than items.
    """
    if codes not in CODES:
        raise ConfigError(f"codes are drawn {' or '.join(CODES)}, not {codes!r}")
    if vocab**levels < 2 * items:
        raise ConfigError(f"{levels} levels of {vocab} tokens are too few for {items} items; raise --levels or --vocab")
    rng = np.random.default_rng(seed)
    kind = np.uint16 if vocab <= 1 << 16 else np.uint32
    shares = 1 / np.arange(1, vocab + 1)
    bounds = np.cumsum(shares) / shares.sum()
    factors = rng.integers(1, 1 << 63, levels, dtype=np.uint64) | np.uint64(1)
    table = np.empty((0, levels), dtype=kind)
    for _ in range(200):
        missing = items - len(table)
        if codes == "uniform":
            drawn = rng.integers(0, vocab, (missing, levels), dtype=kind)
        else:
            places = [bounds.searchsorted(rng.random(missing)) for _ in range(levels)]
            drawn = np.minimum(np.stack(places, axis=1), vocab - 1).astype(kind)
        table = np.concatenate([table, drawn])
        hashed = np.zeros(len(table), dtype=np.uint64)
        for column, factor in zip(table.T, factors, strict=True):
            hashed = (hashed ^ column) * factor
            hashed ^= hashed >> np.uint64(31)
        # equal rows have equal hashes; the few others that do are dropped with them
        first = np.unique(hashed, return_index=True)[1]
        if len(first) == items:
            return table
        table = table[np.sort(first)]
    raise ConfigError(f"no {items} distinct semantic IDs of {levels} levels and {vocab} tokens ({codes}); raise either")


def measure_build(items: int, levels: int, vocab: int, codes: str, seed: int) -> dict[str, float]:
    """Build one index in a process of its own: median seconds, bytes, and the most memory the process held."""
    words = json.dumps([items, levels, vocab, codes, seed])
    script = f"import json; from eval.bench.constraint import build_here; print(json.dumps(build_here(*{words})))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise ConfigError(f"building {items} items failed: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def build_here(items: int, levels: int, vocab: int, codes: str, seed: int) -> dict[str, float]:
    """What :func:`measure_build` runs in its process."""
    table = random_sids(items, levels, vocab, codes, seed)
    before, seconds = peak_memory_mb(), []
    for _ in range(3 if items <= 2_000_000 else 1):
        began = time.perf_counter()
        index = ConstraintIndex.build(table)
        seconds.append(time.perf_counter() - began)
    return {
        "build_s": median(seconds),
        "bytes": index.nbytes,
        "build_peak_mb": peak_memory_mb(),
        "peak_before_mb": before,
    }


@dataclass
class _Case:
    """One catalogue with states and scores for every level."""

    config: BenchConfig
    sids: NDArray[Any]
    index: ConstraintIndex
    rule: Rule
    small: Rule
    prefixes: list[NDArray[np.int64]]
    nodes: list[NDArray[np.int64]]
    scores: list[NDArray[np.float32]]
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, config: BenchConfig, items: int, codes: str) -> _Case:
        sids = random_sids(items, config.levels, config.vocab, codes, config.seed)
        index = ConstraintIndex.build(sids)
        rng = np.random.default_rng([config.seed, 1])
        allowed = rng.random(items) < config.share
        allowed[rng.integers(items)] = True
        small = allowed & (rng.random(items) < config.compacted_share)
        small[np.flatnonzero(allowed)[0]] = True
        chosen = rng.choice(np.flatnonzero(small), config.beams)
        prefixes = [sids[chosen, :level].astype(np.int64) for level in range(config.levels)]
        plain = Masker(index.arrays, items)
        return cls(
            config,
            sids,
            index,
            Rule.of_items(index.arrays, items, allowed),
            Rule.of_items(index.arrays, items, small),
            prefixes,
            [plain.locate(prefix) for prefix in prefixes],
            [rng.standard_normal((config.beams, config.vocab), dtype=np.float32) for _ in range(config.levels)],
        )


Action = Callable[[int], Any]
"""Does one step at a level."""


@dataclass
class _Method:
    """A way of masking: the step, and the step with the choice of the best."""

    step: Action
    best: Action
    open: Callable[[Any], int]
    """How many continuations a step's result leaves open."""
    read: Callable[[Any], int]
    """How many places the step's result has, padding included."""


def _ours(case: _Case, masker: Masker, nodes: Sequence[NDArray[np.int64]]) -> _Method:
    def step(level: int) -> Any:
        return masker.step(level, nodes[level], case.scores[level])

    return _Method(
        step,
        lambda level: step(level).best(case.config.beams),
        lambda found: int(np.count_nonzero(found.scores > -np.inf)),
        lambda found: int(found.scores.size),
    )


def _padded(case: _Case, step: Action) -> _Method:
    """A step that gives scores, tokens and states as tensors ``[B, F]``."""

    def best(level: int) -> Any:
        scores, tokens, states = step(level)
        kept = scores.reshape(-1).topk(min(case.config.beams, scores.numel()))
        return kept.values, tokens.reshape(-1)[kept.indices], states.reshape(-1)[kept.indices]

    return _Method(step, best, lambda found: int((found[0] > -float("inf")).sum()), lambda found: int(found[0].numel()))


def _by_prefix(case: _Case, mask: Callable[[NDArray[np.int64], NDArray[np.float32]], Any]) -> _Method:
    """A step that gives dense scores ``[B, V]``."""
    import torch

    def step(level: int) -> Any:
        return mask(case.prefixes[level], case.scores[level])

    def best(level: int) -> Any:
        flat = torch.from_numpy(np.asarray(step(level))).reshape(-1)
        return flat.topk(min(case.config.beams, flat.numel()))

    return _Method(
        step, best, lambda found: int(np.count_nonzero(found > -np.inf)), lambda found: int(np.asarray(found).size)
    )


def _make_method(case: _Case, name: str) -> _Method:
    import torch

    from recsys_core.constraints import reference

    items = len(case.index)
    plain = Masker(case.index.arrays, items)
    if name == "sidra_plain":
        return _ours(case, plain, case.nodes)
    if name == "sidra_live":
        return _ours(case, LiveMasker(plain, case.rule), case.nodes)
    if name == "sidra_cached":
        return _ours(case, CachedMasker(plain, case.rule), case.nodes)
    if name == "sidra_compacted":
        compacted = CompactedMasker(plain, case.small)
        return _ours(case, compacted, [compacted.locate(prefix) for prefix in case.prefixes])
    if name == "sidra_processor":
        return _processor(case, plain)
    if name == "sidra_torch":
        from recsys_core.constraints.torch_masking import TorchMasker

        masker = TorchMasker(case.index.arrays)
        nodes = [torch.from_numpy(node) for node in case.nodes]
        scores = [torch.from_numpy(each) for each in case.scores]
        return _padded(case, lambda level: masker.step(level, nodes[level], scores[level]))
    if name in {"csr_eager", "csr_compiled"}:
        return _csr(case, compiled=name == "csr_compiled")
    if name == "prefix_fn":
        from recsys_core.constraints.reference.prefix_function import PrefixFunction

        if items > _TRIE_ITEMS:
            raise ConfigError(f"a trie of dictionaries isn't built for more than {_TRIE_ITEMS} items")
        return _by_prefix(case, PrefixFunction(case.sids).mask)
    if name == "hash_bitmap":
        return _by_prefix(case, reference.HashBitmap(case.sids).mask)
    if name == "sorted_top50":
        return _by_prefix(case, reference.SortedArrayTopK(case.sids, 50).mask)
    return _by_prefix(case, reference.SortedArray(case.sids).mask)


def _processor(case: _Case, plain: Masker) -> _Method:
    import torch

    from recsys_core.constraints.processor import SidLogitsProcessor

    processor = SidLogitsProcessor(plain, prompt=0)
    tokens = [torch.from_numpy(prefix) for prefix in case.prefixes]
    scores = [torch.from_numpy(each) for each in case.scores]

    def step(level: int) -> Any:
        # it writes into the scores, so it gets a copy, whose making is counted
        return processor(tokens[level], scores[level].clone())

    def best(level: int) -> Any:
        return step(level).reshape(-1).topk(min(case.config.beams, scores[level].numel()))

    return _Method(step, best, lambda found: int((found > -float("inf")).sum()), lambda found: int(found.numel()))


def _csr(case: _Case, compiled: bool) -> _Method:
    import torch

    from recsys_core.constraints.reference.padded_csr import PaddedCsr

    csr = PaddedCsr(case.index.arrays, case.config.vocab, dense_levels=1)
    states = [torch.from_numpy(node + csr.first_state[level]) for level, node in enumerate(case.nodes)]
    scores = [torch.from_numpy(each) for each in case.scores]
    if not compiled:
        return _padded(case, lambda level: csr.step(level, states[level], scores[level]))
    steps = [csr.compiled(level) for level in range(csr.levels)]
    return _padded(case, lambda level: steps[level](states[level], scores[level]))


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
    built = measure_build(items, config.levels, config.vocab, codes, config.seed)
    figures[f"build_s{at}"] = round(built["build_s"], 4)
    figures[f"bytes_per_item{at}"] = round(built["bytes"] / items, 2)
    figures[f"build_peak_mb{at}"] = round(built["build_peak_mb"], 1)
    case = _Case.make(config, items, codes)
    figures[f"masker_bytes_per_item{at}"] = round(Masker(case.index.arrays, items).nbytes / items, 2)
    figures[f"rule_first_step_ms{at}"] = round(_first_step(case), 4)
    methods: dict[str, _Method] = {}
    for name in config.methods:
        try:
            methods[name] = _make_method(case, name)
            methods[name].best(0)
        except (ConfigError, ImportError, RuntimeError) as error:
            # no C++ compiler, no transformers, too large: said in the detail
            methods.pop(name, None)
            detail["left_out"][f"{name}{at}"] = str(error).strip().splitlines()[0][:200]
    work = {
        name: {
            "open": [method.open(method.step(level)) for level in range(config.levels)],
            "places": [method.read(method.step(level)) for level in range(config.levels)],
        }
        for name, method in methods.items()
    }
    masked, with_best = _take_turns(config, methods, at, progress)
    for name in methods:
        figures[f"step_us.{name}{at}"] = round(sum(masked[name]), 1)
        figures[f"step_best_us.{name}{at}"] = round(sum(with_best[name]), 1)
    detail["levels_us"][at] = {
        name: {"mask": [round(us, 1) for us in masked[name]], "mask_and_best": [round(us, 1) for us in with_best[name]]}
        for name in methods
    }
    detail["work"][at] = work
    figures[f"disagreements{at}"] = _disagreements(work)


def _first_step(case: _Case) -> float:
    """Median milliseconds from a new rule over items to its first continuations, the root's."""
    items = len(case.index)
    plain = Masker(case.index.arrays, items)
    rng, times = np.random.default_rng([case.config.seed, 2]), []
    for _ in range(7):
        allowed = rng.random(items) < case.config.share
        allowed[0] = True
        began = time.perf_counter()
        masker = LiveMasker(plain, Rule.of_items(case.index.arrays, items, allowed))
        masker.step(0, case.nodes[0], case.scores[0])
        times.append(1e3 * (time.perf_counter() - began))
    return median(times)


def _take_turns(
    config: BenchConfig, methods: dict[str, _Method], at: str, progress: Progress | None
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Median microseconds a level of each method: masking, and masking with the choice of the best."""
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
                    began = time.perf_counter()
                    action(level)
                    spent = 1e6 * (time.perf_counter() - began)
                    if round_:  # the first round warms up, compiling included
                        times.setdefault((name, level, chosen), []).append(spent)
        if progress is not None:
            progress(f"masking {at}", round_, config.rounds)

    def medians(chosen: bool) -> dict[str, list[float]]:
        return {n: [median(times[n, level, chosen]) for level in range(config.levels)] for n in names}

    return medians(False), medians(True)


def _disagreements(work: dict[str, dict[str, list[int]]]) -> int:
    """Levels at which a method without a rule that is exact leaves another number of tokens open than the others."""
    exact = [w["open"] for name, w in work.items() if name not in _UNLIKE]
    return sum(len(set(level)) > 1 for level in zip(*exact, strict=True))


_UNLIKE = {"sidra_live", "sidra_cached", "sidra_compacted", "sorted_top50", "hash_bitmap"}
"""Under a rule, or not exact by design."""


def short(items: int) -> str:
    """1000000 as 1e6; numbers that are no power of ten as they are."""
    power = len(str(items)) - 1
    return f"1e{power}" if items == 10**power and power > 2 else str(items)
