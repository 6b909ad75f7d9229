"""What a request is called: the generator's task, words for the items, words for the fields."""

from __future__ import annotations

import re

from agents.intent import Intent
from agents.understanding.acts import REQUEST
from agents.understanding.roles import Roles
from recsys_core.generator.protocol import Task


def task_of(intent: Intent, roles: Roles) -> Task:
    """The generator's task for a request that names none."""
    if intent.residue or intent.anchors:
        return Task.query
    if any(not wish.negative and wish.field in roles.genres for wish in intent.wishes):
        return Task.category
    return Task.query if intent.words else Task.for_you


def topic_words(noun: str) -> set[str]:
    """Words that show that a question is about the catalogue's items."""
    singular = noun[:-1] if noun.endswith("s") else noun
    return {noun, singular, "watch", "see", "read", "play", "movie", "movies", "film", "films", "recommend", "suggest"}


def field_words(roles: Roles) -> dict[str, str]:
    """What people call fields ("country", "length") -> the catalogue's name of them."""
    words: dict[str, str] = {}
    for names, field in (
        (("country", "countries", "place", "origin"), roles.country),
        (("language",), roles.language),
        (("year", "age", "decade", "period", "era", "date"), roles.year),
        (("length", "duration", "runtime", "time"), roles.duration),
        (("price", "cost"), roles.price),
        (("genre", "kind", "category", "type"), roles.genres[0] if roles.genres else None),
        (("director", "author", "artist"), roles.makers[0] if roles.makers else None),
        (("actor", "cast"), roles.performers[0] if roles.performers else None),
    ):
        if field:
            words.update(dict.fromkeys(names, field))
    return words


def only_narrows(text: str, intent: Intent, roles: Roles, noun: str) -> bool:
    """Whether a message asks for no kind, example or item of its own: "must be rated G", "two hours max".

    Args:
        text: the folded message.
        intent: what was read in it.
        roles: the catalogue's fields by part.
        noun: what items are called.
    """
    names = set(re.findall(r"[^\W_]+", text)) & topic_words(noun)
    kinds = any(not wish.negative and wish.field in roles.genres for wish in intent.wishes)
    return bool(intent.wishes) and not (kinds or names or intent.anchors or intent.task or REQUEST.search(text))
