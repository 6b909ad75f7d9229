"""How well emotions are named: macro-F1 with intervals, beside a majority and a word-list baseline; and how fast."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.figures import Progress, Report, make_context
from recsys_core.emotion import EMOTIONS, EmotionClassifier, EmotionScorer, LexiconScorer
from recsys_core.emotion.data import emotion6, goemotions
from recsys_core.emotion.scores import f1_scores, macro_f1

RESAMPLES = 1_000


def score_classifier(
    classifier: EmotionClassifier, texts: Sequence[str], truth: NDArray[np.int64], *, seed: int = 0
) -> dict[str, float]:
    """``macro_f1`` with ``_low`` and ``_high``, and ``f1_EMOTION``, of texts with one emotion each."""
    named = np.array([EMOTIONS.index(name) for name in classifier.emotions(texts)])
    return _scored(truth, named, seed)


def evaluate_emotion(
    classifier: EmotionClassifier,
    *,
    goemotions_source: str,
    emotion6_folder: Path | None = None,
    seed: int = 0,
    command: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Classifier, word list and majority on the texts with exactly one of the six emotions.

    Args:
        classifier: what is measured.
        goemotions_source: folder of GoEmotions, or ``hub``.
        emotion6_folder: folder of the set `emotion6`; left out when None.
        seed: of the resamples.
        command: told in the context; taken from the process when omitted.
        progress: called with (stage, done, total).
    """
    tests = {"goemotions": goemotions(goemotions_source, "test").single()}
    majority = _majority(goemotions(goemotions_source, "train").single()[1])
    if emotion6_folder is not None:
        tests["emotion6"] = emotion6(emotion6_folder)
    figures: dict[str, float] = {}
    detail: dict[str, Any] = {"card": classifier.card.model_dump(), "f1": {}, "majority": EMOTIONS[majority]}
    for place, (name, (texts, truth)) in enumerate(tests.items()):
        if progress:
            progress("scoring", place, len(tests))
        figures[f"{name}.texts"] = len(texts)
        rows = {
            "classifier": np.array([EMOTIONS.index(emotion) for emotion in classifier.emotions(texts)]),
            "word_list": _named_by_words(LexiconScorer(), texts, majority),
            "majority": np.full(len(truth), majority),
        }
        for row, named in rows.items():
            scored = _scored(truth, named, seed)
            figures |= {f"{name}.{row}.{key}": scored[key] for key in ("macro_f1", "macro_f1_low", "macro_f1_high")}
            detail["f1"][f"{name}.{row}"] = {emotion: scored[f"f1_{emotion}"] for emotion in EMOTIONS}
        best = max(figures[f"{name}.{row}.macro_f1"] for row in ("word_list", "majority"))
        figures[f"{name}.above_baselines"] = round(figures[f"{name}.classifier.macro_f1"] - best, 4)
    texts = goemotions(goemotions_source, "dev").texts
    figures |= _speed(classifier, texts)
    return Report(figures=figures, context=make_context(seed=seed, command=command), detail=detail)


def _scored(truth: NDArray[np.int64], named: NDArray[np.int64], seed: int) -> dict[str, float]:
    interval = macro_f1(truth, named, resamples=RESAMPLES, seed=seed)
    scores = {"macro_f1": interval.value, "macro_f1_low": interval.low, "macro_f1_high": interval.high}
    scores |= {f"f1_{name}": value for name, value in zip(EMOTIONS, f1_scores(truth, named), strict=True)}
    return {name: round(float(value), 4) for name, value in scores.items()}


def _majority(truth: NDArray[np.int64]) -> int:
    return int(np.bincount(truth, minlength=len(EMOTIONS)).argmax())


def _named_by_words(scorer: EmotionScorer, texts: Sequence[str], majority: int) -> NDArray[np.int64]:
    """What the word list says; the majority where it finds nothing, which is the best it can do."""
    shares = scorer.probabilities(texts)
    return np.where(shares.sum(axis=1) > 0, shares.argmax(axis=1), majority)


def _speed(classifier: EmotionClassifier, texts: Sequence[str]) -> dict[str, float]:
    """Texts a second of wall-clock and of processor time, none of them seen before, and again from memory."""
    fresh = EmotionClassifier(classifier.card, dict(classifier.weights))
    fresh.probabilities(["ready"])
    wall, cpu = time.perf_counter(), time.process_time()
    fresh.probabilities(texts)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    again = time.perf_counter()
    fresh.probabilities(texts)
    again = time.perf_counter() - again
    figures = {
        "speed.texts_per_second": len(texts) / wall,
        "speed.texts_per_cpu_second": len(texts) / cpu,
        "speed.remembered_texts_per_second": len(texts) / again,
    }
    return {name: round(value, 1) for name, value in figures.items()}
