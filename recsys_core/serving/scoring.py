"""Scores for a batch of queries: search, item-CF, mixing, anchors and dislikes; arrays in, ranked lists out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_core.baselines.item_cf import ItemCF
from recsys_core.baselines.nearest import Nearest
from recsys_core.baselines.popularity import popularity_probability
from recsys_core.catalog.filters import ItemFilter
from recsys_core.errors import RequestError
from recsys_core.generator.exact import Expands, exact_search
from recsys_core.generator.family import AnyFamily, Rules, degraded_reasons
from recsys_core.generator.fits import WordFits
from recsys_core.generator.fusion import Fusion
from recsys_core.generator.protocol import ScoredItem, Task
from recsys_core.generator.widths import BeamConfig
from recsys_core.ranking.diversity import diversified
from recsys_core.ranking.leaning import NO_LEANING, Leaning
from recsys_core.ranking.mix import ServingConfig, TaskMix, geometric, with_item_head
from recsys_core.serving.partners import Partners
from recsys_core.serving.plan import AS_BUILT, ServingPlan

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BASELINES = ("item_cf", "popularity")
"""Models that use no generator."""

ABLATIONS = {
    "generator_sigma": {"power": 1.0, "best_prefix_only": False},
    "generator_top1": {"power": 0.0, "best_prefix_only": True},
    "generator_fixed": {"power": 0.0, "best_prefix_only": False},
}
"""The generator's fusion taken apart: sharpness proportional to the spread of the prefixes (SIGMA's formula, brought to
a mean of 1), only the best prefix, and the plain product of probabilities (sigma fixed). Nothing else differs."""


@dataclass(frozen=True)
class Query:
    """A request in item indices.

    Attributes:
        history: int64[h], newest last, anchors at the end.
        instruction: plain words.
        task: the task.
        allowed: bool[n_items]; what ``filter`` and ``excluded`` leave.
        filter: the rule asked for, if any.
        excluded: int64[e], items that must not come back whatever the filter says; sorted, each once.
        anchors: int64[a].
        avoid: int64[d].
        k: how many items.
        beam: how many prefixes.
        search: by a beam, or exactly.
        leaning: what a profile adds.
    """

    history: Ints
    instruction: str
    task: Task
    allowed: NDArray[np.bool_]
    filter: ItemFilter | None
    excluded: Ints
    anchors: Ints
    avoid: Ints
    k: int
    beam: int
    search: Literal["beam", "exact"] = "beam"
    leaning: Leaning = NO_LEANING


class Ranked(NamedTuple):
    """Answers to B queries.

    Attributes:
        lists: best first; ``item_id`` holds the item index as text.
        timings: milliseconds by stage, for the whole batch.
        expanded: prefixes that an exact search of each query expanded; None for a beam.
        degraded: why each query was answered by another engine than asked for; empty where it wasn't.
    """

    lists: list[list[ScoredItem]]
    timings: dict[str, float]
    expanded: list[int | None]
    degraded: list[str]


class ItemScores(NamedTuple):
    """One item under several histories.

    Attributes:
        scores: float32[histories] in nats.
        gain: what the instruction adds under the first history, in nats; 0 without one.
        degraded: why another engine than asked for was used for some of them; empty where none was.
    """

    scores: Floats
    gain: float
    degraded: str


class _Searched(NamedTuple):
    """What searches found: exact log-probabilities and scores float32[B, n_items], -inf where there are none."""

    exact: Floats
    scores: Floats
    expanded: list[int | None]
    timings: dict[str, float]


class Scorer:
    """Everything of a release that scores.

    Args:
        family: generates.
        fits: how well items fit words, whichever family generates.
        item_cf: the partner.
        popularity: int64[n_items] training counts.
        item_vectors: float32[n_items, d], unit rows, for anchors and dislikes.
        sids: int32[n_items, L].
        serving: what validation chose for this family.
        beam: widths by level.
        plan: what was promoted for this release; ``serving``, ``item_cf`` and ``beam`` have its changes already.
    """

    def __init__(
        self,
        family: AnyFamily,
        fits: WordFits,
        item_cf: ItemCF,
        popularity: NDArray[np.int64],
        item_vectors: Floats,
        sids: NDArray[np.int32],
        serving: ServingConfig,
        beam: BeamConfig | None = None,
        plan: ServingPlan = AS_BUILT,
    ) -> None:
        self.family = family
        self.fits = fits
        self.item_cf = item_cf
        self.popularity = popularity_probability(popularity)
        self.item_vectors = item_vectors
        self.nearest = Nearest(item_vectors)
        self.sids = sids
        self.serving = serving
        self.beam = beam or BeamConfig()
        self.plan = plan

    def rank(self, queries: Sequence[Query], model: str) -> Ranked:
        """Ranked lists. Ties go to the smaller item index.

        Raises:
            RequestError: an exact search is asked of a family that has none.
        """
        timings: dict[str, float] = {}
        clock = time.perf_counter()

        def lap(name: str) -> None:
            nonlocal clock
            now = time.perf_counter()
            timings[name] = timings.get(name, 0.0) + (now - clock) * 1e3
            clock = now

        allowed = np.stack([q.allowed for q in queries])
        rules = Rules(allowed, [q.filter for q in queries], [q.excluded for q in queries])
        encoded = self.family.encode([q.history for q in queries], [q.instruction for q in queries])
        lap("encode")
        searched = np.full(allowed.shape, -np.inf, dtype=np.float32)
        expanded: list[int | None] = [None] * len(queries)
        if model in BASELINES:
            scores = self._baseline(queries, model)
        else:
            mixes = [self._mix(q, model) for q in queries]
            shares = any(m.item_head for m in mixes)
            head = self.family.item_head(encoded) if shares else None
            partners = Partners(self, queries, mixes, head, mixed=model == "sidra")
            lap("partners")
            searched, scores, expanded, spent = self._search(encoded, queries, mixes, rules, partners)
            _add(timings, spent)
            clock = time.perf_counter()
        scores[~allowed] = -np.inf
        lap("mix")
        varied = model == "sidra" and self.plan.diversity > 0
        choose = self._varied if varied else _top
        chosen = [choose(row, q.k) for row, q in zip(scores, queries, strict=True)]
        exact = self._exact(encoded, chosen, searched)
        lap("rank")
        lists = [
            [
                ScoredItem(
                    item_id=str(item),
                    sid=self.sids[item].tolist(),
                    log_probability=float(logp),
                    score=float(scores[row, item]),
                )
                for item, logp in zip(items.tolist(), exact[row], strict=False)
            ]
            for row, items in enumerate(chosen)
        ]
        return Ranked(lists, timings, expanded, degraded_reasons(encoded, len(queries)))

    def score_item(self, item: int, histories: Sequence[Ints], task: Task, instruction: str) -> ItemScores:
        """Served score of one item under several histories, and what the instruction adds under the first.

        The item is scored by its exact probability; fusion needs the other items of its prefix and is left out.
        """
        mix = self.serving.mix(task, instruction)
        column = np.full((len(histories), 1), item, dtype=np.int64)
        encoded = self.family.encode(histories, [instruction] * len(histories))
        logp = self.family.log_probabilities(encoded, column)[:, 0]
        fits = self.fits([instruction])[:, item]
        cf = self.item_cf.scores(list(histories))[:, item]
        near = self.nearest.scores(list(histories))[:, item] if mix.vectors else None
        gain, degraded = 0.0, degraded_reasons(encoded, len(histories))
        if instruction.strip():
            unspoken = self.family.encode([histories[0]], [""])
            silent = self.family.log_probabilities(unspoken, column[:1])
            degraded += degraded_reasons(unspoken, 1)
            gain = float(logp[0] - silent[0, 0])
        head = self.family.item_head(encoded) if mix.item_head else None
        own = logp if head is None else with_item_head(logp, head[:, item], mix.item_head)
        degraded += degraded_reasons(encoded, len(histories))  # the head may have been the first to fail
        scores = geometric(own, cf, fits, mix, self.serving.floor, near)
        return ItemScores(scores, gain, next(filter(None, degraded), ""))

    def _varied(self, scores: Floats, k: int) -> Ints:
        """As :func:`_top`, the best of the plan's depth reranked for variety."""
        best = _top(scores, max(k, self.plan.depth or k))
        return diversified(best, scores[best], self.item_vectors[best], k, self.plan.diversity)

    def _mix(self, query: Query, model: str) -> TaskMix:
        """How a query is mixed; an ablation changes the generator's fusion and nothing else."""
        mix = self.serving.mix(query.task, query.instruction)
        if model in ABLATIONS:
            return mix.model_copy(update={"fusion": mix.fusion.model_copy(update=ABLATIONS[model])})
        return mix

    def _search(
        self, encoded: Any, queries: Sequence[Query], mixes: Sequence[TaskMix], rules: Rules, partners: Partners
    ) -> _Searched:
        """What the searches of a batch found, and what it is ranked by.

        Items that a beam didn't find are ranked without the generator (item-CF may know them), or not at all where
        nothing is mixed in; after an exact search, not at all: none of them can be among the best.
        """
        shape = rules.allowed.shape
        out = _Searched(np.full(shape, -np.inf, np.float32), np.full(shape, -np.inf, np.float32), [None] * shape[0], {})
        kinds = [(m.fusion, q.search) for m, q in zip(mixes, queries, strict=True)]
        for fusion, kind in dict.fromkeys(kinds):
            rows = np.array([n for n, each in enumerate(kinds) if each == (fusion, kind)])
            part, own = encoded.take(rows), rules.take(rows)
            if kind == "exact":
                self._search_exactly(part, own, rows, [queries[n].k for n in rows], fusion, partners, out)
                continue
            widths = self.beam.by_level(np.array([queries[n].beam for n in rows]), self.sids.shape[1])
            pool = max(self.serving.pool, max(q.k for q in queries))
            found, spent = self.family.search(part, own, widths, pool, fusion)
            began = time.perf_counter()
            place = np.broadcast_to(rows[:, None], found.items.shape)
            real = found.items >= 0
            out.exact[place[real], found.items[real]] = found.log_probability[real]
            out.scores[place[real], found.items[real]] = found.fused[real]
            for row in rows.tolist():
                out.scores[row] = partners.score(row, slice(None), out.scores[row])
            _add(out.timings, {**spent, "mix": (time.perf_counter() - began) * 1e3})
        return out

    def _search_exactly(
        self,
        part: Any,
        rules: Rules,
        rows: Ints,
        wanted: Sequence[int],
        fusion: Fusion,
        partners: Partners,
        out: _Searched,
    ) -> None:
        """The best of some queries, as if beam and pool held the whole catalogue; written into ``out`` at ``rows``."""
        if not isinstance(self.family, Expands):
            name = type(self.family).__name__
            raise RequestError(f"search: the generator that is loaded ({name}) has no exact search; ask for 'beam'")
        began = time.perf_counter()

        def ranking(row: int, items: Ints, log_probability: Floats) -> Floats:
            return partners.score(int(rows[row]), items, log_probability)

        expander = self.family.expander(part)
        many = np.array(wanted, dtype=np.int64)
        found = exact_search(expander, self.family.index, rules.allowed, many, fusion, ranking)
        for number, row in enumerate(rows.tolist()):
            items = found.items[number][found.items[number] >= 0]
            out.exact[row, items] = found.log_probability[number, : len(items)]
            out.scores[row, items] = found.score[number, : len(items)]
            out.expanded[row] = int(found.expanded[number])
        _add(out.timings, {"search": (time.perf_counter() - began) * 1e3})

    def _baseline(self, queries: Sequence[Query], model: str) -> Floats:
        if model == "popularity":
            return np.tile(np.log(self.popularity), (len(queries), 1))
        return np.asarray(
            np.log(self.item_cf.scores([q.history for q in queries]) + self.serving.floor), dtype=np.float32
        )

    def _exact(self, encoded: Any, chosen: Sequence[Ints], searched: Floats) -> Floats:
        """Exact log-probabilities of the chosen items: float32[B, longest].

        Those that the search met are known; only what item-CF brought in is computed.
        """
        longest = max([1, *(len(items) for items in chosen)])
        padded = np.full((len(chosen), longest), -1, dtype=np.int64)
        for row, items in enumerate(chosen):
            padded[row, : len(items)] = items
        rows = np.arange(len(chosen))[:, None]
        known = np.where(padded >= 0, searched[rows, np.maximum(padded, 0)], -np.inf)
        missing = (padded >= 0) & ~np.isfinite(known)
        if missing.any():
            needed = np.flatnonzero(missing.any(axis=1))
            part = encoded.take(needed)
            asked = np.where(missing[needed], padded[needed], -1)
            # only the columns that somebody asks for: item-CF's own finds are few
            width = int((asked >= 0).sum(axis=1).max())
            order = np.argsort(asked < 0, axis=1, kind="stable")[:, :width]
            found = self.family.log_probabilities(part, np.take_along_axis(asked, order, axis=1))
            filled = known[needed]
            np.put_along_axis(
                filled, order, np.where(np.isfinite(found), found, np.take_along_axis(filled, order, 1)), 1
            )
            known[needed] = filled
        return known.astype(np.float32)


def _add(timings: dict[str, float], spent: dict[str, float]) -> None:
    for name, ms in spent.items():
        timings[name] = timings.get(name, 0.0) + ms


def _top(scores: Floats, k: int) -> Ints:
    """Indices of the k best finite scores, best first, ties by index: float32[n] to int64[<= k]."""
    possible = np.flatnonzero(scores > -np.inf)
    if len(possible) > 4 * k:
        part = np.argpartition(-scores[possible], k - 1)[:k]
        # everything that ties with the last place competes for it by index
        possible = possible[scores[possible] >= scores[possible][part].min()]
    order = np.lexsort((possible, -scores[possible]))[:k]
    return possible[order].astype(np.int64)
