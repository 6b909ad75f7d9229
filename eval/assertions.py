"""Holds one answer against what a script expects and against what must hold of every answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from eval.conditions import satisfies
from eval.grounding import Grounding, card_sources, plain
from eval.script import Expect, FieldCheck
from recsys_core.catalog.filters import ItemFilter
from recsys_core.catalog.items import Item

Json = dict[str, Any]


class Assertion(BaseModel):
    """One thing that was asked of an answer."""

    model_config = ConfigDict(extra="forbid")

    name: str
    """Kind of assertion."""
    passed: bool
    """Whether it holds."""
    message: str = ""
    """What is wrong; empty when it holds."""


@dataclass
class Answer:
    """One turn as it came over the stream."""

    events: list[Json] = field(default_factory=list)
    """Everything in order."""
    refused: Json | None = None
    """Status, type and message when the API refused the turn."""

    def of(self, kind: str) -> list[Json]:
        """Events of one type."""
        return [event for event in self.events if event["type"] == kind]

    @property
    def end(self) -> Json:
        """The end event; empty when the turn had none."""
        ends = self.of("end")
        return ends[-1] if ends else {}

    @property
    def cards(self) -> list[Json]:
        """The last cards of the turn; none when it brought no slate."""
        slates = self.of("slate")
        return list(slates[-1]["cards"]) if slates else []

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(event["text"] for event in self.of("token"))


@dataclass
class Table:
    """What a conversation has put on the table so far."""

    slate: list[Json] = field(default_factory=list)
    """The cards before the running turn."""
    shown: list[Json] = field(default_factory=list)
    """Every card of the conversation before the running turn."""
    sources: list[str] = field(default_factory=list)
    """What the user said and what the page told, up to and with the running turn."""


class TurnCheck:
    """Checks the answers of one conversation.

    Args:
        item: looks an item up by id; None when there is no such item.
        grounding: traces titles and numbers.
        release: the release that must answer.
    """

    def __init__(self, item: Callable[[str], Item | None], grounding: Grounding, release: str) -> None:
        self.item = item
        self.grounding = grounding
        self.release = release

    def __call__(self, answer: Answer, expect: Expect, table: Table, rule: ItemFilter | None) -> list[Assertion]:
        """All assertions of one turn.

        Args:
            answer: what came back.
            expect: what the script asks.
            table: what was there before.
            rule: the page's filter of this turn.
        """
        if expect.refused == "must" or answer.refused is not None:
            return [_refusal(answer, expect.refused)]
        found = [_stream(answer), self._served(answer), *self._cards(answer, rule)]
        found += _expected_cards(self._whole(answer.cards), expect, self._whole(table.slate), table.shown)
        found += self._text(answer, expect, table)
        found += _flags(answer, expect)
        return found

    def _whole(self, cards: Sequence[Json]) -> list[Json]:
        """Cards with all facts of the catalogue, since a card needn't show everything a script asks about."""
        items = [self.item(card["item_id"]) for card in cards]
        return [
            {**card, "facts": item.attributes if item is not None else card["facts"]}
            for card, item in zip(cards, items, strict=True)
        ]

    def _served(self, answer: Answer) -> Assertion:
        releases = {event.get("release") for event in (*answer.of("start"), *answer.of("end"))}
        return _say("release", releases == {self.release}, f"answered by {releases}, expected {self.release}")

    def _cards(self, answer: Answer, rule: ItemFilter | None) -> list[Assertion]:
        cards = answer.cards
        ids = [card["item_id"] for card in cards]
        slots = [card["slot"] for card in cards]
        found = [
            _say("unique", len(set(ids)) == len(ids), f"an item occurs twice among {ids}"),
            _say("slots", slots == list(range(1, len(cards) + 1)), f"slots are {slots}"),
        ]
        # Cards shown for a moment before the refined ones count just as much: people have seen them.
        for card in [card for slate in answer.of("slate") for card in slate["cards"]]:
            item = self.item(card["item_id"])
            fault = "doesn't exist" if item is None else _wrong_facts(card, item)
            found.append(_say("exists", not fault, f"card '{card['title']}' ({card['item_id']}) {fault}"))
            if item is not None and rule is not None:
                message = f"card '{card['title']}' breaks the page's filter"
                found.append(_say("filter", satisfies(item, rule), message))
        return found

    def _spoken_of(self, answer: Answer, table: Table) -> list[Json]:
        """Items that the answer is about and that the user named, as cards: their facts may be told."""
        said = plain(" | ".join(table.sources))
        told = (answer.end.get("understood") or {}).get("items", [])
        items = [self.item(named["item_id"]) for named in told if plain(named["title"]) in said]
        return [{"title": item.title, "facts": item.attributes} for item in items if item is not None]

    def _text(self, answer: Answer, expect: Expect, table: Table) -> list[Assertion]:
        text = answer.text
        found = [_say("text", bool(text.strip()), "the answer has no text")]
        for piece in expect.text_without:
            found.append(_say("text_without", piece.casefold() not in text.casefold(), f"the text holds {piece!r}"))
        on_table = answer.cards or table.slate
        if expect.speaks_of_slot is not None:
            title = next((c["title"] for c in on_table if c["slot"] == expect.speaks_of_slot), None)
            named = title is not None and plain(title) in plain(text)
            found.append(
                _say("speaks_of_slot", named, f"the text doesn't name '{title}' (slot {expect.speaks_of_slot})")
            )
        if expect.grounded:
            cards = [*table.shown, *[card for slate in answer.of("slate") for card in slate["cards"]]]
            cards += self._spoken_of(answer, table)
            notes = [slate.get("note", "") for slate in answer.of("slate")]
            sources = [*table.sources, *notes, *(source for card in cards for source in card_sources(card))]
            faults = self.grounding.faults(text, sources, cards)
            found.append(_say("grounded", not faults, "the text " + "; ".join(faults)))
        return found


