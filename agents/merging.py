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
    wishes, gone = release(before.wishes, intent)
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
            "words": _join_words(_without_words(before.words, gone), intent.words),
            "anchors": _without(intent.anchors or before.anchors, set(intent.disliked)),
            "exclude": [item for item in exclude if item not in intent.anchors],
            "avoid": _together(before.avoid, intent.disliked)[-200:],
            "seen": seen,
            "k": intent.k or before.k,
            "kept": [wish for wish in [*before.kept, *intent.kept] if wish in wishes],
        }
    )


def release(wishes: list[Wish], intent: Intent) -> tuple[list[Wish], list[str]]:
    """The wishes without those taken back, and the words of what went.

    A dropped field goes whole, unless released wishes say which of its values or which end of its range is meant.
    """
    left: list[Wish] = []
    gone: list[str] = []
    for wish in wishes:
        meant = [released for released in intent.released if released.field == wish.field]
        remains: Wish | None = wish
        if wish.field in intent.dropped and not meant:
            remains = None
        for released in meant:
            remains = _released(remains, released) if remains is not None else None
        if remains != wish:
            gone.append(wish.words)
        if remains is not None:
            left.append(remains)
    return left, gone


def _released(wish: Wish, released: Wish) -> Wish | None:
    """A wish without what is taken back; None when nothing is left of it."""
    if wish.is_range or released.is_range:
        if not (wish.is_range and released.is_range):
            return wish
        low = None if released.low is not None else wish.low
        high = None if released.high is not None else wish.high
        if (low, high) == (wish.low, wish.high):
            return wish
        if low is None and high is None:
            return None
        edge = f"at least {low:g}" if low is not None else f"at most {high:g}"
        return wish.model_copy(update={"low": low, "high": high, "words": f"{wish.field.replace('_', ' ')} {edge}"})
    if released.negative != wish.negative:
        return wish
    values = [value for value in wish.values if value not in released.values]
    if not values:
        return None
    if len(values) == len(wish.values):
        return wish
    prefix = next(
        (
            p
            for p in ("not from ", "from ", "not in ", "in ", "not by ", "by ", "with ", "no ")
            if wish.words.startswith(p)
        ),
        "",
    )
    return wish.model_copy(update={"values": values, "words": prefix + " or ".join(values)})


def _without_words(words: str, gone: list[str]) -> str:
    out = {word for said in gone for word in said.split()}
    return " ".join(word for word in words.split() if word not in out)


def prune(request: WorkingRequest, catalogue_ids: Container[str], fields: Container[str]) -> WorkingRequest:
    """The request without items and fields that the release at hand doesn't have (it may have been switched)."""
    return request.model_copy(
        update={
            "wishes": [wish for wish in request.wishes if wish.field in fields],
            "kept": [wish for wish in request.kept if wish.field in fields],
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
    demanded = (w for w in wishes if w.field == new.field and w.hard and not w.negative and not w.is_range)
    if not new.hard and not new.negative and any(set(w.values) <= values for w in demanded):
        # "scary horror": what is demanded already isn't made a mere preference
        return wishes
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
