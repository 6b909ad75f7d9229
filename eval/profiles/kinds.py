"""Profiles that need no language model, and the baselines that a profile has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eval.profiles.people import Person
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.profiles import MAX_TOKENS, Averages, HistoryFacts, Past, fitted, history_facts, rule_profile

Ints = NDArray[np.int64]

WITHOUT_MODEL = ("none", "random", "raw", "tags", "rule")
"""Kinds that are always measured."""
ORDER = ("best_of_n", "one", "rule", "tags", "random")
"""The order that the measure is expected to confirm, best first."""
TAGS = 12
"""Values named in a profile of tags."""


def facts_of(averages: Averages, log: InteractionLog, person: Person) -> HistoryFacts:
    """Facts of what a profile of this person may be written from."""
    first = int(log.offsets[person.user]) + person.start
    rows = slice(first, first + len(person.told))
    past = Past(
        items=log.items[rows],
        values=log.values[rows].astype(np.float64),
        times=log.timestamps[rows],
        kinds=[log.kind_names[kind] for kind in log.kinds[rows]],
    )
    return history_facts(averages, past)


def simple_profiles(
    averages: Averages, people: Sequence[Person], facts: Sequence[HistoryFacts], seed: int
) -> dict[str, list[str]]:
    """Profiles of every kind of :data:`WITHOUT_MODEL`, in the order of the people.

    ``none`` says nothing, ``random`` is somebody else's rule profile, ``raw`` the newest titles that fit the limit,
    ``tags`` the most frequent values of the history, ``rule`` what rules write from the facts.

    Args:
        averages: of the catalogue.
        people: whose.
        facts: of each of them.
        seed: who gets whose.
    """
    rules = [rule_profile(known) for known in facts]
    return {
        "none": [""] * len(people),
        "random": somebody_elses(rules, seed),
        "raw": [raw_history(averages, person.told) for person in people],
        "tags": [top_tags(averages, person.told) for person in people],
        "rule": rules,
    }


def somebody_elses(profiles: Sequence[str], seed: int) -> list[str]:
    """Each user gets the next one's in a shuffled circle: never their own."""
    circle = np.random.default_rng([seed, 3]).permutation(len(profiles))
    found = list(profiles)
    for user, other in zip(circle, np.roll(circle, 1), strict=True):
        found[user] = profiles[other]
    return found


def raw_history(averages: Averages, items: Ints, limit: int = MAX_TOKENS) -> str:
    """Titles, newest first, each once, as many as fit."""
    titles = [averages.catalogue.titles[item] for item in dict.fromkeys(items[::-1].tolist())]
    return "\n".join(fitted(titles[: limit // 2], limit))


def top_tags(averages: Averages, items: Ints, limit: int = MAX_TOKENS) -> str:
    """The most frequent values of the history, however common they are everywhere."""
    counts = np.asarray(averages.tags[np.unique(items)].sum(axis=0)).ravel()
    order = [int(n) for n in np.argsort(-counts, kind="stable")[:TAGS] if counts[n] > 0]
    return ", ".join(fitted([averages.space.tags[n].value for n in order], limit))
