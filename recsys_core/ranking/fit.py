"""Learn the mix of each task on validation targets; test targets are never read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_core.baselines.item_cf import ItemCF
from recsys_core.baselines.nearest import Nearest
from recsys_core.baselines.protocol import ndcg, target_rank
from recsys_core.generator.data import InstructionSampler, Ints
from recsys_core.generator.family import AnyFamily, Found, Rules
from recsys_core.generator.fits import WordFits
from recsys_core.generator.fusion import Fusion
from recsys_core.generator.instructions import Condition, moment_mask
from recsys_core.generator.protocol import Task
from recsys_core.ranking.mix import ServingConfig, TaskMix, added_up, logarithms, with_item_head

Floats = NDArray[np.float32]

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Weights of item-CF that are tried."""

VECTORS = (0.0, 0.1, 0.2, 0.3, 0.4)
"""Weights of vector scores that are tried."""

GUIDANCE = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Guidance factors that are tried for tasks with an instruction. Where categories are many and narrow, validation likes
even larger ones, but then hardly anything but the words decides."""

POWERS = (0.0, 0.5, 1.0)
"""Powers of the relative spread that are tried for the generator's fusion."""

ITEM_HEAD = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the item head in the generator's probability that are tried."""

NEARLY_BEST = 0.99
"""Among mixes with at least this share of the best NDCG, the one in which words bind most is taken: the target of a
validation case satisfies its instruction, but NDCG hardly notices when the other nine items don't."""

GUIDED_TASKS = (Task.category, Task.query)
"""Tasks whose instructions name something that an item is or isn't; only for these is the fit of words trained."""

FEWEST_CASES = 50
"""A task with fewer validation cases keeps the mix of ``for_you``."""

MOST_CASES = 1000
"""Cases scored for each task at most; four times as many for ``for_you``, the task that everybody meets."""

MOST_CANDIDATES = 1000
"""Candidates of each search while learning."""

WIDE_BEAM = 64
"""Beam while learning; wide, so that the mix isn't fitted to what a narrow beam misses."""


@dataclass(frozen=True)
class Case:
    """One validation target under one instruction.

    Attributes:
        history: int64[h], newest last.
        target: item index.
        instruction: words that the target satisfies.
        condition: number of the sampler's condition that the words name; -1 without words.
    """

    history: Ints
    target: int
    instruction: str
    condition: int = -1


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
            cases[condition.task].append(Case(history, target, _wording(condition, rng), number))
        for number in sampler.general:
            condition = sampler.conditions[number]
            if _satisfied(condition, target, moment, history, top_attribute):
                cases[condition.task].append(Case(history, target, _wording(condition, rng), number))
    for task, found in cases.items():
        most = 4 * MOST_CASES if task is Task.for_you else MOST_CASES
        if len(found) > most:
            cases[task] = [found[n] for n in np.sort(rng.choice(len(found), size=most, replace=False))]
    return cases


def fit_mixes(
    family: AnyFamily, fits: WordFits, item_cf: ItemCF, nearest: Nearest, cases: dict[Task, list[Case]]
) -> ServingConfig:
    """Choose fusion, weights and guidance of each task by validation NDCG@10, the simplest among equals.

    Fusion first, for the generator alone, then the weights of its partners: a joint search over all five would fit
    them to a few hundred cases.

    Args:
        family: generates.
        fits: how well items fit words.
        item_cf: a partner.
        nearest: the other one.
        cases: from :func:`validation_cases`.
    """
    base = ServingConfig()
    mixes: dict[Task, TaskMix] = {}
    measured: dict[str, float] = {}
    for task, found in cases.items():
        if len(found) < FEWEST_CASES and task is not Task.for_you:
            continue
        alone, own = _fit_fusion(family, fits.n_items, found)
        guidances = GUIDANCE if task in GUIDED_TASKS else (0.0,)
        ranks = _ranks(family, fits, item_cf, nearest, found, own, guidances, base.floor)
        grid = {key: ndcg(rank) for key, rank in ranks.items()}
        best = max(grid.values())
        close = [key for key, value in grid.items() if value >= NEARLY_BEST * best]
        weight, vectors, guidance = max(close, key=lambda key: (key[2], round(grid[key], 4), -key[0] - key[1]))
        mixes[task] = own.model_copy(update={"item_cf": weight, "vectors": vectors, "guidance": guidance})
        measured |= {f"{task.value}.cases": float(len(found))}
        measured |= {f"{task.value}.{name}": round(value, 5) for name, value in alone.items()}
        measured |= {f"{task.value}.mixed": round(grid[(weight, vectors, guidance)], 5)}
    return base.model_copy(update={"mixes": mixes, "measured": measured})


