"""Published LaMP questions answered by a judge of pairs: what a person's own past tells beyond the question.

For tasks whose answer is a label (LaMP_2) or a score (LaMP_3). No text is generated, so these are floors for models
that write, not rivals of published tables; headlines, titles and tweets can't be answered this way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eval.figures import Report, make_context
from eval.profiles.lamp_files import SAYS, LampQuestion, LampSet
from recsys_core.errors import DataError
from recsys_core.metrics import bootstrap_mean
from recsys_core.rewards import Judge

Floats = NDArray[np.float64]

ANSWERED = {"LaMP_2": "accuracy", "LaMP_2N": "accuracy", "LaMP_3": "mean_absolute_error"}
"""Tasks that can be answered, and how answers are measured."""
NEAREST = 5
"""So many of a person's entries vote, the likest most."""


def answer_lamp(
    lamp: LampSet, judge: Judge, *, seed: int = 0, resamples: int = 2_000, command: str | None = None
) -> Report:
    """Three answers to a question: without a profile, by the most frequent answer of the past, by its nearest entries.

    Args:
        lamp: questions with their right answers.
        judge: of pairs.
        seed: of the intervals.
        resamples: of the intervals.
        command: for the context.

    Raises:
        DataError: a task that can't be answered so, or questions without right answers.
    """
    if lamp.task not in ANSWERED:
        raise DataError(f"{lamp.task} asks for a text; only {', '.join(ANSWERED)} can be answered by a judge")
    golds = [question.output for question in lamp.questions]
    if None in golds:
        raise DataError(f"{lamp.task}: the right answers are missing; give the outputs file as well")
    right = [str(gold) for gold in golds]
    if lamp.task == "LaMP_3":
        _check_scores(lamp, right)
    labels = sorted({row[SAYS[lamp.task][-1]] for q in lamp.questions for row in q.profile} | set(right))
    asked = [_asked(question.input) for question in lamp.questions]
    plain = _plain(judge, asked, labels, lamp)
    answers = {
        "none": plain,
        "frequent": [_frequent(q, lamp.task) or alone for q, alone in zip(lamp.questions, plain, strict=True)],
        "nearest": [
            _nearest(judge, text, q, lamp.task) or alone
            for text, q, alone in zip(asked, lamp.questions, plain, strict=True)
        ],
    }
    figures: dict[str, float] = {"questions": len(right), "labels": len(labels)}
    for way, given in answers.items():
        interval = bootstrap_mean(_values(given, right, lamp.task), seed=seed, resamples=resamples)
        name = f"{ANSWERED[lamp.task]}.{way}"
        figures |= {name: interval.value, f"{name}.lo": interval.low, f"{name}.hi": interval.high}
    return Report(figures=figures, context=make_context(seed=seed, command=command), detail={"task": lamp.task})


def _check_scores(lamp: LampSet, right: Sequence[str]) -> None:
    for question, gold in zip(lamp.questions, right, strict=True):
        for said in (gold, *(row["score"] for row in question.profile)):
            try:
                number = float(said)
            except ValueError:
                number = float("nan")
            if not np.isfinite(number):
                raise DataError(f"{lamp.task}, question {question.id!r}: a score must be a number, not {said[:40]!r}")


def _asked(text: str) -> str:
    """What a question is about: the part behind its last mark (``description:``, ``review:``, ``article:``)."""
    for mark in ("description:", "review:", "article:"):
        _, found, after = text.rpartition(mark)
        if found and after.strip():
            return after.strip()
    return text


def _plain(judge: Judge, asked: Sequence[str], labels: Sequence[str], lamp: LampSet) -> list[str]:
    """Without a profile: the label that fits the question, or the middle of all scores."""
    if lamp.task == "LaMP_3":
        return [str(float(np.median([float(label) for label in labels])))] * len(asked)
    return [labels[int(best)] for best in judge.scores(asked, labels).argmax(axis=1)]


def _frequent(question: LampQuestion, task: str) -> str:
    said = [row[SAYS[task][-1]] for row in question.profile]
    if not said:
        return ""
    return str(np.median([float(score) for score in said])) if task == "LaMP_3" else Counter(said).most_common(1)[0][0]


def _nearest(judge: Judge, asked: str, question: LampQuestion, task: str) -> str:
    if not question.profile:
        return ""
    about, answer = SAYS[task][0], SAYS[task][-1]
    fits = judge.scores([asked], [row[about] for row in question.profile])[0].astype(np.float64)
    best = np.argsort(-fits, kind="stable")[:NEAREST]
    weights = np.maximum(fits[best], 1e-6)
    said = [question.profile[int(n)][answer] for n in best]
    if task == "LaMP_3":
        return str(float(np.average([float(score) for score in said], weights=weights)))
    votes: dict[str, float] = {}
    for label, weight in zip(said, weights.tolist(), strict=True):
        votes[label] = votes.get(label, 0.0) + weight
    return max(votes, key=lambda label: votes[label])


def _values(given: Sequence[str], right: Sequence[str], task: str) -> Floats:
    if task == "LaMP_3":
        return np.array([abs(float(a) - float(b)) for a, b in zip(given, right, strict=True)])
    return np.array([float(a == b) for a, b in zip(given, right, strict=True)])
