"""Wishes on number fields: spans and one-sided bounds, turned round where they are ruled out."""

from __future__ import annotations

import re

from agents.intent import Wish
from agents.understanding.negation import is_negative
from agents.understanding.text import Span


def span_wish(field: str, low: float | None, high: float | None, words: str, negative: bool = False) -> Wish:
    """A range of numbers, or all but it."""
    return Wish(field=field, low=low, high=high, negative=negative, words=f"not {words}" if negative else words)


def turned(negative: list[Span], match: re.Match[str]) -> bool:
    """True when a bound is ruled out from outside ("nothing before 1990"), not by its own words ("no older than")."""
    return is_negative(negative, match.start()) and re.match(r"\s*(?:no|not)\b", match[0]) is None


def bound(field: str, low: float | None, high: float | None, said: str, *, ruled_out: bool, step: float = 0.0) -> Wish:
    """A one-sided range; when it is ruled out, the other side of it.

    Args:
        field: name of the field.
        low: lower bound, or None.
        high: upper bound, or None.
        said: pattern of its words with {side} and {value}; sides are "at least" and "at most".
        ruled_out: whether it is turned round.
        step: the smallest difference of two values.
    """
    if ruled_out:
        low, high = (None, low - step) if low is not None else (None if high is None else high + step, None)
    value = low if low is not None else high
    return Wish(
        field=field, low=low, high=high, words=said.format(side="at least" if high is None else "at most", value=value)
    )
