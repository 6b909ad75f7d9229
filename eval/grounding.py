"""Does an answer speak only of what it can know? Titles and numbers of the text are traced to cards, facts and user.

Everything needed comes over the API: the cards themselves and the item search.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Card = dict[str, Any]

_QUOTED = re.compile(r"[“\"«]([^”\"»\n]{2,80})[”\"»]|\*([^*\n]{2,80})\*")
_WORD = r"(?:[A-ZÀ-ÝŒ][\w'’\-]*|\d+)"
_LINK = r"(?:of|the|and|a|an|in|on|to|for|with|from|&|de|la|le|les|du|des|von|der|die|das)"
_TITLE_LIKE = re.compile(rf"{_WORD}(?:[ :]+(?:{_LINK} )*{_WORD})*")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*")
_HOURS = re.compile(r"(?<![\w.])(\d+(?:[.,]\d+)?)[\s-]*h(?:ours?|rs?)?\b")
_MAX_LOOKUPS = 60
"""Searches a text may cost; an answer of four sentences needs about ten."""


class Grounding:
    """Checks texts of one conversation.

    Args:
        search: finds catalogue titles near a text (``titles = search(text)``).
    """

    def __init__(self, search: Callable[[str], Iterable[str]]) -> None:
        self._search = search
        self._titles: dict[str, str | None] = {}

    def faults(self, text: str, sources: Sequence[str], cards: Sequence[Card]) -> list[str]:
        """What the text says that it can't know, in sentences; empty when it is grounded.

        Args:
            text: the answer.
            sources: everything the answer may repeat: messages of the user, titles, facts, reasons and notes so far.
            cards: all cards shown so far, for numbers between their smallest and largest values.
        """
        known = plain(" | ".join(sources))
        found = [
            f"names '{title}', which is neither on a slate nor named by the user"
            for title in self._foreign(text, known)
        ]
        return found + _foreign_numbers(text, " ".join(sources), cards)

    def _foreign(self, text: str, known: str) -> list[str]:
        found: list[str] = []
        lookups = 0
        for candidate in candidates(text):
            simple = plain(candidate)
            if not simple or re.search(rf"(?<!\w){re.escape(simple)}(?!\w)", known):
                continue
            if simple not in self._titles:
                lookups += 1
                if lookups > _MAX_LOOKUPS:
                    found.append("(too many capitalised names to look up)")
                    break
                self._titles[simple] = next((t for t in self._search(candidate) if plain(t) == simple), None)
            title = self._titles[simple]
            if title is not None and title not in found:
                found.append(title)
        return found


def candidates(text: str) -> list[str]:
    """Pieces of a text that may be titles: what is quoted, and runs of capitalised words with all their sub-runs.

    A single capitalised word counts only inside a sentence, where capitals mean a name.
    """
    found = [a or b for a, b in _QUOTED.findall(text)]
    for match in _TITLE_LIKE.finditer(text):
        words = match.group().split()
        before = text[: match.start()].rstrip()
        starts_sentence = not before or before[-1] in ".!?:;•-–—\n"
        for start in range(len(words)):
            for end in range(len(words), start, -1):
                alone = end - start == 1
                if alone and (len(words[start]) < 4 or words[start].isdigit() or (start == 0 and starts_sentence)):
                    continue
                found.append(" ".join(words[start:end]))
    return list(dict.fromkeys(piece.strip(" :'’") for piece in found))


def plain(text: str) -> str:
    """A text without case, accents, punctuation, a year in brackets and a leading or trailing article."""
    text = unicodedata.normalize("NFKD", text).casefold()
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = re.sub(r"\(\d{4}\)", " ", text)
    text = " ".join(re.sub(r"[^\w|]+", " ", text).split())
    return re.sub(r"^(?:the|a|an) (?=\w)", "", text)


def card_sources(card: Card) -> list[str]:
    """Everything a text may repeat of one card."""
    facts = card.get("facts", {})
    values = [str(v) for value in facts.values() for v in (value if isinstance(value, list) else [value])]
    return [str(card.get("title", "")), str(card.get("reason", "")), *values]


def _foreign_numbers(text: str, sources: str, cards: Sequence[Card]) -> list[str]:
    """Numbers that no source holds. Small counts, differences of two cards, and years between those of the
    cards, are free.
    """
    known = {n.rstrip(".,") for n in _NUMBER.findall(sources)}
    # who says hours is answered in minutes
    known |= {f"{60 * float(hours.replace(',', '.')):g}" for hours in _HOURS.findall(sources)}
    ranges, gaps = _ranges(cards), _gaps(cards)
    found = []
    for raw in dict.fromkeys(n.rstrip(".,") for n in _NUMBER.findall(text.replace("\u202f", ""))):
        value = float(raw.replace(",", ""))
        if raw in known or value <= 20 or value in gaps or any(low <= value <= high for low, high in ranges):
            continue
        decade = any(k.isdigit() and len(k) == 4 and int(k) // 10 * 10 == value for k in known)
        if not decade:
            found.append(f"says {raw}, which is on no card and was not said by the user")
    return found


def _gaps(cards: Sequence[Card]) -> set[float]:
    """Differences between the numbers of two cards: what a comparison may say."""
    numbers: dict[str, set[float]] = {}
    for card in cards:
        for name, value in card.get("facts", {}).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                numbers.setdefault(name, set()).add(float(value))
    return {abs(one - two) for values in numbers.values() for one in values for two in values}


def _ranges(cards: Sequence[Card]) -> list[tuple[float, float]]:
    numbers: dict[str, list[float]] = {}
    for card in cards:
        for name, value in card.get("facts", {}).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                numbers.setdefault(name, []).append(float(value))
    return [(min(values), max(values)) for values in numbers.values()]
