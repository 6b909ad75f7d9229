"""Does one model serve all tasks? Each test target under words that it satisfies, against silence and against a filter.

The words name a condition of the target (its category, the long tail, something unlike the usual), so whoever follows
them has fewer items to choose from. Compared are Sidra told in words, Sidra not told, and SASRec ranking only the items
that satisfy the condition, which needs the condition as a rule and can't miss it. Following is the share of the ten
items that satisfy the condition when nothing but words asks for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from eval.comparison.bench import Bench
from eval.comparison.contenders import BEAM
from eval.figures import Progress
from recsys_core.baselines.protocol import SequenceScorer, target_rank
from recsys_core.generator.data import InstructionSampler
from recsys_core.generator.prepare import prepare_sampler
from recsys_core.generator.protocol import GenerateRequest, Task
from recsys_core.metrics import Interval, bootstrap_mean
from recsys_core.ranking.fit import FEWEST_CASES, Case, validation_cases

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BATCH = 64


class TaskResult(BaseModel):
    """One task; hit rates are Recall@10 of the held-out target."""

    model_config = ConfigDict(extra="forbid")

    cases: int
    """Test users whose target satisfies a condition of the task, a sample of at most 1,000."""
    told: Interval
    """Hit rate of what is served, told in words."""
    silent: Interval
    """The same model and users without words."""
    filtered: Interval
    """SASRec among the items that satisfy the condition."""
    following: Interval
    """Share of the told lists that satisfies the condition, in wordings that training used."""
    following_unseen: Interval | None
    """The same in wordings that training never used; None where the condition has none."""
    following_silent: Interval
    """The same without words: what chance and taste give."""


def measure_tasks(
    bench: Bench, recommender: Any, sasrec: SequenceScorer, *, seed: int, progress: Progress | None = None
) -> dict[str, TaskResult]:
    """Measure every task that has enough cases.

    Args:
        bench: the data.
        recommender: open, of the compared release.
        sasrec: fitted on the same data.
        seed: of wordings, samples and intervals.
        progress: told how far the work is.
    """
    prepared = prepare_sampler(bench.catalogue, bench.split, np.load(recommender.release.text_vectors), seed=seed)
    users = bench.split.users
    moments = bench.log.timestamps[bench.log.offsets[1:][users] - 1]
    cases = validation_cases(bench.histories, bench.targets, moments, prepared.sampler, prepared.top_attribute, seed)
    results = {}
    for task, found in cases.items():
        if task is Task.for_you or len(found) < FEWEST_CASES:
            continue
        if progress:
            progress(f"task {task.value}", 0, 1)
        results[task.value] = _measure(bench, recommender, sasrec, prepared.sampler, task, found, seed, prepared)
    return results


def figures(results: dict[str, TaskResult]) -> dict[str, float]:
    """``hit@10.TASK.told`` ..., ``following.TASK``, ``following.TASK.unseen``."""
    flat: dict[str, float] = {}
    for task, result in results.items():
        named = {
            f"hit@10.{task}.told": result.told,
            f"hit@10.{task}.silent": result.silent,
            f"hit@10.{task}.filtered_sasrec": result.filtered,
            f"following.{task}": result.following,
            f"following.{task}.silent": result.following_silent,
        }
        if result.following_unseen is not None:
            named[f"following.{task}.unseen"] = result.following_unseen
        for name, interval in named.items():
            flat |= {name: interval.value, f"{name}.lo": interval.low, f"{name}.hi": interval.high}
        flat[f"cases.{task}"] = result.cases
    return flat


def _measure(
    bench: Bench,
    recommender: Any,
    sasrec: SequenceScorer,
    sampler: InstructionSampler,
    task: Task,
    cases: list[Case],
    seed: int,
    prepared: Any,
) -> TaskResult:
    masks = [_satisfying(sampler, case, prepared.top_attribute, len(bench.catalogue)) for case in cases]
    told = _lists(bench, recommender, task, cases, [c.instruction for c in cases])
    silent = _lists(bench, recommender, Task.for_you, cases, ["" for _ in cases])
    rng = np.random.default_rng(seed)
    unseen = [_unseen(sampler, case, rng) for case in cases]
    held = [n for n, words in enumerate(unseen) if words]
    spoken = _lists(bench, recommender, task, [cases[n] for n in held], [unseen[n] for n in held])

    def mean(values: Floats) -> Interval:
        return bootstrap_mean(values, seed=seed)

    return TaskResult(
        cases=len(cases),
        told=mean(_hits(told, cases)),
        silent=mean(_hits(silent, cases)),
        filtered=mean(_filtered(sasrec, cases, masks)),
        following=mean(_share(told, masks)),
        following_unseen=mean(_share(spoken, [masks[n] for n in held])) if held else None,
        following_silent=mean(_share(silent, masks)),
    )


def _satisfying(sampler: InstructionSampler, case: Case, classes: Ints, n_items: int) -> NDArray[np.bool_]:
    condition = sampler.conditions[case.condition]
    if condition.items is not None:
        return condition.items
    if condition.task is Task.discover:
        own = classes[case.history]
        return np.asarray((classes >= 0) & (classes != np.bincount(own[own >= 0]).argmax()))
    return np.ones(n_items, dtype=bool)  # a moment says nothing about an item


def _unseen(sampler: InstructionSampler, case: Case, rng: np.random.Generator) -> str:
    held_out = sampler.conditions[case.condition].held_out
    return str(held_out[int(rng.integers(len(held_out)))]) if held_out else ""


def _lists(bench: Bench, recommender: Any, task: Task, cases: list[Case], words: list[str]) -> list[Ints]:
    ids, index = bench.catalogue.ids, bench.catalogue.index
    found: list[Ints] = []
    for start in range(0, len(cases), BATCH):
        requests = [
            GenerateRequest(task=task, instruction=said, history=[ids[i] for i in case.history], k=10, beam=BEAM)
            for case, said in zip(cases[start : start + BATCH], words[start : start + BATCH], strict=True)
        ]
        answers = recommender.recommend(requests, model="sidra")
        found += [np.array([index(item.item_id) for item in a.items], dtype=np.int64) for a in answers]
    return found


def _hits(lists: list[Ints], cases: list[Case]) -> Floats:
    return np.array([float(case.target in items) for items, case in zip(lists, cases, strict=True)])


def _share(lists: list[Ints], masks: list[NDArray[np.bool_]]) -> Floats:
    return np.array(
        [float(mask[items].mean()) if len(items) else 0.0 for items, mask in zip(lists, masks, strict=True)]
    )


def _filtered(sasrec: SequenceScorer, cases: list[Case], masks: list[NDArray[np.bool_]]) -> Floats:
    hits = []
    for start in range(0, len(cases), BATCH):
        part = cases[start : start + BATCH]
        scores = sasrec.scores([c.history for c in part])
        scores[~np.stack(masks[start : start + BATCH])] = -np.inf
        targets = np.array([c.target for c in part], dtype=np.int64)
        hits.append(target_rank(scores, [c.history for c in part], targets) < 10)
    return np.concatenate(hits).astype(np.float64) if hits else np.empty(0)
