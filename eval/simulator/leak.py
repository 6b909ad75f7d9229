"""Nobody may say the title: every message of a simulated person is checked, and a leak fails the run."""

from __future__ import annotations

from eval.grounding import plain
from recsys_core.errors import SidraError

_SMALL = (
    "a an and are as at be but by for from have how i in is it its me my no not of on or our so that the their them "
    "then there they this to was we were what when who will with you your"
)
FUNCTION_WORDS = frozenset(_SMALL.split())
"""Words that give nothing away."""
SHORTEST = 3
"""Shorter words of a title give nothing away alone."""


class LeakError(SidraError):
    """A simulated person said the title, or a word of it; the run's figures would mean nothing."""


def telling_words(title: str) -> frozenset[str]:
    """Words of a title that would give it away."""
    return frozenset(w for w in plain(title).split() if len(w) >= SHORTEST and w not in FUNCTION_WORDS)


def leaks(message: str, title: str) -> str:
    """The part of a title that a message gives away; empty when it doesn't.

    Args:
        message: what is to be said.
        title: the target's, as in the catalogue.
    """
    said, whole = plain(message), plain(title)
    words = telling_words(title)
    # a title of nothing but small words ("It", "M") can only be given away as a name, in capitals or quotation marks
    if words and f" {whole} " in f" {said} ":
        return whole
    if not words and any(mark + title.casefold() in message.casefold() for mark in "\"'“‘«"):
        return whole
    return next(iter(sorted(words & set(said.split()))), "")


def check(message: str, title: str) -> str:
    """The message, when it gives nothing away.

    Raises:
        LeakError: it does.
    """
    found = leaks(message, title)
    if found:
        raise LeakError(f"a simulated person would have said '{found}', which gives away the title they have in mind")
    return message
