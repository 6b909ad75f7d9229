"""MALLET's protocol on news: the same article in RAW, BALANCED and COOL, measured in pairs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.calm.adjust import Calmer
from agents.calm.records import RelatedRecords
from agents.calm.types import MODES, CalmRequest, CalmResult, Mode
from agents.llm.protocol import ChatModel, TurnBudget
from eval.calm.controls import parts_alone
from eval.calm.news import CATEGORIES, Article
from eval.calm.speed import cached_speed
from eval.calm.statistics import correlation, holm, paired_t, reading_ease
from eval.calm.violations import violations
from eval.figures import Progress, Report, make_context
from recsys_core.emotion import LexiconScorer, emotion_balance, high_stimulus_rate, stimulus
from recsys_core.metrics.bootstrap import bootstrap_mean

CHANGED: tuple[Mode, ...] = ("balanced", "cool")
RESAMPLES = 1_000
_SHOWN = 12


class Shown(NamedTuple):
    """One mode of all articles, in one order.

    Attributes:
        results: what was shown.
        probabilities: ``float32[n, 6]`` by the classifier.
        second: ``float32[n, 6]`` by the word list.
        similarity: ``float32[n]`` to RAW.
    """

    results: list[CalmResult]
    probabilities: NDArray[np.float32]
    second: NDArray[np.float32]
    similarity: NDArray[np.float32]


async def evaluate_calm(
    articles: Sequence[Article],
    records: Sequence[Article],
    calmer: Calmer,
    llm: ChatModel | None,
    *,
    seed: int = 0,
    command: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Calm every article in every mode and compare.

    Args:
        articles: what is measured; see :func:`eval.calm.news.sample`.
        records: articles that background may come from.
        calmer: what calms; with a cache on disk, a run that was cut off goes on where it was.
        llm: language model; None is the lexicon alone.
        seed: of the resamples.
        command: told in the context; taken from the process when omitted.
        progress: called with (mode, done, total).
    """
    related = RelatedRecords([a.item_id for a in records], [a.description for a in records])
    texts = {article.item_id: article.description for article in records}
    shown = {}
    for mode in MODES:
        shown[mode] = await _shown(articles, mode, related, calmer, llm, progress)
    figures: dict[str, float] = {"items": len(articles)}
    detail: dict[str, Any] = {"categories": {}, "examples": [], "violations": [], "methods": {}}
    tests: dict[str, float] = {}
    for mode in MODES:
        figures |= _of_mode(shown[mode], mode)
    controls = {mode: parts_alone(shown[mode].results, mode, calmer) for mode in CHANGED}
    for mode in CHANGED:
        figures |= controls[mode]
        figures |= _against_raw(shown["raw"], shown[mode], mode, tests, seed)
        detail["categories"][mode] = _by_category(articles, shown["raw"], shown[mode], mode, tests)
        detail["methods"][mode] = _methods(shown[mode].results)
    for name, p in holm(tests).items():
        figures[f"p_holm.{name}"] = p
    found = {
        f"{mode} {article.item_id}": wrong
        for mode in CHANGED
        for article, result in zip(articles, shown[mode].results, strict=True)
        if (wrong := violations(result, texts))
    }
    figures["fact_violations_shown"] = len(found)
    detail["violations"] = found
    detail["examples"] = _examples(articles, shown)
    detail["verdicts"] = _verdicts(figures)
    detail["verdicts"]["World changes least, as in the paper"] = _world_least(detail["categories"])
    detail["scorers"] = {"first": calmer.gauge.name, "second": LexiconScorer.name}
    plain = [CalmRequest(text=article.text, item_id=article.item_id) for article in articles]
    detail["speed"] = cached_speed(calmer, plain, "balanced", llm)
    context = make_context(seed=seed, command=command)
    return Report(figures={name: _rounded(value) for name, value in figures.items()}, context=context, detail=detail)


async def _shown(
    articles: Sequence[Article],
    mode: Mode,
    related: RelatedRecords,
    calmer: Calmer,
    llm: ChatModel | None,
    progress: Progress | None,
) -> Shown:
    results: list[CalmResult] = []
    for article in articles:
        sources = related.sources(article.text, article.item_id) if mode == "cool" else ()
        request = CalmRequest(text=article.text, item_id=article.item_id, sources=sources)
        # a budget an article: what one spends, the next doesn't lack
        budget = TurnBudget(calls=20, tokens=20_000, seconds=300.0)
        results += [result async for result in calmer.calm([request], mode, llm, budget)]
        if progress:
            progress(f"calming ({mode})", len(results), len(articles))
        await asyncio.sleep(0)
    texts = [result.text for result in results]
    same = [
        calmer.gauge.similarities(result.original, [result.text])[0] if result.text != result.original else 1.0
        for result in results
    ]
    return Shown(
        results, calmer.gauge.scorer.probabilities(texts), LexiconScorer().probabilities(texts), np.array(same)
    )


def _of_mode(shown: Shown, mode: Mode) -> dict[str, float]:
    levels = stimulus(shown.probabilities)
    ease = np.array([reading_ease(result.text) for result in shown.results])
    return {
        f"stimulus.{mode}": float(levels.mean()),
        f"high_stimulus_rate.{mode}": high_stimulus_rate(levels),
        f"emotion_balance.{mode}": emotion_balance(shown.probabilities),
        f"reading_ease.{mode}": float(np.nanmean(ease)),
        f"second.stimulus.{mode}": float(stimulus(shown.second).mean()),
        f"second.high_stimulus_rate.{mode}": high_stimulus_rate(stimulus(shown.second)),
    }