def _refusal(answer: Answer, wanted: str) -> Assertion:
    if answer.refused is None:
        return _say("refused", False, "the API answered what it should have refused")
    status = answer.refused["status"]
    if wanted == "never":
        return _say("refused", False, f"the API refused the turn: {status} {answer.refused['message']}")
    typed = 400 <= status < 500 and bool(answer.refused["kind"]) and bool(answer.refused["message"])
    return _say("refused", typed, f"refused with {status} and without a typed error")


def _stream(answer: Answer) -> Assertion:
    kinds = [event["type"] for event in answer.events]
    errors = "; ".join(event["message"] for event in answer.of("error"))
    whole = (
        bool(kinds) and kinds[0] == "start" and kinds[-1] == "end" and kinds.count("start") == kinds.count("end") == 1
    )
    return _say("stream", whole and not errors, errors or f"the stream is {kinds[:1]} ... {kinds[-1:]}")


def _expected_cards(
    cards: Sequence[Json], expect: Expect, slate: Sequence[Json], shown: Sequence[Json]
) -> list[Assertion]:
    found = []
    ids = [card["item_id"] for card in cards]
    before = [card["item_id"] for card in slate]
    if expect.cards is not None:
        fits = expect.cards.min <= len(cards) <= expect.cards.max
        found.append(_say("cards", fits, f"{len(cards)} cards, expected {expect.cards.min} to {expect.cards.max}"))
    found += [_share(cards, check) for check in expect.all]
    for check in expect.none:
        bad = [card["title"] for card in cards if _holds(card, check)]
        found.append(_say("none", not bad, f"{bad} {_words(check)}"))
    unwanted = {plain(title) for title in expect.not_titles}
    if unwanted:
        bad = [card["title"] for card in cards if plain(card["title"]) in unwanted]
        found.append(_say("not_titles", not bad, f"{bad} should not be there"))
    if expect.not_slots:
        gone = {card["item_id"] for card in slate if card["slot"] in expect.not_slots}
        bad = [card["title"] for card in cards if card["item_id"] in gone]
        found.append(_say("not_slots", bool(gone) and not bad, f"{bad} came back from slots {expect.not_slots}"))
    if expect.keeps_slate:
        found.append(_say("keeps_slate", not ids or ids == before, "the slate changed"))
    if expect.changed:
        found.append(_say("changed", bool(ids) and set(ids) != set(before), "the slate holds the same items as before"))
    if expect.nothing_shown_before:
        earlier = {card["item_id"] for card in shown}
        bad = [card["title"] for card in cards if card["item_id"] in earlier]
        found.append(_say("nothing_shown_before", bool(cards) and not bad, f"{bad} were shown before"))
    for name, sign in ((expect.higher_than_before, 1), (expect.lower_than_before, -1)):
        if name is not None:
            found.append(_moved(cards, slate, name, sign))
    return found


