"""Everyday conversations made from a catalogue's own values, with what must hold of every answer."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from agents.understanding.roles import Roles
from recsys_core.catalog.filters import Condition, ItemFilter
from tools.context import Recommends


@dataclass(frozen=True)
class Said:
    """One turn.

    Attributes:
        text: the message.
        rule: what every card must satisfy.
        brings: whether the turn brings a list.
    """

    text: str
    rule: ItemFilter = field(default_factory=ItemFilter)
    brings: bool = True


@dataclass(frozen=True)
class Dialogue:
    """A conversation of a user of its own."""

    user_id: str
    turns: tuple[Said, ...]


WHY = Said("why the second one?", brings=False)
ABOUT = Said("what is the third one about?", brings=False)


def dialogues(recommender: Recommends, *, seed: int, limit: int | None = None) -> list[Dialogue]:
    """Eight conversations: kinds, likeness, exclusion, years, a country, surprises, words that no rule knows.

    Args:
        recommender: its catalogue gives the words, its log the users.
        seed: of users and values.
        limit: the first so many only.
    """
    chance = random.Random(seed)
    catalogue, roles = recommender.catalogue, Roles.of(recommender.catalogue)
    noun = catalogue.item_noun
    kind = roles.genres[0] if roles.genres else None
    values = list(catalogue.fields[kind].values[:6]) if kind else []
    first, second, third = (values * 3)[:3] if values else ("good", "nice", "fine")

    def has(*names: str) -> ItemFilter:
        return ItemFilter(all_of=[_is(kind, name, recommender) for name in names] if kind else [])

    def lacks(name: str) -> ItemFilter:
        return ItemFilter(none_of=[_is(kind, name, recommender)] if kind else [])

    scripts = [
        (Said(f"{first} {noun}", has(first)), Said("show me more", has(first)), WHY, ABOUT),
        (Said(f"something like {_liked(recommender)}"), Said(f"no {second}", lacks(second)), WHY, ABOUT),
        (Said(f"{second} {noun} with flumps", has(second)), Said("I've seen the second one", has(second)), ABOUT),
        (Said("something for a quiet evening with zorbs"), Said(f"{third} {noun}", has(third)), WHY),
        (Said("surprise me"), Said("show me more"), WHY, ABOUT),
        (Said(f"{noun} with blorps, no {first}", lacks(first)), WHY, ABOUT, Said("thanks", brings=False)),
    ]
    if roles.year:
        year = int(np.nanmedian(catalogue.numbers(roles.year)))
        after = ItemFilter(all_of=[Condition(field=roles.year, op="range", value=[year, None])])
        both = ItemFilter(all_of=[*has(first).all_of, *after.all_of])
        scripts.append((Said(f"{noun} no older than {year}", after), Said(f"but {first}", both), WHY))
    if roles.country:
        country = catalogue.fields[roles.country].values[0]
        rule = ItemFilter(all_of=[_is(roles.country, country, recommender)])
        scripts.append((Said(f"{noun} from {country}", rule), Said("some frumious ones please", rule), ABOUT))
    users = _users(recommender, chance, len(scripts))
    return [Dialogue(user, turns) for user, turns in zip(users, scripts, strict=True)][:limit]


def _is(name: str | None, value: str, recommender: Recommends) -> Condition:
    return Condition(field=name or "", op="in", value=[value])


def _liked(recommender: Recommends) -> str:
    """A title that many know: of the most used items, the first that is easily said."""
    log = getattr(recommender, "log", None)
    titles = recommender.catalogue.titles
    order = range(len(titles)) if log is None else np.argsort(-np.bincount(log.items, minlength=len(titles)))
    return next((titles[int(i)] for i in order if 1 < len(titles[int(i)].split()) < 4), titles[0])


def _users(recommender: Recommends, chance: random.Random, count: int) -> list[str]:
    log = getattr(recommender, "log", None)
    known = list(log.users) if log is not None else []
    return chance.sample(known, count) if len(known) >= count else [f"guest-{n}" for n in range(count)]
