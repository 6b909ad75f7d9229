"""What a profile is worth to the recommender: NDCG@10 of the next item with each kind of profile and without one.

Four situations, each with the test item as target. ``few``: nobody has more than five interactions (longer histories
are cut to the newest five) and profiles are written from those. ``cut``: the recommender sees the same five, but the
profile was written from the whole history, as when it outlives the log. ``rest``: people with more than five
interactions, whole. ``described``: nothing but the profile, said by the person of themselves, as at a first visit; a
list by popularity stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from eval.profiles.people import FEW, Person
from recsys_core.catalog.splits import Split
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.metrics import Interval, bootstrap_mean, bootstrap_paired, ndcg_at, target_ranks
from recsys_core.ranking.leaning import conditioned

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

K = 10
BATCH = 64
SITUATIONS = ("few", "cut", "rest", "described")
POPULARITY = "popularity"
"""Beside the kinds of ``described``: what is shown to somebody of whom nothing is known."""


class Gain(BaseModel):
    """The recommender with one kind of profile in one situation."""

    model_config = ConfigDict(extra="forbid")

    users: int
    """People measured."""
    ndcg: Interval
    """NDCG@10 of the test item."""
    gain: Interval
    """Minus NDCG@10 of the same people without a profile."""
    relative: float
    """Gain over the NDCG@10 without a profile; 0 where that is 0."""


def ndcg_with(
    recommender: Any,
    histories: Sequence[Ints],
    targets: Ints,
    profiles: Sequence[str],
    *,
    stated: bool = False,
    model: str = "sidra",
) -> Floats:
    """NDCG@10 of each person.

    Args:
        recommender: that answers.
        histories: item indices, newest last.
        targets: int64[people], the next item.
        profiles: text of each.
        stated: whether people say it of themselves.
        model: which ranking answers.
    """
    ids, index = recommender.catalogue.ids, recommender.catalogue.index
    lists = np.full((len(histories), K), -1, dtype=np.int64)
    for start in range(0, len(histories), BATCH):
        part = slice(start, start + BATCH)
        requests = [
            conditioned(
                GenerateRequest(history=[ids[i] for i in history], k=K), **{"about" if stated else "profile": text}
            )
            for history, text in zip(histories[part], profiles[part], strict=True)
        ]
        for row, answer in enumerate(recommender.recommend(requests, model=model), start):
            found = [index(item.item_id) for item in answer.items]
            lists[row, : len(found)] = found
    return ndcg_at(target_ranks(lists, targets), K)


def situation_of(people: Sequence[Person], split: Split, situation: str) -> tuple[Ints, list[Ints], Ints]:
    """Who is in a situation (places in ``people``), what the recommender sees of them, and the next item."""
    rows, histories = [], []
    for row, person in enumerate(people):
        history = split.test_history(person.user)
        if situation == "described":
            history = history[:0]
        elif situation != "rest":
            history = history[-FEW:]
        elif len(history) <= FEW:
            continue
        rows.append(row)
        histories.append(history)
    places = np.array(rows, dtype=np.int64)
    users = np.array([people[row].user for row in rows], dtype=np.int64)
    return places, histories, split.test_items[np.searchsorted(split.users, users)]


def gains(found: dict[str, tuple[Ints, Floats]], seed: int, resamples: int) -> dict[str, Gain]:
    """Every kind against ``none`` on the people who have both.

    Args:
        found: kind -> (places of people, NDCG@10 of each); ``none`` must be among them and know everybody.
        seed: of the intervals.
        resamples: of the intervals.
    """
    places, plain = found["none"]
    results = {}
    for kind, (who, values) in found.items():
        without = plain[np.searchsorted(places, who)]
        gain = bootstrap_paired(values, without, seed=seed, resamples=resamples)
        base = float(without.mean()) if len(without) else 0.0
        results[kind] = Gain(
            users=len(who),
            ndcg=bootstrap_mean(values, seed=seed, resamples=resamples),
            gain=gain,
            relative=gain.value / base if base else 0.0,
        )
    return results