def _share(cards: Sequence[Json], check: FieldCheck) -> Assertion:
    holding = [card for card in cards if _holds(card, check)]
    share = len(holding) / len(cards) if cards else 0.0
    bad = [card["title"] for card in cards if card not in holding]
    return _say("all", share >= check.share, f"{share:.0%} of the cards {_words(check)}, not {bad}")


def _moved(cards: Sequence[Json], before: Sequence[Json], name: str, sign: int) -> Assertion:
    now, then = _mean(cards, name), _mean(before, name)
    kind = "higher_than_before" if sign > 0 else "lower_than_before"
    if now is None or then is None:
        return _say(kind, False, f"no card tells its {name}")
    return _say(kind, sign * (now - then) > 0, f"mean {name} went from {then:.1f} to {now:.1f}")


def _mean(cards: Sequence[Json], name: str) -> float | None:
    values = [card["facts"][name] for card in cards if isinstance(card["facts"].get(name), int | float)]
    return sum(values) / len(values) if values else None


def _holds(card: Json, check: FieldCheck) -> bool:
    value = card["facts"].get(check.field)
    if value is None:
        return False
    texts = {str(v).casefold() for v in (value if isinstance(value, list) else [value])}
    if check.contains is not None and check.contains.casefold() not in texts:
        return False
    if check.one_of is not None and not texts & {v.casefold() for v in check.one_of}:
        return False
    if check.at_least is None and check.at_most is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low = check.at_least if check.at_least is not None else float("-inf")
    high = check.at_most if check.at_most is not None else float("inf")
    return low <= value <= high


def _words(check: FieldCheck) -> str:
    said = check.model_dump(exclude_none=True, exclude={"field", "share"})
    return f"have {check.field} {', '.join(f'{name} {value}' for name, value in said.items())}"


def _flags(answer: Answer, expect: Expect) -> list[Assertion]:
    found = []
    nodes = {step["node"] for step in answer.of("step")}
    for node in expect.steps:
        found.append(_say("steps", node in nodes, f"node '{node}' didn't run; {sorted(nodes)} did"))
    for name in ("degraded", "exhausted", "cold_start"):
        wanted = getattr(expect, name)
        if wanted is not None:
            got = answer.end.get(name)
            found.append(_say(name, got is wanted, f"{name} is {got}, expected {wanted}"))
    return found


def _wrong_facts(card: Json, item: Item) -> str:
    if card["title"] != item.title:
        return f"bears another title than the catalogue's '{item.title}'"
    for name, value in card["facts"].items():
        known = item.attributes.get(name)
        # A card may show a part of a long list (the first names of a cast), never anything else.
        part = isinstance(value, list) and isinstance(known, list) and set(value) <= set(known)
        if value != known and not part:
            return f"says {name} is {value!r} where the catalogue has {known!r}"
    return ""


def _say(name: str, passed: bool, message: str) -> Assertion:
    return Assertion(name=name, passed=passed, message="" if passed else message)
