"""A message that recognisers eat piece by piece: what one has understood, the next doesn't see."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

USED = "\x1f"
"""Stands for an eaten character; no pattern crosses it."""

NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
} | {"fifteen": 15, "twenty": 20}
"""Small numbers as words: how many of something."""

_BIG = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}
_AFTER_HUNDRED = re.compile(r"(?:a|one|1)? ?hundred(?: and (?P<more>\w+))?")

NUMBER = (
    r"(?:\d+(?:[.,]\d+)?|(?:a |one )?hundred(?: and \w+)?|"
    + "|".join([*list(NUMBER_WORDS)[1:], *list(_BIG)[:-1]])
    + r"|an?|a couple(?: of)?|half an)"
)
"""Pattern of a small number."""


def same_length_fold(text: str) -> str:
    """Lower case without accents and with straight quotes, each character still in its place."""
    return "".join(_fold(character) for character in text)


def _fold(character: str) -> str:
    if character in "’‘`´":
        return "'"
    if character in "“”«»„":
        return '"'
    if character in "–—−":
        return "-"
    folded = unicodedata.normalize("NFKD", character.lower())
    return folded[0] if folded and folded[0].isprintable() else (" " if character.isspace() else character)


def to_number(word: str) -> float:
    """A small number from digits or a word."""
    word = word.strip()
    if word in NUMBER_WORDS:
        return float(NUMBER_WORDS[word])
    if word in {"a", "an"}:
        return 1.0
    if word in _BIG:
        return float(_BIG[word])
    if hundred := _AFTER_HUNDRED.fullmatch(word):
        rest = hundred["more"] or "zero"
        return 100.0 + (NUMBER_WORDS | _BIG).get(rest, 0)
    if word.startswith("a couple"):
        return 2.0
    if word == "half an":
        return 0.5
    return float(word.replace(",", "."))


@dataclass(frozen=True)
class Span:
    """A piece of the message, end exclusive."""

    start: int
    end: int


class Utterance:
    """One message.

    Args:
        raw: the message as written.
    """

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self.low = same_length_fold(raw)
        self.view = self.low
        """The folded message; eaten characters are USED."""
        self._taken = False

    def take(self, start: int, end: int) -> None:
        """Mark a piece as understood."""
        self.view = self.view[:start] + USED * (end - start) + self.view[end:]
        self._taken = self._taken or end > start

    def pop(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The first match among what is left, which is taken."""
        match = pattern.search(self.view)
        if match is not None:
            self.take(*match.span())
        return match

    def pop_all(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """All matches, one after the other, each taken."""
        while (match := self.pop(pattern)) is not None and match.end() > match.start():
            yield match

    def words(self) -> list[tuple[str, Span]]:
        """Words that are left, with their places."""
        return [(m[0], Span(*m.span())) for m in re.finditer(r"[^\W_]+(?:'[^\W_]+)*", self.view)]

    def runs(self) -> list[list[tuple[str, Span]]]:
        """Words that are left, grouped into runs with only blanks and hyphens between them."""
        groups: list[list[tuple[str, Span]]] = []
        for word, span in self.words():
            joined = groups and re.fullmatch(r"[\s\-]+", self.view[groups[-1][-1][1].end : span.start])
            if joined:
                groups[-1].append((word, span))
            else:
                groups.append([(word, span)])
        return groups

    def untouched(self) -> bool:
        """True when nothing has been eaten yet."""
        return not self._taken
