"""Text of a language model, checked sentence by sentence before anyone sees it.

The model writes of slots by number. A sentence is dropped when it speaks of a slot that isn't there, names a title that
is not on the slate, brings a quoted name or a capitalised word nobody gave it, a number that is not among the facts, or
a claim that the records don't bear out (`agents.claims`); and when it repeats a prompt (`prompts.leaks`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.cards import spoken_title
from agents.claims import Claims
from agents.state import SlateCard
from prompts.leaks import GRAM, WITHIN, leaked, words
from tools.inert import without_hidden
from tools.titles import plain, title_forms

_SLOT = re.compile(r"\[\s*#?(\d{1,3})\s*\]")
_END = re.compile(
    r"[.!?\N{HORIZONTAL ELLIPSIS}]+[\"'\N{RIGHT DOUBLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK})\]]*(?=\s|$)|\n+"
)
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|vs|No|etc|e\.g|i\.e|Jr|Sr)|\b[A-Z])\.$")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_BOUND = re.compile(r"\b(?:before|after|since|until) (\d{4})\b")
"""Years that only bound a claim; the claim is checked."""
_QUOTED = re.compile(
    r"[\"\N{LEFT DOUBLE QUOTATION MARK}\N{LEFT-POINTING DOUBLE ANGLE QUOTATION "
    r"MARK}*_]([^\"\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION "
    r"MARK}\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}*_]{2,80})[\"\N{RIGHT DOUBLE "
    r"QUOTATION MARK}\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}*_]"
)
_CAPITALISED = re.compile(r"[^\W\d_a-z][\w'\N{RIGHT SINGLE QUOTATION MARK}.-]*")
_MARKUP = re.compile(r"[<>]|https?://\S+|www\.\S+|!\[|\]\(|`|\|")
_COMMON = frozenset(
    [
        "i",
        "i'm",
        "i've",
        "i'll",
        "i'd",
        "english",
        "french",
        "german",
        "italian",
        "spanish",
        "japanese",
        "american",
        "british",
        "european",
        "asian",
        "african",
        "christmas",
        "halloween",
        "easter",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "ok",
    ]
)


@dataclass
class Facts:
    """What a text may speak of.

    Args:
        cards: the slate.
        said: words that were said to the model besides the cards (the message, the wish).
        titles: plain forms of all titles of the catalogue, to recognise one that is not on the slate.
        claims: the records of the cards; None checks names and numbers only.
    """

    cards: list[SlateCard]
    said: str
    titles: frozenset[str]
    claims: Claims | None = None
    _words: set[str] = field(init=False)
    _numbers: set[str] = field(init=False)
    _slots: dict[int, str] = field(init=False)
    _own: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._slots = {card.slot: spoken_title(card.title) for card in self.cards}
        self._own = {form for card in self.cards for form in title_forms(card.title)}
        texts = [self.said, *self._slots.values()]
        for card in self.cards:
            for value in card.facts.values():
                texts += value if isinstance(value, list) else [str(value)]
        self._words = {word for text in texts for word in plain(text).split()}
        numbers = {n for text in texts for n in _NUMBER.findall(text)}
        decades = {n[:3] + "0" for n in numbers if len(n) == 4}
        self._numbers = numbers | decades | {d[2:] for d in decades} | {str(len(self.cards))}

    @property
    def noun(self) -> str:
        """What the catalogue calls its items."""
        return self.claims.catalogue.item_noun if self.claims else "items"

    def fill(self, text: str) -> str:
        """The text with [n] replaced by the slot's title."""
        return _SLOT.sub(lambda m: self._slots.get(int(m[1]), ""), text)

    def slotted(self, text: str) -> str:
        """A finished text with the titles of the slate turned back into slots, for checking texts by rules."""
        for slot, title in sorted(self._slots.items(), key=lambda pair: -len(pair[1])):
            text = re.sub(rf"(?<!\w){re.escape(title)}(?!\w)", f"[{slot}]", text)
        return text

    def objection(self, text: str) -> str:
        """Why a sentence can't be said; empty when it can.

        Args:
            text: one sentence as the model wrote it, slots still as [n].
        """
        for match in _SLOT.finditer(text):
            if int(match[1]) not in self._slots:
                return f"slot {match[1]} is not on the slate"
        bare = _SLOT.sub(" ", text)
        if _MARKUP.search(bare):
            return "markup or an address"
        bounds = set(_BOUND.findall(bare)) if self.claims else set()
        for number in _NUMBER.findall(bare):
            if number not in self._numbers and number not in bounds:
                return f"the number {number} is not among the facts"
        for match in _QUOTED.finditer(bare):
            if not self._known(match[1]):
                return "a quoted name is not among the facts"
        if leaked(bare, WITHIN, self.noun):
            return "it repeats what I was told, not what was found"
        return self._foreign_name(bare) or (self.claims.objection(text) if self.claims else "")

    def _foreign_name(self, text: str) -> str:
        start = True
        run: list[str] = []
        for token in [*re.findall(r"\[|[^\s]+", text.strip()), ""]:
            word = token.strip("\"'()[],;:.!?*_\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}")
            if word and _CAPITALISED.fullmatch(word) and word[0].isupper():
                run.append(word)
                continue
            problem = self._run_problem(run, at_start=start)
            if problem:
                return problem
            if run or word:
                start = False
            run = []
        return ""

    def _run_problem(self, run: list[str], *, at_start: bool) -> str:
        if not run:
            return ""
        form = plain(" ".join(run))
        if len(run) > 1 and form in self.titles and form not in self._own:
            return f"the title {' '.join(run)!r} is not on the slate"
        # the first word of a sentence is capital for its place; with more capitals after it the whole run is a name
        names = run[1:] if at_start else run
        for name in names:
            if not self._known(name):
                return f"the name {name!r} is not among the facts"
        return ""

    def _known(self, text: str) -> bool:
        words = plain(text).split()
        return all(w in self._words or w in _COMMON or w.removesuffix("s") in self._words for w in words)


class SentenceFilter:
    """Takes pieces of text and gives out whole sentences that passed, slots filled in.

    Args:
        facts: what may be spoken of.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._pending = ""
        self.dropped: list[str] = []
        """Objections to the sentences left out."""
        self.lost: list[str] = []
        """Those sentences."""
        self._tail: list[str] = []

    def push(self, piece: str) -> Iterable[str]:
        """Sentences that the piece completes."""
        self._pending += piece
        while (end := self._sentence_end()) is not None:
            text, self._pending = self._pending[:end], self._pending[end:]
            if (checked := self._check(text)) is not None:
                yield checked

    def close(self) -> Iterable[str]:
        """What is left, when it reads like a sentence."""
        text, self._pending = self._pending, ""
        if re.search(r"[.!?]\W*$", text) and (checked := self._check(text)) is not None:
            yield checked

    def _sentence_end(self) -> int | None:
        for match in _END.finditer(self._pending):
            after = self._pending[match.end() : match.end() + 1]
            if _ABBREVIATION.search(self._pending[: match.start() + 1]) or (not after and "\n" not in match[0]):
                continue
            return match.end()
        return None

    def _check(self, text: str) -> str | None:
        text = without_hidden(text)
        if not any(character.isalpha() for character in text):
            return None
        so_far = [*self._tail, *words(text)]
        objection = self._facts.objection(text)
        if not objection and leaked(" ".join(so_far), noun=self._facts.noun):
            objection = "with what was said before it repeats a prompt"
        if objection:
            self.dropped.append(objection)
            self.lost.append(text.strip())
            return None
        self._tail = so_far[-(GRAM - 1) :]
        return self._facts.fill(text.strip())
