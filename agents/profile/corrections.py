"""What a user changes in their profile: edits, pins, deletions. They outrank whatever is written later."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Literal

from agents.errors import LineNotFound
from agents.guard import clean_message
from agents.profile.checks import mentions, named_values
from agents.store.profiles import ProfileLine, ProfileVersion
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.profiles import MAX_TOKENS, count_tokens, fitted
from tools.inert import inert

MAX_LINE_CHARS = 300
"""Longest line that a user may write."""


def edited(profile: ProfileVersion, line_id: str, words: str, catalogue: Catalogue) -> ProfileVersion:
    """A line with other words. Values that the old words named and the new ones don't are struck out for good.

    Raises:
        LineNotFound: no such line.
        MessageRejected: the words are empty or too long.
    """
    line = _line(profile, line_id)
    text = _own(words)
    dropped = [value for value in named_values(line.text, catalogue) if value not in named_values(text, catalogue)]
    changed = line.model_copy(update={"text": text, "by": "user"})
    lines = [changed if each.id == line_id else each for each in profile.lines]
    # what the user says now is no longer struck out
    barred = [value for value in dict.fromkeys([*profile.barred, *dropped]) if not mentions(text, [value])]
    return _corrected(profile, lines, barred, "you changed a line")


def added(profile: ProfileVersion, words: str) -> ProfileVersion:
    """A line of the user's own, before those of others.

    Raises:
        MessageRejected: the words are empty or too long.
    """
    text = _own(words)
    barred = [value for value in profile.barred if not mentions(text, [value])]
    return _corrected(profile, [_new(text, "user"), *profile.lines], barred, "you added a line")


def pinned(profile: ProfileVersion, line_id: str, pin: bool) -> ProfileVersion:
    """A line that stays (or no longer has to) at every refresh; raises LineNotFound."""
    line = _line(profile, line_id).model_copy(update={"pinned": pin})
    lines = [line if each.id == line_id else each for each in profile.lines]
    return _corrected(profile, lines, profile.barred, "you pinned a line" if pin else "you took a pin out")


def deleted(profile: ProfileVersion, line_id: str, catalogue: Catalogue) -> ProfileVersion:
    """The profile without a line; values of the catalogue that it alone named are struck out. Raises LineNotFound."""
    line = _line(profile, line_id)
    rest = [each for each in profile.lines if each.id != line_id]
    still = {value for each in rest for value in named_values(each.text, catalogue)}
    gone = [value for value in named_values(line.text, catalogue) if value not in still]
    return _corrected(profile, rest, list(dict.fromkeys([*profile.barred, *gone])), "you deleted a line")


def merged(before: ProfileVersion | None, lines: Sequence[str], by: Literal["rules", "llm"]) -> list[ProfileLine]:
    """New lines under what the user wrote or pinned, as many as the limit of tokens leaves room for."""
    kept = [line for line in before.lines if line.kept] if before is not None else []
    texts = [line.text for line in kept]
    room = MAX_TOKENS - sum(count_tokens(text) for text in texts)
    fresh = [text for text in lines if text not in texts and not (before and mentions(text, before.barred))]
    return [*kept, *(_new(text, by) for text in (fitted(fresh, room) if room > 0 else []))]


def _corrected(
    profile: ProfileVersion, lines: Sequence[ProfileLine], barred: Sequence[str], why: str
) -> ProfileVersion:
    """The next version; the whole stays within the limit, the user's lines before the others."""
    own = [line for line in lines if line.kept]
    room = MAX_TOKENS - sum(count_tokens(line.text) for line in own)
    kept: list[ProfileLine] = []
    for line in lines:
        if line.kept:
            kept.append(line)
        elif (cost := count_tokens(line.text)) <= room:
            kept.append(line)
            room -= cost
    return profile.model_copy(update={"lines": _within(kept), "barred": list(barred), "why": why, "by": "user"})


def _within(lines: list[ProfileLine]) -> list[ProfileLine]:
    """Without the oldest of the user's lines while they alone are too many."""
    while len(lines) > 1 and sum(count_tokens(line.text) for line in lines) > MAX_TOKENS:
        lines = lines[:-1]
    return lines


def _own(words: str) -> str:
    """A user's words as one inert line that fits a profile; raises MessageRejected."""
    clean = inert(clean_message(words, MAX_LINE_CHARS))
    return (fitted([clean or clean_message("", 1)]) or [""])[0]


def _new(text: str, by: Literal["rules", "llm", "user"]) -> ProfileLine:
    return ProfileLine(id=uuid.uuid4().hex[:12], text=text, by=by)


def _line(profile: ProfileVersion, line_id: str) -> ProfileLine:
    for line in profile.lines:
        if line.id == line_id:
            return line
    raise LineNotFound(line_id)