def _fit_fusion(family: AnyFamily, n_items: int, cases: Sequence[Case]) -> tuple[dict[str, float], TaskMix]:
    """Fusion and share of the item head for the generator alone, and validation NDCG@10 by name."""
    step = max(1, len(cases) // MOST_CASES)
    cases = cases[::step]
    reference = 1.0
    scores: dict[str, float] = {}
    best, chosen = -1.0, TaskMix(item_cf=0.0)
    for power in POWERS:
        fusion = Fusion(power=power, reference=reference)
        ranks: dict[float, list[NDArray[np.int64]]] = {}
        spreads = []
        for part in _searches(family, n_items, cases, fusion):
            spreads.append(part.found.spread)
            for share in ITEM_HEAD if part.head is not None else (0.0,):
                ranks.setdefault(share, []).append(target_rank(part.scores(share), part.masked(), part.targets))
        # the spread doesn't depend on the power; the first one, 0, doesn't need it
        reference = float(max(np.concatenate(spreads).mean(), 1e-3)) if spreads else 1.0
        for share, found in ranks.items():
            value = ndcg(np.concatenate(found))
            scores[f"generator.power_{power:g}.head_{share:g}"] = value
            if value > best * 1.001:
                best, chosen = value, TaskMix(item_cf=0.0, item_head=share, fusion=fusion)
    # kept also where power 0 was chosen and nothing asks for it: the fusion can then be taken apart later
    return scores, chosen.model_copy(update={"fusion": chosen.fusion.model_copy(update={"reference": reference})})


@dataclass(frozen=True)
class _Searched:
    """A chunk of cases after the search.

    Attributes:
        cases: the chunk.
        found: candidates.
        head: float32[B, n_items], log-probabilities of the item head; None where the family has none.
        n_items: size of the catalogue.
        targets: int64[B].
    """

    cases: Sequence[Case]
    found: Found
    head: Floats | None
    n_items: int
    targets: Ints

    def scores(self, share: float) -> Floats:
        """Fused log-probabilities of what the beam reached, -inf elsewhere: float32[B, n_items].

        Args:
            share: of the item head, where there is one.
        """
        scores = np.full((len(self.cases), self.n_items), -np.inf, dtype=np.float32)
        rows = np.broadcast_to(np.arange(len(self.cases))[:, None], self.found.items.shape)
        real = self.found.items >= 0
        scores[rows[real], self.found.items[real]] = self.found.fused[real]
        return scores if self.head is None else with_item_head(scores, self.head, share)

    def masked(self) -> list[Ints]:
        """Histories without their target, where people act on an item again."""
        return [c.history[c.history != c.target] for c in self.cases]


def _searches(
    family: AnyFamily, n_items: int, cases: Sequence[Case], fusion: Fusion, chunk: int = 64
) -> Iterator[_Searched]:
    for start in range(0, len(cases), chunk):
        part = cases[start : start + chunk]
        encoded = family.encode([c.history for c in part], [c.instruction for c in part])
        everything = Rules(np.ones((len(part), n_items), dtype=bool))
        widths = np.full(len(part), WIDE_BEAM, dtype=np.int64)
        found, _ = family.search(encoded, everything, widths, min(n_items, MOST_CANDIDATES), fusion)
        targets = np.array([c.target for c in part], dtype=np.int64)
        yield _Searched(part, found, family.item_head(encoded), n_items, targets)


def _ranks(
    family: AnyFamily,
    fits: WordFits,
    item_cf: ItemCF,
    nearest: Nearest,
    cases: Sequence[Case],
    own: TaskMix,
    guidances: Sequence[float],
    floor: float,
) -> dict[tuple[float, float, float], NDArray[np.int64]]:
    """Rank of each case's target under each (item_cf, vectors, guidance), history masked, ties by item index."""
    keys = [(w, v, g) for w in WEIGHTS for v in VECTORS if w + v <= 0.9 + 1e-9 for g in guidances]
    collected: dict[tuple[float, float, float], list[NDArray[np.int64]]] = {key: [] for key in keys}
    for part in _searches(family, fits.n_items, cases, own.fusion):
        histories = [c.history for c in part.cases]
        told = part.scores(own.item_head)
        told = np.where(np.isfinite(told), told, -50.0)
        fitting = fits([c.instruction for c in part.cases])
        logs = logarithms(told, item_cf.scores(histories), fitting, floor, nearest.scores(histories))
        masked = part.masked()
        for weight, vectors, guidance in keys:
            mix = TaskMix(item_cf=weight, vectors=vectors, guidance=guidance)
            ranks = target_rank(added_up(logs, mix), masked, part.targets)
            collected[(weight, vectors, guidance)].append(ranks)
    return {key: np.concatenate(parts) if parts else np.empty(0, np.int64) for key, parts in collected.items()}


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
