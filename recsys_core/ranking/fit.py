"""Learn the mix of each task on validation targets; test targets are never read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_core.baselines.item_cf import ItemCF
from recsys_core.generator.compact import CompactGenerator
from recsys_core.generator.data import InstructionSampler, Ints
from recsys_core.generator.instructions import Condition, moment_mask
from recsys_core.generator.protocol import Task
from recsys_core.ranking.mix import ServingConfig, TaskMix, geometric

Floats = NDArray[np.float32]

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Weights of item-CF that are tried."""

GUIDANCE = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Guidance factors that are tried for tasks with an instruction."""

NEARLY_BEST = 0.99
"""Among mixes with at least this share of the best NDCG, the one in which words bind most is taken: the target of a
validation case satisfies its instruction, but NDCG hardly notices when the other nine items don't."""

GUIDED_TASKS = (Task.category, Task.query)
"""Tasks whose instructions name something that an item is or isn't; only for these is the fit of words trained."""

FEWEST_CASES = 50
"""A task with fewer validation cases keeps the mix of ``for_you``."""

MOST_CASES = 1000
"""Cases scored for each task at most."""

WIDE_BEAM = 64
"""Beam while learning; wide, so that the mix isn't fitted to what a narrow beam misses."""


@dataclass(frozen=True)
class Case:
    """One validation target under one instruction.

    Attributes:
        history: int64[h], newest last.
        target: item index.
        instruction: words that the target satisfies.
    """

    history: Ints
    target: int
    instruction: str


def validation_cases(
    histories: Sequence[Ints],
    targets: Ints,
    moments: NDArray[np.float64],
    sampler: InstructionSampler,
    top_attribute: Ints,
    seed: int,
) -> dict[Task, list[Case]]:
    """Cases of each task: every user's validation target under an instruction that it satisfies.

    Args:
        histories: item indices per user, newest last.
        targets: int64[n], validation items.
        moments: float64[n], when the targets happened, seconds since 1970.
        sampler: conditions and which item satisfies which.
        top_attribute: int64[n_items], broad class of each item; -1 = unknown.
        seed: of the choice among conditions and wordings.
    """
    rng = np.random.default_rng(seed)
    cases: dict[Task, list[Case]] = {task: [] for task in Task}
    for history, target, moment in zip(histories, targets.tolist(), moments, strict=True):
        cases[Task.for_you].append(Case(history, target, ""))
        for number in _telling(sampler, sampler.item_conditions[target], rng):
            condition = sampler.conditions[number]
            cases[condition.task].append(Case(history, target, _wording(condition, rng)))
        for number in sampler.general:
            condition = sampler.conditions[number]
            if _satisfied(condition, target, moment, history, top_attribute):
                cases[condition.task].append(Case(history, target, _wording(condition, rng)))
    for task, found in cases.items():
        if len(found) > MOST_CASES:
            cases[task] = [found[n] for n in np.sort(rng.choice(len(found), size=MOST_CASES, replace=False))]
    return cases


def fit_mixes(generator: CompactGenerator, item_cf: ItemCF, cases: dict[Task, list[Case]]) -> ServingConfig:
    """Choose weight and guidance of each task by validation NDCG@10, the simplest among equals."""
    base = ServingConfig()
    mixes: dict[Task, TaskMix] = {}
    measured: dict[str, float] = {}
    for task, found in cases.items():
        if len(found) < FEWEST_CASES and task is not Task.for_you:
            continue
        grid = {}
        guidances = GUIDANCE if task in GUIDED_TASKS else (0.0,)
        ranks = _ranks(generator, item_cf, found, guidances, base)
        for key, rank in ranks.items():
            grid[key] = float(np.mean(np.where(rank < 10, 1 / np.log2(rank + 2.0), 0.0))) if len(rank) else 0.0
        best = max(grid.values())
        close = [key for key, value in grid.items() if value >= NEARLY_BEST * best]
        weight, guidance = max(close, key=lambda key: (key[1], round(grid[key], 4), -key[0]))
        mixes[task] = TaskMix(item_cf=weight, guidance=guidance)
        measured |= {
            f"{task.value}.cases": float(len(found)),
            f"{task.value}.generator": round(grid[(0.0, 0.0)], 5),
            f"{task.value}.mixed": round(grid[(weight, guidance)], 5),
        }
    return base.model_copy(update={"mixes": mixes, "measured": measured})


