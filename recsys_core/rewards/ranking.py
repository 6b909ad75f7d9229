"""Lists of candidates put before a judge of pairs (one table for all lists) or of lists (one question each)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys_core.rewards.ndcg import places
from recsys_core.rewards.protocol import Judge, ListJudge, Question

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def ranked(
    judge: Judge | ListJudge,
    queries: Sequence[str],
    candidates: Sequence[str],
    about: str,
    lists: Ints,
    count: int,
    shuffles: int,
    rng: np.random.Generator,
) -> Ints:
    """int64[draws * M, Q, count]: places of the first ``count`` candidates of every list, in every order shown.

    Args:
        judge: who ranks.
        queries: Q texts.
        candidates: texts that ``lists`` points at.
        about: what the candidates are.
        lists: int64[draws, Q, C], padded with -1.
        count: how many candidates at the front are the own ones.
        shuffles: M.
        rng: shuffles.
    """
    if not isinstance(judge, ListJudge):
        table, rows, columns = _pairs(judge, queries, candidates)
    found = []
    for drawn in lists:
        present = drawn >= 0
        for _ in range(shuffles):
            order = rng.random(drawn.shape)
            if isinstance(judge, ListJudge):
                scores = _asked(judge, queries, candidates, about, drawn, order)
            else:
                scores = table[rows[:, None], columns[np.maximum(drawn, 0)]]
            found.append(places(scores, present, order, count))
    return np.stack(found)


def _pairs(judge: Judge, queries: Sequence[str], candidates: Sequence[str]) -> tuple[NDArray[np.float32], Ints, Ints]:
    """Scores of all distinct queries with all distinct candidates, and where each of both stands in them.

    Texts that are the same get the same score to the last bit, so that they tie.
    """
    asked, rows = _distinct(queries)
    shown, columns = _distinct(candidates)
    table = judge.scores(asked, shown)
    if table.shape != (len(asked), len(shown)):
        raise ValueError(f"judge {judge.name!r} gave {table.shape} scores, not {(len(asked), len(shown))}")
    return table, rows, columns


def _distinct(texts: Sequence[str]) -> tuple[list[str], Ints]:
    number = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    return list(number), np.array([number[text] for text in texts], dtype=np.int64)


def _asked(
    judge: ListJudge, queries: Sequence[str], candidates: Sequence[str], about: str, drawn: Ints, order: Floats
) -> NDArray[np.float32]:
    """Every list shown to a judge of lists in its order."""
    shown = np.argsort(np.where(drawn >= 0, order, np.inf), axis=1)
    sizes = (drawn >= 0).sum(axis=1)
    seen = [row[:size] for row, size in zip(shown, sizes, strict=True)]
    questions = [
        Question(query, [candidates[n] for n in drawn[row, places_]], about)
        for row, (query, places_) in enumerate(zip(queries, seen, strict=True))
    ]
    scores = np.full(drawn.shape, -np.inf, dtype=np.float32)
    for row, (places_, answer) in enumerate(zip(seen, judge.rank(questions), strict=True)):
        scores[row, places_] = answer
    return scores
