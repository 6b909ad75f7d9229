"""A user's profile as readable facts, written by rules from the log and the thumbs. No language model, no guessing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from agents.profile.known import known_of
from recsys_core.catalog.items import FieldKind, FieldSpec

if TYPE_CHECKING:
    from recsys_core.catalog.catalogue import Catalogue
    from recsys_core.profiles import HistoryFacts
    from recsys_core.serving.recommender import Recommender

_MAX_LISTED = 10
_MAX_RECENT = 50
_MIN_HISTORY = 3
_DECADE_FIELDS = {"year", "decade"}


class ProfileItem(BaseModel):
    """An item that says something about the user."""

    item_id: str
    """Catalogue id."""
    title: str
    """Name shown to people."""
    why: str
    """Where this is known from."""


class TopValue(BaseModel):
    """A value that stands out in what the user chose."""

    value: str
    """The value, or a decade such as `1990s`."""
    share: float
    """Share of the user's items that have it, newer and liked ones weighing more, 0 to 1."""
    lift: float
    """That share divided by the share of all users' choices."""


class ProfileFact(BaseModel):
    """One readable fact."""

    field: str
    """Field of the catalogue it is about."""
    text: str
    """A sentence."""
    values: list[TopValue]
    """The figures behind it."""


class Profile(BaseModel):
    """What is known of a user."""

    user_id: str
    """Who."""
    known: bool
    """False for somebody with neither history nor thumbs: a cold start."""
    interactions: int
    """Length of the history in this release."""
    facts: list[ProfileFact]
    """Sentences with their figures."""
    liked: list[ProfileItem]
    """Thumbs up first, then highest values of the log, newest first."""
    disliked: list[ProfileItem]
    """Thumbs down, newest first."""
    recent: list[ProfileItem]
    """The newest 50 items of the history, newest first, each once: what reasons may name."""
    thumbs: dict[str, int]
    """All thumbs by item id, -1 or 1."""
    text: str
    """All of it in a few sentences."""


def describe(recommender: Recommender, user_id: str, feedback: dict[str, int]) -> Profile:
    """The profile of one user.

    Args:
        recommender: the open release.
        user_id: who; somebody unknown gets an empty profile.
        feedback: thumbs by item id, -1 or 1, oldest first.
    """
    catalogue = recommender.catalogue
    # what was withdrawn since isn't named
    history = [item for item in recommender.history(user_id) or [] if item in catalogue]
    ratings = recommender.ratings(user_id) if history else {}
    up = [item for item, value in reversed(feedback.items()) if value > 0 and item in catalogue]
    down = [item for item, value in reversed(feedback.items()) if value < 0 and item in catalogue]
    liked = [ProfileItem(item_id=i, title=catalogue.get(i).title, why="thumbs up") for i in up]
    best = max(ratings.values(), default=0.0)
    told_apart = len(set(ratings.values())) > 1
    if told_apart:
        favourites = [i for i in reversed(history) if ratings.get(i) == best and i not in feedback]
        liked += [ProfileItem(item_id=i, title=catalogue.get(i).title, why=f"rated {best:g}") for i in favourites]
    chosen = [i for i in dict.fromkeys([*history, *up]) if i not in set(down)]
    facts = _facts(catalogue, known_of(recommender, user_id, feedback).facts(), chosen)
    return Profile(
        user_id=user_id,
        known=bool(history or feedback),
        interactions=len(history),
        facts=facts,
        liked=liked[:_MAX_LISTED],
        disliked=[ProfileItem(item_id=i, title=catalogue.get(i).title, why="thumbs down") for i in down[:_MAX_LISTED]],
        recent=[
            ProfileItem(
                item_id=i, title=catalogue.get(i).title, why=f"rated {ratings[i]:g}" if told_apart else "in the history"
            )
            for i in list(dict.fromkeys(reversed(history)))[:_MAX_RECENT]
        ],
        thumbs=feedback,
        text=_text(catalogue.item_noun, len(history), facts, liked),
    )


def _facts(catalogue: Catalogue, told: HistoryFacts, chosen: Sequence[str]) -> list[ProfileFact]:
    if len(chosen) < _MIN_HISTORY:
        return []
    rows = catalogue.indices(list(chosen))
    facts = []
    for field in catalogue.fields.values():
        fact = _eras(catalogue, field, rows) if field.kind == FieldKind.number else _favourites(field, told)
        if fact is not None:
            facts.append(fact)
    return facts


def _favourites(field: FieldSpec, told: HistoryFacts) -> ProfileFact | None:
    """The values of a field that stand out, as the written profile knows them too."""
    groups = (told.genres, told.creators, told.places, told.languages, told.others)
    top = [
        TopValue(value=fact.value, share=round(fact.share, 3), lift=round(fact.lift, 2))
        for group in groups
        for fact in group
        if fact.field == field.name and fact.count > 1
    ]
    if not top:
        return None
    names = ", ".join(t.value for t in top[:3])
    return ProfileFact(field=field.name, text=f"Chooses more than most by {field.name}: {names}.", values=top[:5])


def _eras(catalogue: Catalogue, field: FieldSpec, rows: np.ndarray) -> ProfileFact | None:
    numbers = catalogue.numbers(field.name)
    mine = numbers[rows]
    mine = mine[~np.isnan(mine)]
    if len(mine) < _MIN_HISTORY:
        return None
    if field.name in _DECADE_FIELDS:
        known = numbers[~np.isnan(numbers)]
        everywhere = Counter((known // 10 * 10).astype(int).tolist())
        decades = Counter((mine // 10 * 10).astype(int).tolist()).most_common(3)
        values = [
            TopValue(
                value=f"{decade}s",
                share=round(count / len(mine), 3),
                lift=round(count / len(mine) / (everywhere[decade] / len(known)), 2),
            )
            for decade, count in decades
        ]
        text = f"Mostly from the {values[0].value} ({values[0].share:.0%})."
        return ProfileFact(field=field.name, text=text, values=values)
    low, middle, high = np.percentile(mine, [25, 50, 75])
    text = f"Usual {field.name}: {middle:g} (half lie between {low:g} and {high:g})."
    return ProfileFact(field=field.name, text=text, values=[])


def _text(noun: str, interactions: int, facts: Sequence[ProfileFact], liked: Sequence[ProfileItem]) -> str:
    if not interactions and not liked:
        return "Nothing is known yet; the first answers are the same for everybody new."
    parts = [f"{interactions} {noun} in the history." if interactions else "No history; thumbs only."]
    parts += [fact.text for fact in facts[:3]]
    if liked:
        parts.append("Liked: " + ", ".join(item.title for item in liked[:3]) + ".")
    return " ".join(parts)
