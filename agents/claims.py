"""What a sentence claims of the items on the slate, held against their records.

A sentence speaks of slots as ``[n]``. Kinds, countries, languages, people, years, minutes, comparisons and superlatives
in it are bound to the slots they stand beside and must be true of those; a sentence without slots must be true of the
slate. What no field of the catalogue could ever show (awards, true stories) can't be said at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agents.state import SlateCard
from agents.understanding.roles import Roles
from agents.understanding.vocabulary import Meaning, Vocabulary
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import AttributeValue
from tools.titles import plain

_TOKEN = re.compile(r"\[\s*#?(?P<slot>\d{1,3})\s*\]|(?P<word>\w+(?:['’]\w+)*)|(?P<mark>[().,;:])")
_NEVER = re.compile(
    r"\b(?:award|prize|oscar|nominat|box[ -]office|gross(?:ed|ing)|best-?sell|blockbuster|sequel|prequel|remake|premier"
    r"|true stor|real events|based on|festival|acclaim|critics|budget|top-rated|cult classic|masterpiece|debut"
    r"|record-breaking|famous|legendary|world-renowned)",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"\b(?:asked|your (?:wish|request|taste|mood)|you (?:want|like|love|wish|said|mention|look|ask|are|feel)\w*"
    r"|looking for|in the mood)\b",
    re.IGNORECASE,
)
_ALL = frozenset(["all", "every", "each", "both", "entirely", "only", "everything"])
_NOT = frozenset(["no", "not", "without", "never", "isn't", "neither", "nor", "non", "isn’t"])
_BY = frozenset(["by", "with", "starring", "stars", "featuring", "features", "directed", "from", "written"])
_BREAK = frozenset([",", ";", ":", "while", "whereas", "but", "although", "though"])
_SAME = frozenset([",", "and", "or", "both"])
_UP = {"newer": "year", "later": "year", "latest": "year", "newest": "year", "recent": "year", "longer": "duration",
       "longest": "duration", "dearer": "price", "priciest": "price", "pricier": "price", "expensive": "price",
       "youngest": "year", "younger": "year"}  # fmt: skip
_DOWN = {"older": "year", "oldest": "year", "earlier": "year", "earliest": "year", "shorter": "duration",
         "shortest": "duration", "cheaper": "price", "cheapest": "price"}  # fmt: skip
_SUPERLATIVE = frozenset(
    ["latest", "newest", "longest", "priciest", "youngest", "oldest", "earliest", "shortest", "cheapest"]
)
_RATED = re.compile(r"\b(best|highest|better|higher|worst|lowest|lower|worse)[- ]rated\b", re.IGNORECASE)
_MINUTES = frozenset(["minutes", "minute", "min", "mins"])
_HOURS = frozenset(["hours", "hour", "hrs"])


@dataclass(frozen=True)
class _Token:
    """One word, slot or mark of a sentence; ``text`` is lower case, ``raw`` as written."""

    text: str
    raw: str
    slot: int = 0


@dataclass
class Claims:
    """Records of one slate.

    Args:
        cards: the slate.
        catalogue: where the records stand, whole; a card shows a few values only.
        roles: its fields by part.
        vocabulary: its values as words.
        said: what the user said; a sentence may repeat it as theirs.
    """

    cards: list[SlateCard]
    catalogue: Catalogue
    roles: Roles
    vocabulary: Vocabulary
    said: str
    _records: dict[int, dict[str, AttributeValue]] = field(init=False)

    def __post_init__(self) -> None:
        self._records = {
            card.slot: self.catalogue.get(card.item_id).attributes
            if card.item_id in self.catalogue
            else dict(card.facts)
            for card in self.cards
        }
        self._said = f" {plain(self.said)} "

    def objection(self, sentence: str) -> str:
        """What in the sentence is not so, or can't be known; empty when nothing is."""
        never = _NEVER.search(sentence)
        if never and plain(never[0]) not in self._said and not self._known_field(never[0]):
            return f"{never[0]!r} is nothing the records tell"
        tokens = [
            _Token((m["word"] or m["mark"] or "").casefold(), m[0], int(m["slot"] or 0))
            for m in _TOKEN.finditer(sentence)
        ]
        asked = _ASKED.search(sentence) is not None
        checks: tuple[Callable[[list[_Token], bool], str], ...] = (
            self._attributes,
            self._people,
            self._numbers,
            self._compared,
        )
        for check in checks:
            if problem := check(tokens, asked):
                return problem
        return self._rated(sentence, tokens)

    # -- attributes ---------------------------------------------------------------------------------------------

    def _attributes(self, tokens: list[_Token], asked: bool) -> str:
        at = 0
        while at < len(tokens):
            step = 1
            for length in range(min(4, len(tokens) - at), 0, -1):
                part = tokens[at : at + length]
                if any(t.slot or not t.text[:1].isalnum() for t in part):
                    continue
                phrase = plain(" ".join(t.text for t in part))
                meanings = [m for m in self.vocabulary.lookup(phrase) if m.field in self._bound]
                if not meanings or self._in_name(tokens, at, at + length):
                    continue
                if problem := self._attribute(phrase, meanings, tokens, at, asked):
                    return problem
                step = length
                break
            at += step
        return ""

    def _in_name(self, tokens: list[_Token], at: int, end: int) -> bool:
        """Whether words are part of a longer name that one of the records holds ("Holland" in "Tom Holland")."""
        low, high = at, end
        while low and tokens[low - 1].raw[:1].isupper():
            low -= 1
        while high < len(tokens) and tokens[high].raw[:1].isupper():
            high += 1
        if high - low == end - at or not all(t.raw[:1].isupper() for t in tokens[at:end]):
            return False
        words = set(plain(" ".join(t.raw for t in tokens[low:high])).split())
        return any(words <= self._names(slot) for slot in self._records)

    @property
    def _bound(self) -> set[str]:
        roles = self.roles
        return {f for f in (*roles.genres, roles.country, roles.language, roles.certificate) if f}

    def _attribute(self, phrase: str, meanings: list[Meaning], tokens: list[_Token], at: int, asked: bool) -> str:
        slots = any(t.slot for t in tokens)
        if f" {phrase} " in self._said and (asked or not slots):
            return ""
        wanted = [(m.field, {v.casefold() for v in m.values}) for m in meanings]

        def has(slot: int) -> bool:
            return any(_values(self._records[slot].get(name)) & values for name, values in wanted)

        denied = any(t.text in _NOT for t in tokens[max(0, at - 2) : at])
        holds = (lambda slot: not has(slot)) if denied else has
        return "" if self._true(tokens, at, holds) else f"{phrase!r} is not what the record says"

    # -- people -------------------------------------------------------------------------------------------------

    def _people(self, tokens: list[_Token], asked: bool) -> str:
        at = 0
        while at < len(tokens):
            end = at
            while end < len(tokens) and tokens[end].raw[:1].isupper() and not tokens[end].slot:
                end += 1
            if end > at:
                if problem := self._person(tokens, at, end, asked):
                    return problem
                at = end
            at += 1
        return ""

    def _person(self, tokens: list[_Token], at: int, end: int, asked: bool) -> str:
        words = set(plain(" ".join(t.raw for t in tokens[at:end])).split())
        name = " ".join(t.raw for t in tokens[at:end])

        def has(slot: int) -> bool:
            # two names of one card may stand side by side, so it is enough that all words are names of that card
            return words <= self._names(slot)

        before = [t.text for t in tokens[max(0, at - 2) : at] if t.text[:1].isalnum()]
        named = bool(_BY & set(before[-2:]))
        anybody = any(has(slot) for slot in self._records)
        if not anybody:
            # by whom, with whom: a name from elsewhere is no fact of these, whoever said it
            claimed = named and any(t.slot for t in tokens) and not asked and bool(before) and before[-1] != "from"
            return f"{name!r} is not in the record" if claimed and self._is_person(words) else ""
        if asked and f" {plain(name)} " in self._said:
            return ""
        return "" if self._true(tokens, at, has) else f"{name!r} is in another record"

    def _names(self, slot: int) -> set[str]:
        record = self._records[slot]
        return {word for f in self.roles.people for v in _values(record.get(f)) for word in plain(v).split()}

    def _is_person(self, words: set[str]) -> bool:
        for name in self.roles.people:
            if any(words <= set(plain(value).split()) for value in self.catalogue.postings(name).rows):
                return True
        return False

    # -- numbers ------------------------------------------------------------------------------------------------

    def _numbers(self, tokens: list[_Token], asked: bool) -> str:
        for at, token in enumerate(tokens):
            after = tokens[at + 1].text if at + 1 < len(tokens) else ""
            before = tokens[at - 1].text if at else ""
            if problem := self._number(token.text, before, after, tokens, at, asked):
                return problem
        return ""

    def _number(self, text: str, before: str, after: str, tokens: list[_Token], at: int, asked: bool) -> str:
        holds: Callable[[int], bool] | None = None
        digits = re.fullmatch(r"(\d+)(s?)", text)
        unit = after
        if digits and self.roles.duration and unit in _MINUTES:
            holds = self._near(self.roles.duration, float(digits[1]), 0.5)
        elif digits and self.roles.duration and unit in _HOURS:
            holds = self._near(self.roles.duration, 60 * float(digits[1]), 10)
        elif digits and self.roles.year and len(digits[1]) == 4 and 1850 <= int(digits[1]) <= 2099:
            holds = self._year(int(digits[1]), bool(digits[2]), before)
        elif digits and self.roles.year and digits[2] and len(digits[1]) == 2:
            holds = self._near(self.roles.year, 1904.5 + int(digits[1]), 4.5)
        if holds is None or (f" {text} " in self._said and (asked or not any(t.slot for t in tokens))):
            return ""
        return "" if self._true(tokens, at, holds) else f"{text!r} is not the number in the record"

    def _near(self, name: str, value: float, within: float) -> Callable[[int], bool]:
        def holds(slot: int) -> bool:
            number = self._value(slot, name)
            return number is not None and abs(number - value) <= within

        return holds

    def _year(self, year: int, decade: bool, before: str) -> Callable[[int], bool]:
        def holds(slot: int) -> bool:
            made = self._value(slot, self.roles.year or "")
            if made is None:
                return False
            if before in {"after", "since"}:
                return made >= year
            if before in {"before", "until"}:
                return made <= year
            return year <= made <= year + 9 if decade else made == year

        return holds

    # -- comparisons --------------------------------------------------------------------------------------------

    def _compared(self, tokens: list[_Token], asked: bool) -> str:
        for at, token in enumerate(tokens):
            up = token.text in _UP
            part = _UP.get(token.text) or _DOWN.get(token.text)
            if part is None or (token.text == "recent" and (not at or tokens[at - 1].text not in {"most", "more"})):
                continue
            if token.text == "expensive" and (not at or tokens[at - 1].text not in {"most", "more"}):
                continue
            if f" {token.text} " in self._said:
                continue
            most = token.text in _SUPERLATIVE or (at > 0 and tokens[at - 1].text == "most")
            name = getattr(self.roles, part)
            fine = self._is_most(tokens, at, name, up) if most else self._is_more(tokens, at, name, up)
            if not fine:
                return f"{token.text!r} is not so, or can't be told"
        return ""

    def _is_most(self, tokens: list[_Token], at: int, name: str | None, up: bool) -> bool:
        values = {s: v for s in self._records if name and (v := self._value(s, name)) is not None}
        if not values:
            return False
        best = max(values.values()) if up else min(values.values())
        if any(t.slot for t in tokens):
            return self._true(tokens, at, lambda slot: values.get(slot) == best)
        return str(int(best)) in {t.text for t in tokens}

    def _is_more(self, tokens: list[_Token], at: int, name: str | None, up: bool) -> bool:
        before = [t.slot for t in tokens[:at] if t.slot]
        after = [t.slot for t in tokens[at:] if t.slot]
        if not name or not before or not after or {*before, *after} - set(self._records):
            return False
        one, two = self._value(before[-1], name), self._value(after[0], name)
        if one is None or two is None:
            return False
        return one > two if up else one < two

    def _rated(self, sentence: str, tokens: list[_Token]) -> str:
        match = _RATED.search(sentence)
        if match is None:
            return ""
        name, up = self.roles.stars, match[1].casefold() in {"best", "highest"}
        at = next((n for n, t in enumerate(tokens) if "rated" in t.text), 0)
        sure = match[1].casefold() in {"best", "highest", "worst", "lowest"}
        return "" if sure and self._is_most(tokens, at, name, up) else f"{match[0]!r} can't be told"

    # -- scope --------------------------------------------------------------------------------------------------

    def _true(self, tokens: list[_Token], at: int, holds: Callable[[int], bool]) -> bool:
        """Whether a claim at a place of the sentence holds for the slots it speaks of; no slot: for the slate."""
        slots = [n for n, t in enumerate(tokens) if t.slot]
        if not slots:
            words = {t.text for t in tokens}
            held = [holds(slot) for slot in self._records]
            if words & _ALL:
                return all(held)
            if words & {"most", "mostly"}:
                return 2 * sum(held) >= len(held)
            return any(held)
        before = [n for n in slots if n < at]
        after = [n for n in slots if n > at]
        behind = self._group(tokens, before[::-1])
        ahead = self._group(tokens, after)
        if not behind or not ahead:
            return _all(holds, behind or ahead)
        between = {t.text for t in tokens[before[-1] : at]}
        beyond = {t.text for t in tokens[at : after[0]]}
        if "(" in between and ")" not in between:
            return _all(holds, behind[:1])
        if between & _BREAK and not beyond & _BREAK:
            return _all(holds, ahead)
        if beyond & _BREAK and not between & _BREAK:
            return _all(holds, behind)
        return _all(holds, behind) or _all(holds, ahead)

    def _group(self, tokens: list[_Token], places: list[int]) -> list[int]:
        """Slots that stand together ("[1], [2] and [3]"), the nearest first."""
        group: list[int] = []
        for n, place in enumerate(places):
            if n:
                low, high = sorted((place, places[n - 1]))
                if any(t.text not in _SAME for t in tokens[low + 1 : high]):
                    break
            if tokens[place].slot in self._records:
                group.append(tokens[place].slot)
        return group

    def _value(self, slot: int, name: str) -> float | None:
        value = self._records[slot].get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def _known_field(self, word: str) -> bool:
        return any(plain(word) in plain(name.replace("_", " ")) for name in self.catalogue.fields)


def _all(holds: Callable[[int], bool], slots: Iterable[int]) -> bool:
    slots = list(slots)
    return bool(slots) and all(holds(slot) for slot in slots)


def _values(value: AttributeValue | None) -> set[str]:
    if value is None:
        return set()
    return {str(v).casefold() for v in value} if isinstance(value, list) else {str(value).casefold()}
