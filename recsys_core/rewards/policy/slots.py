"""The facts of a history as the policy reads them: one slot a fact, with figures, each in a group of its own kind."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_core.profiles import HistoryFacts
from recsys_core.profiles.facts import ValueFact
from recsys_core.rewards.policy.grammar import Grammar, Phrase

FIGURES = 7
"""How many numbers describe a slot."""
_LONGEST_NAME = 60


class Slot(NamedTuple):
    """One fact that may be named.

    Attributes:
        group: what kind of fact; creators, places and others have a group for each field of the catalogue.
        name: as it is written.
        figures: :data:`FIGURES` numbers of about unit size.
    """

    group: str
    name: str
    figures: tuple[float, ...]


def slots_of(facts: HistoryFacts, most: int = 40, titles: int = 0) -> list[Slot]:
    """The slots of one history, at most ``most``.

    Args:
        facts: of the visible part.
        most: how many.
        titles: so many titles of liked items become slots.
    """
    size = math.log1p(facts.items) / 5
    rising = {value.casefold() for value in facts.drift.rising} if facts.drift else set()
    slots: list[Slot] = []
    for rank, item in enumerate((facts.liked or facts.recent)[:titles]):
        if name := written(item.title):
            slots.append(Slot("title", name, (0.0, 0.0, 0.0, 0.0, 1 / (1 + rank), size, 0.0)))
    for part, values in (
        ("genre", facts.genres),
        ("era", facts.eras[:4]),
        ("creator", facts.creators),
        ("subject", facts.subjects),
        ("place", facts.places[:4]),
        ("language", facts.languages[:3]),
        ("other", facts.others[:5]),
        ("avoided", facts.avoided[:4]),
    ):
        for rank, fact in enumerate(values):
            if name := written(fact.value):
                group = f"{part}/{fact.field}" if part in {"creator", "place", "language", "other"} else part
                slots.append(Slot(group, name, _figures(fact, rank, size, fact.value.casefold() in rising)))
    return slots[:most]


def _figures(fact: ValueFact, rank: int, size: float, rising: bool) -> tuple[float, ...]:
    lift = math.log(max(fact.share, 1e-4) / max(fact.base, 1e-4))
    return (
        fact.share,
        max(-3.0, min(3.0, lift)) / 3,
        math.log1p(fact.count) / 5,
        fact.liking,
        1 / (1 + rank),
        size,
        float(rising),
    )


def written(value: str) -> str:
    """On one line, of bounded length, without a full stop at the end."""
    return " ".join(value.split())[:_LONGEST_NAME].rstrip(". ")


def make_grammar(every: Iterable[Sequence[Slot]], noun: str) -> Grammar:
    """Phrases for the groups that occur.

    Args:
        every: slots of the training histories.
        noun: what the items are called, in the plural.
    """
    found = Counter(slot.group for slots in every for slot in slots)
    groups = sorted(found)
    creators = [g for g in groups if g.startswith("creator/")]
    languages = [g for g in groups if g.startswith("language/")]
    places = [g for g in groups if g.startswith("place/")]
    others = [g for g in groups if g.startswith("other/")]
    capital = noun[:1].upper() + noun[1:]
    phrases = [
        Phrase(groups=["genre"], opening="Likes", closing=f" {noun}"),
        Phrase(groups=["genre"], opening=f"{capital} of interest:"),
        Phrase(groups=["era"], opening="of the", after="genre", most=3),
        Phrase(groups=["era"], opening=f"Likes {noun} of the", most=3),
        Phrase(groups=creators, opening="Comes back to") if creators else None,
        Phrase(groups=["subject"], opening="Chooses titles about"),
        Phrase(groups=places, opening=f"Chooses {noun} from", most=4) if places else None,
        Phrase(groups=languages, opening=f"Chooses {noun} in", most=4) if languages else None,
        Phrase(groups=others, opening="Often:", most=4) if others else None,
        Phrase(groups=["avoided"], opening="Seldom chooses", closing=f" {noun}", most=3),
        Phrase(groups=["title"], opening="Liked", most=2),
    ]
    for group in (*creators, *places, *languages, *others):
        field = group.partition("/")[2].replace("_", " ")
        phrases.append(Phrase(groups=[group], opening=f"{field[:1].upper()}{field[1:]}:"))
    return Grammar(phrases=[p for p in phrases if p and set(p.groups) & set(groups)], groups=groups)


class Words(NamedTuple):
    """Names that have a vector of their own; 0 is for all others."""

    numbers: dict[str, int]

    @classmethod
    def of(cls, every: Iterable[Sequence[Slot]], most: int) -> Words:
        """The names met most often, ties in alphabetical order; titles are left out."""
        met = Counter(slot.name.casefold() for slots in every for slot in slots if slot.group != "title")
        ranked = sorted(met, key=lambda name: (-met[name], name))[:most]
        return cls({name: n for n, name in enumerate(ranked, 1)})


class Sheet(NamedTuple):
    """Slots of many histories as arrays.

    Attributes:
        groups: int64[B, S], -1 for padding.
        words: int64[B, S], numbers in :class:`Words`.
        twins: int64[B, S]; slots of one number say the same words.
        figures: float32[B, S, FIGURES].
    """

    groups: NDArray[np.int64]
    words: NDArray[np.int64]
    twins: NDArray[np.int64]
    figures: NDArray[np.float32]

    def rows(self, rows: NDArray[np.int64]) -> Sheet:
        """Some of the histories, possibly repeated."""
        return Sheet(self.groups[rows], self.words[rows], self.twins[rows], self.figures[rows])


def sheet(every: Sequence[Sequence[Slot]], grammar: Grammar, words: Words, most: int) -> Sheet:
    """Arrays of slots.

    Args:
        every: slots of each history; slots of groups without a phrase stay, and can't be named.
        grammar: its groups.
        words: its names.
        most: slots read of a history; also the width of the arrays.
    """
    shape = (len(every), most)
    groups, numbers = np.full(shape, -1, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    twins = np.tile(np.arange(most), (len(every), 1))
    figures = np.zeros((*shape, FIGURES), dtype=np.float32)
    for row, slots in enumerate(every):
        first: dict[str, int] = {}
        for column, slot in enumerate(slots[:most]):
            key = slot.name.casefold()
            groups[row, column] = grammar.number(slot.group)
            numbers[row, column] = words.numbers.get(key, 0)
            twins[row, column] = first.setdefault(key, column)
            figures[row, column] = slot.figures
    return Sheet(groups, numbers, twins, figures)


def plan_of(text: str, grammar: Grammar, slots: Sequence[Slot]) -> list[int]:
    """The plan whose text is nearest to a profile written by rules: the lines that open with a phrase of the grammar
    and the slots that they name, in order.

    Args:
        text: a sentence a line.
        grammar: phrases to recognise.
        slots: of the same history.

    Returns:
        Actions without the end; empty when no line is recognised.
    """
    actions: list[int] = []
    used: set[int] = set()
    said: set[str] = set()
    for line in text.splitlines():
        rest = line.strip().rstrip(".")
        starts = [n for n, p in enumerate(grammar.phrases) if not p.after]
        phrase = _opening(rest, grammar, starts, used)
        group = ""
        while phrase is not None:
            known = grammar.phrases[phrase]
            rest = rest[len(known.opening) :]
            further = [n for n, p in enumerate(grammar.phrases) if p.after and p.after in known.groups]
            cut, following = _further(rest, grammar, further, used)
            named = _mentioned(rest[:cut], known, slots, said)
            if named:
                used.add(phrase)
                said |= {slots[n].name.casefold() for n in named}
                actions += [phrase + 1, *(1 + len(grammar.phrases) + n for n in named)]
            group = known.groups[0] if named else group
            phrase, rest = (following if named else None), rest[cut:].lstrip()
    return actions


def _opening(rest: str, grammar: Grammar, among: Sequence[int], used: set[int]) -> int | None:
    """The phrase with the longest opening that the text begins with."""
    fits = [n for n in among if n not in used and rest.startswith(grammar.phrases[n].opening + " ")]
    return max(fits, key=lambda n: len(grammar.phrases[n].opening), default=None)


def _further(rest: str, grammar: Grammar, among: Sequence[int], used: set[int]) -> tuple[int, int | None]:
    """Where a phrase that goes on with the sentence begins, and which; the end and None when there is none."""
    places = [(rest.find(f" {grammar.phrases[n].opening} "), n) for n in among if n not in used]
    return min(((place, n) for place, n in places if place >= 0), default=(len(rest), None))


def _mentioned(text: str, phrase: Phrase, slots: Sequence[Slot], said: set[str]) -> list[int]:
    """Slots that the phrase takes and the text names, in order of mention; longer names are looked for first."""
    found: dict[int, int] = {}
    for n in sorted(range(len(slots)), key=lambda n: -len(slots[n].name)):
        name = slots[n].name
        if slots[n].group not in phrase.groups or name.casefold() in said:
            continue
        place = text.find(name)
        if place >= 0:
            found[place] = n
            text = text[:place] + "\0" * len(name) + text[place + len(name) :]
    return [found[place] for place in sorted(found)][: phrase.most]
