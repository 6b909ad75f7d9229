"""How a message changes the running request: a new topic replaces it, a refinement merges."""

from __future__ import annotations

import re
from collections.abc import Container

from agents.intent import Intent, Wish
from agents.state import WorkingRequest
from agents.understanding.roles import Roles
from recsys_core.generator.protocol import Task

MAX_WISHES = 30
"""Older wishes fall out beyond this; a filter holds at most 100 conditions."""
_INSTEAD = re.compile(r"\b(?:instead|rather)\b")


def merge(
    running: WorkingRequest | None, intent: Intent, shown: list[str], message: str, roles: Roles
) -> WorkingRequest:
    """The request after a message.

    Args:
        running: the request so far; None at the start of a thread.
        intent: what the message was understood as.
        shown: item ids shown for the running request.
        message: the message, for "instead".
        roles: the catalogue's fields by part.
    """
    before = running or WorkingRequest()
    seen = _together(before.seen, intent.seen)
    if running is None or intent.fresh:
        return WorkingRequest(
            task=intent.task or Task.for_you,
            wishes=_consistent(intent.wishes)[-MAX_WISHES:],
            words=intent.words,
            anchors=_without(intent.anchors, set(intent.disliked)),
            exclude=list(intent.barred),
            avoid=list(intent.disliked),
            seen=seen,
            k=intent.k,
        )
    wishes = [wish for wish in before.wishes if wish.field not in intent.dropped]
    # who named an item as an example knows it: it isn't recommended when another example takes its place
    replaced = before.anchors if intent.anchors else []
    exclude = _together(before.exclude, [*intent.barred, *replaced, *(shown if intent.more else [])])
    instead = _INSTEAD.search(message.casefold()) is not None
    for wish in intent.wishes:
        wishes = _add(wishes, wish, roles, instead=instead)
    return before.model_copy(
        update={
            "task": intent.task or before.task,
            "wishes": wishes[-MAX_WISHES:],
            "words": _join_words(before.words, intent.words),
            "anchors": _without(intent.anchors or before.anchors, set(intent.disliked)),
            "exclude": [item for item in exclude if item not in intent.anchors],
            "avoid": _together(before.avoid, intent.disliked)[-200:],
            "seen": seen,
            "k": intent.k or before.k,
        }
    )


def prune(request: WorkingRequest, catalogue_ids: Container[str], fields: Container[str]) -> WorkingRequest:
    """The request without items and fields that the release at hand doesn't have (it may have been switched)."""
    return request.model_copy(
        update={
            "wishes": [wish for wish in request.wishes if wish.field in fields],
            **{
                name: [item_id for item_id in getattr(request, name) if item_id in catalogue_ids]
                for name in ("anchors", "exclude", "avoid", "seen")
            },
        }
    )


def _add(wishes: list[Wish], new: Wish, roles: Roles, *, instead: bool) -> list[Wish]:
    if new.is_range:
        return _add_range(wishes, new)
    values = set(new.values)
    kept: list[Wish] = []
    for wish in wishes:
        if wish.field != new.field or wish.is_range:
            kept.append(wish)
            continue
        replaced = not new.negative and not wish.negative and (instead or new.field in roles.exclusive) and wish.hard
        left = [value for value in wish.values if value not in values]
        if replaced or (instead and not new.negative and not wish.negative) or not left:
            continue
        kept.append(wish if wish.negative == new.negative else wish.model_copy(update={"values": left}))
    return [*kept, new]


def _add_range(wishes: list[Wish], new: Wish) -> list[Wish]:
    kept: list[Wish] = []
    for wish in wishes:
        if wish.field != new.field or not wish.is_range or wish.negative or new.negative:
            kept.append(wish)
            continue
        one_sided = (wish.low is None) != (new.low is None) and (wish.high is None) != (new.high is None)
        low = max((v for v in (wish.low, new.low) if v is not None), default=None)
        high = min((v for v in (wish.high, new.high) if v is not None), default=None)
        fits = low is None or high is None or low <= high
        inside = wish.low is not None and wish.high is not None and fits
        # "from the 90s" then "after 1995" narrows; "after 1990" then "after 1960" takes the new word
        if fits and (one_sided or (inside and (new.low is None or new.high is None))):
            kept.append(wish)
    return [*kept, new]


def _consistent(wishes: list[Wish]) -> list[Wish]:
    """Within one message, what is ruled out wins over what is asked for."""
    out = {(wish.field, value) for wish in wishes if wish.negative for value in wish.values}
    result: list[Wish] = []
    for wish in wishes:
        if wish.negative or wish.is_range:
            result.append(wish)
            continue
        values = [value for value in wish.values if (wish.field, value) not in out]
        if values:
            result.append(wish.model_copy(update={"values": values}))
    return result


def _together(first: list[str], second: list[str]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))


def _without(items: list[str], out: set[str]) -> list[str]:
    return [item for item in items if item not in out][:20]


def _join_words(first: str, second: str) -> str:
    return " ".join(dict.fromkeys([*first.split(), *second.split()]))[-600:]
