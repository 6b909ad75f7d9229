"""Small word groups, read from `words.txt`, and a stem that makes forms of one word alike."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def _groups() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for line in (files("agents.calm") / "words.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, listed = line.partition(":")
            found.setdefault(name, set()).update(listed.split())
    return {name: frozenset(words) for name, words in found.items()}


def group(name: str) -> frozenset[str]:
    """The folded words of one group in `words.txt`."""
    return _groups()[name]


FUNCTION_WORDS = group("function")
"""Words that carry no fact and may come and go."""

NEUTRAL_WORDS = group("neutral")
"""Plain words a rewriting may bring in: they name no fact that the original's own words didn't."""


def stem(word: str) -> str:
    """A rough stem: forms of one English word mostly meet, different words mostly don't."""
    word = word.casefold().removesuffix("'s")
    for ending, kept, shortest in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= shortest:
            word = word[: len(word) - len(ending)] + kept
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


_ENDINGS = (
    ("ies", "y", 2),
    ("ied", "y", 2),
    ("sses", "ss", 1),
    ("ing", "", 3),
    ("edly", "", 3),
    ("ed", "", 3),
    ("es", "e", 3),
    ("s", "", 3),
    ("ly", "", 4),
)