def _ranks(
    generator: CompactGenerator,
    item_cf: ItemCF,
    cases: Sequence[Case],
    guidances: Sequence[float],
    base: ServingConfig,
    chunk: int = 64,
) -> dict[tuple[float, float], NDArray[np.int64]]:
    """Rank of each case's target under each (weight, guidance), history masked, ties by item index."""
    collected: dict[tuple[float, float], list[NDArray[np.int64]]] = {(w, g): [] for w in WEIGHTS for g in guidances}
    for start in range(0, len(cases), chunk):
        part = cases[start : start + chunk]
        histories = [c.history for c in part]
        told, fits = _all_scores(generator, histories, [c.instruction for c in part])
        cf = item_cf.scores(histories)
        targets = np.array([c.target for c in part])
        for weight, guidance in collected:
            scores = geometric(told, cf, fits, TaskMix(item_cf=weight, guidance=guidance), base.floor)
            for row, history in enumerate(histories):
                scores[row, history[history != targets[row]]] = -np.inf
            own = scores[np.arange(len(part)), targets][:, None]
            ahead = (scores > own) | ((scores == own) & (np.arange(scores.shape[1])[None, :] < targets[:, None]))
            collected[(weight, guidance)].append(ahead.sum(axis=1))
    return {key: np.concatenate(parts) if parts else np.empty(0, np.int64) for key, parts in collected.items()}


def _all_scores(generator: CompactGenerator, histories: list[Ints], instructions: list[str]) -> tuple[Floats, Floats]:
    """Log-probabilities of what a wide beam reaches (-50 elsewhere) and given the words alone: float32[B, n_items]."""
    n_items = len(generator.index)
    encoded = generator.encode(histories, instructions)
    everything = np.ones((len(histories), n_items), dtype=bool)
    widths = np.full(len(histories), WIDE_BEAM, dtype=np.int64)
    found, _ = generator.search(encoded, everything, widths, pool=n_items)
    scores = np.full((len(histories), n_items), -50.0, dtype=np.float32)
    rows = np.broadcast_to(np.arange(len(histories))[:, None], found.items.shape)
    real = found.items >= 0
    scores[rows[real], found.items[real]] = found.log_probability[real]
    return scores, generator.fits(encoded)


def _telling(sampler: InstructionSampler, own: Ints, rng: np.random.Generator) -> list[int]:
    """One category and one other condition of an item, if it has them, the narrower the likelier.

    People name what sets an item apart: hardly anyone asks for what most of the catalogue is.
    """
    chosen = []
    for group in (own[sampler.is_category[own]], own[~sampler.is_category[own]]):
        if len(group):
            sizes = np.array([float(np.sum(sampler.conditions[n].items)) for n in group.tolist()])
            chosen.append(int(rng.choice(group, p=(1 / sizes) / (1 / sizes).sum())))
    return chosen


def _wording(condition: Condition, rng: np.random.Generator) -> str:
    return str(rng.choice(np.array(condition.wordings, dtype=object)))


def _satisfied(condition: Condition, target: int, moment: float, history: Ints, top_attribute: Ints) -> bool:
    if condition.items is not None:
        return bool(condition.items[target])
    if condition.task is Task.discover:
        classes = top_attribute[history]
        if top_attribute[target] < 0 or not (classes >= 0).any():
            return False
        return bool(top_attribute[target] != np.bincount(classes[classes >= 0]).argmax())
    return bool(moment_mask(condition, np.array([moment]))[0])
