"""A profile written from facts by rules: concrete, readable, and made to be held against item texts.

A sentence model compares it with what items say of themselves, so it names what is special about the user in the
catalogue's own words and keeps out what a sentence model misreads: a denial ("no horror") lies near what it denies.
"""

from __future__ import annotations

from collections.abc import Sequence

from recsys_core.profiles.facts import HistoryFacts, ValueFact
from recsys_core.profiles.text import MAX_TOKENS, fitted

LONG = 20
"""From so many items on, kinds and decades stand alone: on visible items of MovieLens-100K's users they tell a person
from others better than top tags do (docs/results/profiles.md)."""
SPECIAL = 1.5
"""Countries, languages and other values are told when chosen so many times as often as everybody does."""


def rule_profile(facts: HistoryFacts, limit: int = MAX_TOKENS) -> str:
    """A profile of at most ``limit`` tokens, one statement a line; empty for somebody of whom nothing is known."""
    return "\n".join(fitted(rule_lines(facts), limit))


def rule_lines(facts: HistoryFacts) -> list[str]:
    """The statements, the most telling first."""
    if not facts.known:
        return []
    lines = []
    genres = _named(facts.genres, 4)
    eras = _named(facts.eras, 2)
    if genres or eras:
        told = f"{listed(genres)} {facts.noun}" if genres else facts.noun
        lines.append(f"Likes {told}{f' of the {listed(eras)}' if eras else ''}.")
    if lines and facts.items >= LONG:
        return lines
    if creators := _named(facts.creators, 6):
        lines.append(f"Comes back to {listed(creators)}.")
    if subjects := _named(facts.subjects, 6):
        lines.append(f"Chooses titles about {listed(subjects)}.")
    if places := _named(_special(facts.places), 3):
        lines.append(f"Chooses {facts.noun} from {listed(places)}.")
    if languages := _named(_special(facts.languages), 2):
        lines.append(f"Chooses {facts.noun} in {listed(languages)}.")
    if others := _named(_special(facts.others), 3):
        lines.append(f"Often: {listed(others)}.")
    favourites = [title for item in (facts.liked or facts.recent)[:2] if (title := item.title.strip(" ."))]
    if favourites:
        lines.append(f"{'Liked' if facts.liked else 'Chose'} {listed(favourites)}.")
    return lines


def listed(values: Sequence[str]) -> str:
    """``a, b and c``."""
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}"


def _special(facts: Sequence[ValueFact]) -> list[ValueFact]:
    """Those that set somebody apart: that films are in English says nothing where most are."""
    return [fact for fact in facts if fact.lift >= SPECIAL]


def _named(facts: Sequence[ValueFact], most: int) -> list[str]:
    return list(dict.fromkeys(fact.value for fact in facts))[:most]
