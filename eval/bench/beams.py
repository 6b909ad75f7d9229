"""Narrow, growing, exact and lazy: what cheaper searches lose in quality and gain in work and time, in one table.

Arms of a group answer the same requests of the same model family, so that differences are paired by user; the first
arm of a group, a fixed beam of 50, is what the others are held against. Work is counted (prefixes expanded, codes run
through the language model); time is of single requests, arms taking turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from eval.bench.decoders import fit_decoders
from eval.bench.joined import joined_throughput
from eval.figures import Progress, Report, make_context
from recsys_core.catalog.splits import Split, leave_last_out
from recsys_core.generator.exact import exact_search
from recsys_core.generator.family import Rules
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.generator.widths import BeamConfig
from recsys_core.metrics import bootstrap_mean, bootstrap_paired, ndcg_at, recall_at, target_ranks

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

K = 20
"""Items of every request; quality is taken of the first ten."""

REFERENCE = 50
"""Width of the beam that everything is held against."""

NARROW = 20
"""A narrower one: what is asked for by default."""

GROWTH = 4.0
"""Of the beams that grow level by level: with 16 codes at the first level a smaller one would change nothing."""

BATCH = 32


class Asked(NamedTuple):
    """Answers to n requests: lists int64[n, K] (-1 padded), prefixes expanded float64[n], codes forwarded in all."""

    lists: Ints
    prefixes: Floats
    codes: int


class Arm(NamedTuple):
    """One way to search: ``ask`` takes places among the requests."""

    group: str
    name: str
    ask: Callable[[Ints], Asked]


class Row(BaseModel):
    """One arm, measured; three numbers are a value and its 95 % interval over users."""

    model_config = ConfigDict(extra="forbid")

    group: str
    """What is searched: ``served`` (the mix), ``generator`` (alone), ``lm``, ``lazy``."""
    arm: str
    """How."""
    recall: tuple[float, float, float]
    """Recall@10."""
    ndcg: tuple[float, float, float]
    """NDCG@10."""
    recall_change: tuple[float, float, float]
    """Recall@10 minus that of the reference, paired by user."""
    ndcg_change: tuple[float, float, float]
    """NDCG@10 minus that of the reference."""
    found: float
    """Share of the exact best 20 of its own model that the list holds."""
    prefixes: float
    """Prefixes expanded a request, the root among them."""
    prefix_share: tuple[float, float, float]
    """Those, divided by the reference's, user by user."""
    codes: float
    """Codes that ran through the language model a request; 0 where there is none."""
    p50_ms: float
    """Median milliseconds of one request."""
    time_ratio: tuple[float, float, float]
    """Geometric mean of its time divided by the reference's for the same request."""


