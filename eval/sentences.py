"""Does the check of sentences catch what is false and leave what is true? Sentences are made from random slates.

True ones state what the records hold; each false one differs from a true one in a single thing: a year, a person, a
kind, a country, a length, a title from elsewhere, an award nobody recorded, a comparison the wrong way round.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from agents.cards import facts_of, spoken_title
from agents.claims import Claims
from agents.grounding import Facts
from agents.state import SlateCard
from agents.understanding.roles import Roles
from agents.understanding.rules import RuleUnderstanding
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import AttributeValue
from tools.titles import TitleIndex

SLATE = 5
UNRECORDED = ("won an Oscar", "is an award winner", "is based on a true story", "broke box office records")


class Sentence(NamedTuple):
    """One sentence about a slate; ``kind`` names what is said, or what is wrong with it."""

    kind: str
    text: str


@dataclass
class SentenceFigures:
    """Counts by kind, and the sentences that were judged wrongly."""

    caught: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    """Kind of fault -> [caught, all]."""
    dropped: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    """Kind of true sentence -> [dropped, all]."""
    missed: list[str] = field(default_factory=list)
    """False sentences that passed."""
    lost: list[str] = field(default_factory=list)
    """True sentences that were dropped, with the objection."""

    @property
    def figures(self) -> dict[str, float]:
        """``false_sentences``, ``caught_share``, ``true_sentences``, ``dropped_share``."""
        false, true = _sum(self.caught), _sum(self.dropped)
        return {
            "false_sentences": false[1],
            "caught_share": round(false[0] / max(1, false[1]), 4),
            "true_sentences": true[1],
            "dropped_share": round(true[0] / max(1, true[1]), 4),
        }


def measure_sentences(catalogue: Catalogue, *, seed: int = 0, slates: int = 40) -> SentenceFigures:
    """Judge true and false sentences about random slates.

    Args:
        catalogue: whose items.
        seed: of slates and sentences.
        slates: how many; each gives about a dozen of each.
    """
    chance = random.Random(seed)
    rules = RuleUnderstanding(catalogue, TitleIndex(catalogue.titles))
    out = SentenceFigures()
    for _ in range(slates):
        ids = chance.sample(catalogue.ids, SLATE)
        cards = [
            SlateCard(slot=n, item_id=i, title=catalogue.get(i).title, facts=facts_of(catalogue, i))
            for n, i in enumerate(ids, 1)
        ]
        claims = Claims(cards, catalogue, rules.roles, rules.vocabulary, "")
        facts = Facts(cards, "", rules.title_forms, claims)
        told = _Slate(cards, catalogue, rules.roles, chance)
        for sentence in told.true():
            objection = facts.objection(sentence.text)
            out.dropped[sentence.kind][0] += bool(objection)
            out.dropped[sentence.kind][1] += 1
            if objection:
                out.lost.append(f"{sentence.text} ({objection})")
        for sentence in told.false():
            caught = bool(facts.objection(sentence.text))
            out.caught[sentence.kind][0] += caught
            out.caught[sentence.kind][1] += 1
            if not caught:
                out.missed.append(f"{sentence.kind}: {sentence.text}")
    return out


@dataclass
class _Slate:
    cards: list[SlateCard]
    catalogue: Catalogue
    roles: Roles
    chance: random.Random

    def true(self) -> Iterator[Sentence]:
        """What the records hold, in various words."""
        for card in self.cards[:3]:
            record, slot = self._record(card), f"[{card.slot}]"
            kinds, makers, actors = (
                self._texts(record, f) for f in (self.roles.genres, self.roles.makers, self.roles.performers)
            )
            year, minutes = self._number(record, self.roles.year), self._number(record, self.roles.duration)
            country = self._texts(record, (self.roles.country,) if self.roles.country else ())
            if kinds:
                yield Sentence("kind", f"{slot} is a {kinds[0].lower()} worth your evening.")
                if country:
                    yield Sentence("kind and country", f"Start with {slot}, a {kinds[-1].lower()} from {country[0]}.")
            if year is not None:
                yield Sentence("year", f"Made in {year}, {slot} still feels fresh.")
                yield Sentence("decade", f"{slot} takes you back to the {year // 10}0s.")
            if minutes is not None:
                yield Sentence("minutes", f"{slot} runs {minutes} minutes.")
            if makers:
                yield Sentence("maker", f"{slot} is by {makers[0]}.")
            if actors:
                yield Sentence("performer", f"Pick {slot} for {actors[0]}.")
        yield from self._pairs(right=True)
        yield Sentence("nothing", "These should make for a pleasant evening, and there is plenty to choose from.")

    def false(self) -> Iterator[Sentence]:
        """The same with one thing wrong."""
        for card in self.cards[:3]:
            record, slot = self._record(card), f"[{card.slot}]"
            year, minutes = self._number(record, self.roles.year), self._number(record, self.roles.duration)
            if year is not None:
                wrong = year + self.chance.choice([-21, -3, -1, 1, 2, 14])
                yield Sentence("wrong year", f"Made in {wrong}, {slot} still feels fresh.")
            if minutes is not None:
                yield Sentence(
                    "wrong minutes", f"{slot} runs {minutes + self.chance.choice([-20, -7, 9, 31])} minutes."
                )
            if self.roles.genres and (kind := self._other(record, self.roles.genres[0])):
                yield Sentence("wrong kind", f"{slot} is a {kind.lower()} worth your evening.")
            if self.roles.country and (country := self._other(record, self.roles.country)):
                yield Sentence("wrong country", f"Try {slot}, which comes from {country}.")
            for names, words in ((self.roles.makers, "is by"), (self.roles.performers, "stars")):
                if names and (person := self._other(record, names[0])):
                    yield Sentence("wrong person", f"{slot} {words} {person}.")
            yield Sentence("award", f"{slot} {self.chance.choice(UNRECORDED)}.")
            yield Sentence("no such slot", f"[{len(self.cards) + self.chance.randint(1, 9)}] is a fine choice.")
        shown = {card.item_id for card in self.cards}
        own = {spoken_title(card.title) for card in self.cards}
        foreign = [t for i, t in zip(self.catalogue.ids, self.catalogue.titles, strict=True) if i not in shown]
        title = spoken_title(self.chance.choice(foreign))
        if title not in own and len(title.split()) > 1:
            yield Sentence("foreign title", f"You could also watch “{title}” tonight.")
            yield Sentence("foreign title", f"If you know {title}, you will feel at home.")
        yield from self._pairs(right=False)

    def _pairs(self, *, right: bool) -> Iterator[Sentence]:
        for name, more, most in (
            (self.roles.year, ("older", "newer"), ("oldest", "newest")),
            (self.roles.duration, ("shorter", "longer"), ("shortest", "longest")),
        ):
            values = {c.slot: v for c in self.cards if (v := self._number(self._record(c), name)) is not None}
            one, two = self.cards[0].slot, self.cards[1].slot
            if one in values and two in values and values[one] != values[two]:
                smaller = values[one] < values[two]
                yield Sentence("comparison", f"[{one}] is {more[0 if smaller is right else 1]} than [{two}].")
            if len(values) > 1 and min(values.values()) != max(values.values()):
                low = [slot for slot, value in values.items() if value == min(values.values())]
                others = [slot for slot in values if slot not in low]
                yield Sentence(
                    "superlative", f"The {most[0]} of them is [{self.chance.choice(low if right else others)}]."
                )

    def _record(self, card: SlateCard) -> dict[str, AttributeValue]:
        return self.catalogue.get(card.item_id).attributes

    @staticmethod
    def _number(record: dict[str, AttributeValue], name: str | None) -> int | None:
        value = record.get(name or "")
        return int(value) if isinstance(value, int | float) else None

    @staticmethod
    def _texts(record: dict[str, AttributeValue], names: tuple[str, ...]) -> list[str]:
        found = [record[name] for name in names if name in record]
        return [v for value in found for v in (value if isinstance(value, list) else [str(value)])]

    def _other(self, record: dict[str, AttributeValue], name: str) -> str | None:
        """A value of the field that this record doesn't have, often one of its neighbours on the slate."""
        own = {v.casefold() for v in self._texts(record, (name,))}
        near = [v for card in self.cards for v in self._texts(self._record(card), (name,)) if v.casefold() not in own]
        far = [v for v in self.catalogue.fields[name].values if v.casefold() not in own]
        pool = near if near and self.chance.random() < 0.5 else far
        return self.chance.choice(pool) if pool else None


def _sum(counts: dict[str, list[int]]) -> tuple[int, int]:
    return sum(c[0] for c in counts.values()), sum(c[1] for c in counts.values())