def _against_raw(raw: Shown, shown: Shown, mode: Mode, tests: dict[str, float], seed: int) -> dict[str, float]:
    before, after = stimulus(raw.probabilities), stimulus(shown.probabilities)
    second_before, second_after = stimulus(raw.second), stimulus(shown.second)
    fall = bootstrap_mean(after - before, seed=seed, resamples=RESAMPLES)
    alike = bootstrap_mean(shown.similarity, seed=seed, resamples=RESAMPLES)
    tests[mode], d = paired_t(before, after)
    tests[f"second.{mode}"], second_d = paired_t(second_before, second_after)
    touched = np.array([result.text != result.original for result in shown.results])
    mean = float(before.mean())
    return {
        f"stimulus_change.{mode}": fall.value / mean,
        f"stimulus_change.{mode}_low": fall.low / mean,
        f"stimulus_change.{mode}_high": fall.high / mean,
        f"cohens_d.{mode}": d,
        f"similarity.{mode}": alike.value,
        f"similarity.{mode}_low": alike.low,
        f"similarity.{mode}_high": alike.high,
        f"correlation.{mode}": correlation((before - after).tolist(), shown.similarity.tolist()),
        f"correlation_changed.{mode}": correlation(
            (before - after)[touched].tolist(), shown.similarity[touched].tolist()
        ),
        f"changed.{mode}": float(np.mean([result.made_by != "unchanged" for result in shown.results])),
        f"framed.{mode}": float(np.mean([result.frame is not None for result in shown.results])),
        f"with_background.{mode}": float(np.mean([result.background is not None for result in shown.results])),
        f"second.stimulus_change.{mode}": _relative(second_before, second_after),
        f"second.cohens_d.{mode}": second_d,
    }


def _by_category(
    articles: Sequence[Article], raw: Shown, shown: Shown, mode: Mode, tests: dict[str, float]
) -> dict[str, dict[str, float]]:
    before, after = stimulus(raw.probabilities), stimulus(shown.probabilities)
    second_before, second_after = stimulus(raw.second), stimulus(shown.second)
    rows = {}
    for category in CATEGORIES:
        here = np.array([article.category == category for article in articles])
        if not here.any():
            continue
        tests[f"{mode}.{category}"], d = paired_t(before[here], after[here])
        rows[category] = {
            "items": int(here.sum()),
            "stimulus_raw": float(before[here].mean()),
            "stimulus_change": _relative(before[here], after[here]),
            "cohens_d": d,
            "similarity": float(shown.similarity[here].mean()),
            "second_stimulus_change": _relative(second_before[here], second_after[here]),
        }
    return rows


def _verdicts(figures: dict[str, float]) -> dict[str, bool]:
    """The statements of the paper, and ours, that this run confirms."""
    sure = {mode: figures[f"p_holm.{mode}"] < 0.05 for mode in CHANGED}
    return {
        "COOL lowers stimulus by 19 % or more": figures["stimulus_change.cool"] <= -0.19 and sure["cool"],
        "BALANCED lowers stimulus by 13 % or more": figures["stimulus_change.balanced"] <= -0.13 and sure["balanced"],
        "similarity stays at 0.85 or more": min(figures[f"similarity.{mode}"] for mode in CHANGED) >= 0.85,
        "no fact is lost or invented": figures["fact_violations_shown"] == 0,
        "reduction and similarity are unrelated (|r| at most 0.1)": all(
            abs(figures[f"correlation.{mode}"]) <= 0.1 for mode in CHANGED
        ),
        "the second scorer sees a fall, too": all(figures[f"second.stimulus_change.{mode}"] < 0 for mode in CHANGED),
    }


def _world_least(categories: dict[str, dict[str, dict[str, float]]]) -> bool:
    """The paper's pattern: in both modes the share of stimulus taken away is smallest in World."""
    return all(
        "World" in rows and max(rows, key=lambda name: rows[name]["stimulus_change"]) == "World"
        for rows in categories.values()
    )


def _methods(results: Sequence[CalmResult]) -> dict[str, int]:
    return {name: sum(result.made_by == name for result in results) for name in ("llm", "lexicon", "unchanged")}


def _examples(articles: Sequence[Article], shown: dict[Mode, Shown]) -> list[dict[str, Any]]:
    """Some articles whose wording changed, in order, for people to judge."""
    found: list[dict[str, Any]] = []
    for article, calm, cool in zip(articles, shown["balanced"].results, shown["cool"].results, strict=True):
        if calm.made_by != "unchanged" and len(found) < _SHOWN:
            source = cool.background.item_id if cool.background else None
            found.append(
                {
                    "item": article.item_id,
                    "category": article.category,
                    "raw": calm.original,
                    "balanced": calm.text,
                    "cool": cool.text,
                    "source": source,
                    "stimulus": [calm.stimulus_before, calm.stimulus_after, cool.stimulus_after],
                }
            )
    return found


def _relative(before: NDArray[np.floating], after: NDArray[np.floating]) -> float:
    mean = float(before.mean())
    return (float(after.mean()) - mean) / mean if mean > 0 else float("nan")


def _rounded(value: float) -> float:
    """Four decimals, but a small p-value stays what it is."""
    return float(f"{value:.4g}") if 0 < abs(value) < 1e-3 else round(float(value), 4)
