"""A question about a card beside a request in one message ("now something newer, and why the second one?")."""

from __future__ import annotations

import re
from typing import NamedTuple

from agents.intent import Act, Intent
from agents.understanding.acts import ABOUT, WHY
from agents.understanding.scene import Scene

QUESTIONS = frozenset({Act.why, Act.about, Act.compare})
"""Acts that ask about items."""
_ASKS = r"(?:why|how come|who|what(?:'s| is| are| was)|how (?:long|old)|tell me (?:more )?about|explain|when was)"
_ORDERS = (
    r"(?:please )?(?:show|give|find|recommend|suggest|now|i (?:want|need|would)|i'd|something|can you (?:find|show|"
    r"recommend)|let'?s|"
    r"make (?:it|them)|i(?:'ve| have)|less|newer|older|shorter|only|no|without)"
)
_BREAK = re.compile(
    rf"(?<=[.!?;])\s+|\s*[,;-]?\s+(?:and |but |also |oh,? (?:and )?|btw,? |by the way,? )+(?=(?:also |"
    rf"please )?{_ASKS}\b)|"
    rf"\s*,\s*(?=(?:also |please )?{_ASKS}\b)|\s*[,;]?\s+(?:and|but|then|also)(?: then| also| now)? (?={_ORDERS}\b)"
)
_FIRST_WORDS = re.compile(
    rf"^\W*(?:(?:and|but|also|so|oh|btw|by the way|ok(?:ay)?|thanks|please|well|hm+),? )*(?:can you |"
    rf"could you )?{_ASKS}\b"
)


class Parts(NamedTuple):
    """A message of two parts."""

    question: str
    """The question about items."""
    rest: str
    """Everything else."""


def split_question(message: str) -> Parts | None:
    """The question and the rest of a message; None when it is all of one kind."""
    pieces = [piece for piece in _BREAK.split(message) if piece and re.search(r"\w", piece)]
    if len(pieces) < 2:
        return None
    asking = [_FIRST_WORDS.match(piece.lower()) is not None and _asks(piece) for piece in pieces]
    if sum(asking) != 1:
        return None
    return Parts(
        next(piece for piece, asks in zip(pieces, asking, strict=True) if asks),
        ". ".join(piece.strip(" ,") for piece, asks in zip(pieces, asking, strict=True) if not asks),
    )


def _asks(piece: str) -> bool:
    low = piece.lower()
    return WHY.search(low) is not None or ABOUT.search(low) is not None


def combined(asked: Intent, rest: Intent, scene: Scene) -> Intent | None:
    """One reading of both parts; None when they don't make a request and a question.

    Args:
        asked: reading of the question.
        rest: reading of the rest.
        scene: the cards on the table, for slots that aren't there.
    """
    if asked.act not in QUESTIONS or not (asked.items or asked.slots):
        return None
    if rest.act in {Act.thanks, Act.hello}:
        return asked
    if rest.act is not Act.recommend or not _asks_for_something(rest):
        return None
    size = len(scene.slate)
    missing = [slot for slot in asked.slots if scene.item_at(slot) is None]
    notes = list(rest.notes)
    if missing:
        there = f"it went from 1 to {size}" if size else "there was none yet"
        notes.append(f"There was no number {' or '.join(map(str, missing[:3]))} on the list; {there}.")
    return rest.model_copy(
        update={
            "aside": asked.act if asked.items else None,
            "items": asked.items,
            "slots": list(dict.fromkeys([*rest.slots, *asked.slots])),
            "notes": notes,
        }
    )


def _asks_for_something(intent: Intent) -> bool:
    return bool(
        intent.wishes or intent.anchors or intent.seen or intent.liked or intent.disliked or intent.barred
        or intent.more or intent.dropped or intent.task or intent.k or intent.back or intent.words
    )  # fmt: skip
