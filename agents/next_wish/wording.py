"""Tags as a request that a person could have typed, and that is read back as exactly those tags."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from agents.intent import Act, Wish
from agents.understanding.rules import RuleUnderstanding
from agents.understanding.scene import Scene
from agents.understanding.vocabulary import phrase_for
from tools.wishes import Interest

MAX_CHARS = 60
"""A longer suggestion is no button."""


def word(tags: Sequence[Interest], rules: RuleUnderstanding) -> tuple[str, list[Wish]] | None:
    """The suggestion's text and the wishes it will be read as; None when no wording is understood as what is meant.

    Args:
        tags: one or two.
        rules: of the catalogue; they read what a click will send.
    """
    for text in dict.fromkeys(_wordings(tags, rules)):
        if len(text) > MAX_CHARS:
            continue
        wishes = read_back(text, rules)
        if wishes is not None and _same(wishes, tags):
            return text, wishes
    return None


def read_back(text: str, rules: RuleUnderstanding) -> list[Wish] | None:
    """The hard positive wishes of a text said into an empty thread; None when it says anything else."""
    intent = rules.understand(text, Scene())
    beside = intent.anchors or intent.barred or intent.seen or intent.unlinked or intent.residue or intent.notes
    if intent.act is not Act.recommend or beside or intent.k is not None:
        return None
    if not intent.wishes or any(wish.negative or not wish.hard for wish in intent.wishes):
        return None
    return intent.wishes


def tags_of(wishes: Sequence[Wish]) -> list[Interest] | None:
    """Wishes as tags; None when one of them is no tag (a range that is no decade, any-of several values)."""
    tags = []
    for wish in wishes:
        if wish.is_range:
            if wish.low is None or wish.high != wish.low + 9 or wish.low % 10:
                return None
            tags.append(Interest(field=wish.field, value=f"{wish.low:.0f}s", low=wish.low, high=wish.high))
        elif len(wish.values) == 1:
            tags.append(Interest(field=wish.field, value=wish.values[0]))
        else:
            return None
    return tags


def against(wishes: Sequence[Wish], held: Sequence[Wish]) -> bool:
    """Whether one of these wishes can't be met together with what a person holds to for good ("never horror")."""
    return any(_excludes(rule, wish) for wish in wishes for rule in held if rule.hard and rule.field == wish.field)


def _excludes(rule: Wish, wish: Wish) -> bool:
    if rule.is_range != wish.is_range:
        return False
    if not rule.is_range:
        common = set(rule.values) & set(wish.values)
        return set(wish.values) <= common if rule.negative else not common
    low, high = (-math.inf if rule.low is None else rule.low), (math.inf if rule.high is None else rule.high)
    begin, end = (-math.inf if wish.low is None else wish.low), (math.inf if wish.high is None else wish.high)
    return low <= begin and end <= high if rule.negative else end < low or high < begin


def _same(wishes: Sequence[Wish], tags: Sequence[Interest]) -> bool:
    read = tags_of(wishes)
    return read is not None and {(t.field, t.value) for t in read} == {(t.field, t.value) for t in tags}


def _wordings(tags: Sequence[Interest], rules: RuleUnderstanding) -> Iterator[str]:
    roles, noun = rules.roles, rules.catalogue.item_noun
    kinds = [tag.value for tag in tags if tag.field in roles.genres]
    rest = [tag for tag in tags if tag.field not in roles.genres]
    behind = " ".join(_phrase(tag, rules) for tag in rest)
    for front in (" and ".join(kinds), " ".join(kinds), *(["both " + " and ".join(kinds)] if len(kinds) > 1 else [])):
        yield _capital(" ".join(part for part in (front, noun, behind) if part))
    if len(kinds) > 1:
        yield _capital(f"{kinds[0]} {noun} that are also {kinds[1]} {behind}".strip())
    before = " ".join(tag.value for tag in rest if tag.low is None)
    after = " ".join(_phrase(tag, rules) for tag in rest if tag.low is not None)
    yield _capital(" ".join(part for part in (before, *kinds, noun, after) if part))


def _phrase(tag: Interest, rules: RuleUnderstanding) -> str:
    if tag.low is not None:
        return f"from the {tag.value}"
    if tag.field == rules.roles.certificate:
        return f"rated {tag.value}"
    return phrase_for(tag.field, tag.value, False, rules.roles, [tag.value])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