def bench_beams(
    recommender: Any,
    home: Path,
    *,
    users: int | None = None,
    requests: int = 100,
    epochs: int = 0,
    concurrency: int = 16,
    seed: int = 0,
    command: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure all arms.

    Args:
        recommender: an open :class:`recsys_core.serving.recommender.Recommender` of the ``compact`` family, calls not
            joined.
        home: where trained decoders are kept.
        users: so many evaluated users, drawn at random; all when None.
        requests: single requests timed.
        epochs: of training the ordinary and the lazy decoder; 0 leaves both out.
        concurrency: threads that ask at once, with calls joined and not; 0 leaves that out.
        seed: of users, weights and resampling.
        command: command line for the context.
        progress: told how far the work is.
    """
    split = leave_last_out(recommender.log)
    rng = np.random.default_rng(seed)
    chosen = split.users if users is None or users >= len(split.users) else rng.choice(split.users, users, False)
    chosen = np.sort(chosen)
    groups = [_served(recommender, split, chosen, "sidra"), _served(recommender, split, chosen, "generator")]
    if epochs:
        folder = home / "bench" / f"decoders-{recommender.release.id}-{epochs}-{seed}"
        both = fit_decoders(recommender, split, folder, epochs=epochs, seed=seed, progress=progress)
        # one group, so that the lazy decoder is held against the ordinary one's beam
        groups.append(_decoder("lm", both.ordinary, split, chosen) + _decoder("lazy", both.lazy, split, chosen))
    targets = split.test_items[np.searchsorted(split.users, chosen)]
    rows = []
    for arms in groups:
        rows += _measure(arms, targets, min(requests, len(chosen)), seed, progress)
    figures = _figures(rows)
    detail: dict[str, Any] = {"users": len(chosen), "k": K, "rows": [row.model_dump(mode="json") for row in rows]}
    if concurrency:
        joined = joined_throughput(recommender, _requests(recommender, split, chosen, K), concurrency)
        figures |= joined.figures(concurrency)
        detail["joined"] = joined._asdict()
    context = make_context(seed=seed, release=recommender.release.id, command=command)
    return Report(figures=figures, context=context, detail=detail)


def _requests(recommender: Any, split: Split, users: Ints, k: int, **how: Any) -> list[GenerateRequest]:
    ids = recommender.catalogue.ids
    return [GenerateRequest(history=[ids[i] for i in split.test_history(int(u))], k=k, **how) for u in users]


def _served(recommender: Any, split: Split, users: Ints, model: str) -> list[Arm]:
    """What the recommender answers; prefixes of a beam are counted by asking the family for the same search."""
    family, ids = recommender.scorer.family, recommender.catalogue
    mix = recommender.scorer.serving.mix(GenerateRequest().task, "")
    histories = [split.test_history(int(u)) for u in users]

    def arm(name: str, **how: Any) -> Arm:
        asked = _requests(recommender, split, users, K, **how)

        def ask(places: Ints) -> Asked:
            results = recommender.recommend([asked[n] for n in places], model=model)
            lists = np.full((len(places), K), -1, dtype=np.int64)
            for row, result in enumerate(results):
                lists[row, : len(result.items)] = ids.indices([item.item_id for item in result.items])
            expanded = np.array([np.nan if r.expanded is None else r.expanded for r in results])
            if "beam" in how and len(places) > 1:
                own = [histories[n] for n in places]
                encoded = family.encode(own, [""] * len(own))
                widths = np.full(len(own), how["beam"], dtype=np.int64)
                expanded = family.search(encoded, _unseen(own, len(ids)), widths, K, mix.fusion)[0].expanded
            return Asked(lists, expanded.astype(np.float64), 0)

        return Arm("served" if model == "sidra" else "generator", name, ask)

    return [
        arm(f"beam{REFERENCE}", beam=REFERENCE),
        arm(f"beam{NARROW}", beam=NARROW),
        arm("exact", search="exact"),
    ]


def _decoder(group: str, generator: Any, split: Split, users: Ints) -> list[Arm]:
    histories = [split.test_history(int(u)) for u in users]
    levels = generator.index.levels

    def beams(width: int, growth: float = 1.0) -> Callable[[Ints], Asked]:
        def ask(places: Ints) -> Asked:
            own = [histories[n] for n in places]
            encoded = generator.encode(own, [""] * len(own))
            widths = BeamConfig(growth=growth).by_level(np.full(len(own), width, dtype=np.int64), levels)
            found, _ = generator.search(encoded, _unseen(own, len(generator.index)), widths, K)
            return Asked(_padded(found.items), found.expanded.astype(np.float64), found.forwarded)

        return ask

    def exactly(places: Ints) -> Asked:
        own = [histories[n] for n in places]
        expander = generator.expander(generator.encode(own, [""] * len(own)))
        allowed = _unseen(own, len(generator.index)).allowed
        found = exact_search(expander, generator.index, allowed, np.full(len(own), K))
        return Asked(_padded(found.items), found.expanded.astype(np.float64), expander.forwarded)

    return [
        Arm(group, f"beam{REFERENCE}", beams(REFERENCE)),
        Arm(group, f"beam{NARROW}", beams(NARROW)),
        Arm(group, f"growing{REFERENCE}", beams(REFERENCE, GROWTH)),
        Arm(group, f"growing{NARROW}", beams(NARROW, GROWTH)),
        Arm(group, "exact", exactly),
    ]


def _unseen(histories: Sequence[Ints], n_items: int) -> Rules:
    allowed = np.ones((len(histories), n_items), dtype=bool)
    for row, history in enumerate(histories):
        allowed[row, history] = False
    return Rules(allowed)


def _padded(items: Ints) -> Ints:
    lists = np.full((len(items), K), -1, dtype=np.int64)
    lists[:, : items.shape[1]] = items[:, :K]
    return lists


def _measure(arms: Sequence[Arm], targets: Ints, timed: int, seed: int, progress: Progress | None) -> list[Row]:
    """Quality of all arms over all users in batches, time of some users one by one, arms taking turns."""
    answers = []
    for number, arm in enumerate(arms):
        parts = [arm.ask(np.arange(s, min(s + BATCH, len(targets)))) for s in range(0, len(targets), BATCH)]
        lists, prefixes = np.concatenate([p.lists for p in parts]), np.concatenate([p.prefixes for p in parts])
        answers.append(Asked(lists, prefixes, sum(p.codes for p in parts)))
        if progress is not None:
            progress(f"{arm.group} {arm.name}", number + 1, len(arms))
    seconds, codes = _times(arms, timed, seed)
    best = {arm.group: answer.lists for arm, answer in zip(arms, answers, strict=True) if arm.name == "exact"}
    first_recall, first_ndcg = (
        measure(target_ranks(answers[0].lists, targets), 10) for measure in (recall_at, ndcg_at)
    )
    rows = []
    for number, (arm, answer) in enumerate(zip(arms, answers, strict=True)):
        ranks = target_ranks(answer.lists, targets)
        recall, gain = recall_at(ranks, 10), ndcg_at(ranks, 10)
        ratio = bootstrap_mean(np.log(seconds[number]) - np.log(seconds[0]), seed=seed)
        rows.append(
            Row(
                group=arm.group,
                arm=arm.name,
                recall=bootstrap_mean(recall, seed=seed),
                ndcg=bootstrap_mean(gain, seed=seed),
                recall_change=bootstrap_paired(recall, first_recall, seed=seed),
                ndcg_change=bootstrap_paired(gain, first_ndcg, seed=seed),
                found=_overlap(answer.lists, best[arm.group]),
                prefixes=float(answer.prefixes.mean()),
                prefix_share=bootstrap_mean(answer.prefixes / answers[0].prefixes, seed=seed),
                codes=float(codes[number]),
                p50_ms=float(np.median(seconds[number]) * 1e3),
                time_ratio=(float(np.exp(ratio.value)), float(np.exp(ratio.low)), float(np.exp(ratio.high))),
            )
        )
    return rows


def _times(arms: Sequence[Arm], timed: int, seed: int) -> tuple[Floats, Floats]:
    """Seconds float64[arms, timed] of single requests, and codes a single request forwards: float64[arms]."""
    seconds, codes = np.zeros((len(arms), timed)), np.zeros((len(arms), timed))
    rng = np.random.default_rng(seed)
    for arm in arms:
        arm.ask(np.arange(1))
    for place in range(timed):
        for number in rng.permutation(len(arms)).tolist():
            began = time.perf_counter()
            codes[number, place] = arms[number].ask(np.array([place])).codes
            seconds[number, place] = time.perf_counter() - began
    return seconds, codes.mean(axis=1)


def _overlap(lists: Ints, best: Ints) -> float:
    shares = [len(set(a[a >= 0]) & set(b[b >= 0])) / max(1, (b >= 0).sum()) for a, b in zip(lists, best, strict=True)]
    return float(np.mean(shares))


def _figures(rows: Sequence[Row]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for row in rows:
        name = f"{row.group}_{row.arm}"
        figures |= {
            f"recall@10.{name}": round(row.recall[0], 5),
            f"ndcg@10.{name}": round(row.ndcg[0], 5),
            f"prefixes.{name}": round(row.prefixes, 2),
            f"prefix_share.{name}": round(row.prefix_share[0], 4),
            f"found.{name}": round(row.found, 4),
            f"p50_ms.{name}": round(row.p50_ms, 3),
            f"time_ratio.{name}": round(row.time_ratio[0], 4),
        }
    return figures
