"""Do the cards keep to what was said? Labelled constraints, added up over a conversation, against catalogue records.

Hard are values asked for and ruled out, explicit ranges, and items that are known, disliked or barred; moods, examples,
directions ("newer") and how many are not. What the answer says it dropped is not held against the cards. Judged by
plain Python that shares no code with serving.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agents.intent import Wish
from agents.understood import Understood
from eval.grounding import plain
from eval.labels import Bound, IntentLabel, number
from recsys_core.catalog.items import AttributeValue, Item


@dataclass(frozen=True)
class Constraint:
    """One thing that every card must satisfy.

    Attributes:
        fields: any of these fields will do.
        values: any of these values, in plain form; empty for a range.
        low: lower end of a range, or None.
        high: upper end of a range, or None.
        negative: must not hold rather than must.
        lasting: said for good; outlives the topic.
    """

    fields: tuple[str, ...]
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    negative: bool = False
    lasting: bool = False

    def broken_by(self, item: Item) -> bool:
        """Whether an item breaks it; an item without a value of the field breaks what is asked for."""
        holds = any(self._holds(item.attributes.get(name)) for name in self.fields)
        return holds if self.negative else not holds

    def _holds(self, value: AttributeValue | None) -> bool:
        if value is None:
            return False
        if self.values:
            return bool({plain(str(v)) for v in (value if isinstance(value, list) else [value])} & set(self.values))
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        what = ", ".join(self.values) if self.values else f"{_end(self.low)}..{_end(self.high)}"
        return f"{'not ' if self.negative else ''}{'|'.join(self.fields)} {what}"


@dataclass(frozen=True)
class Violation:
    """A card that should not be there."""

    item_id: str
    """The card's item."""
    title: str
    """Its title."""
    broken: str
    """What it breaks."""


@dataclass
class Constraints:
    """What holds so far in one conversation.

    Attributes:
        running: of the request at hand.
        lasting: said for good.
        gone: titles, in plain form, that must not come back.
        before: states of the running request, newest last, for "undo".
    """

    running: list[Constraint] = field(default_factory=list)
    lasting: list[Constraint] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    before: list[list[Constraint]] = field(default_factory=list)

    def new_thread(self) -> None:
        """Another conversation of the same person: what was said for good and what is known stays."""
        self.running, self.before = [], []

    def hear(self, label: IntentLabel, table: Mapping[int, str]) -> None:
        """Add what a message asks for.

        Args:
            label: what it means.
            table: slot -> title before the message.
        """
        if label.act == "undo":
            self.running = self.before.pop() if self.before else []
            return
        if label.act == "reset":
            self.before.append(self.running)
            self.running = []
            return
        if label.act != "recommend":
            return
        self.before.append(list(self.running))
        if label.topic != "refine":
            self.running = []
        over = {name for fields in (*label.replaces, *label.dropped) for name in fields.split("|")}
        self.running = [c for c in self.running if not over & set(c.fields)]
        self._add(label)
        for group in (label.seen, label.disliked, label.barred):
            titles = (table.get(item) if isinstance(item, int) else item for item in group)
            self.gone |= {plain(title) for title in titles if title}

    def excuse(self, heard: Understood | None, wishes: Sequence[Wish], said: str) -> None:
        """Take out what the answer says it dropped; what was ruled out can't be dropped.

        Args:
            heard: what was understood, with the words of dropped wishes.
            wishes: every wish understood in this conversation, to know which field those words are of.
            said: the answer's text and the slate's note.
        """
        if heard is None:
            return
        told = [dropped for dropped in heard.relaxed if dropped.casefold() in said.casefold()]
        fields = {wish.field for wish in wishes if wish.words in told}
        self.running = [c for c in self.running if c.negative or not fields & set(c.fields)]

    def check(self, items: Sequence[Item]) -> list[Violation]:
        """Cards that break something, each told once."""
        found = []
        for item in items:
            faults = [str(c) for c in (*self.running, *self.lasting) if c.broken_by(item)]
            if plain(item.title) in self.gone:
                faults.append("known, disliked or barred")
            if faults:
                found.append(Violation(item.id, item.title, "; ".join(faults)))
        return found

    def _add(self, label: IntentLabel) -> None:
        for fields, wanted in label.want.items():
            for value in wanted:
                values = value if isinstance(value, list) else [value]
                self.running.append(Constraint(_split(fields), tuple(map(plain, values))))
        for fields, ruled_out in label.avoid.items():
            self.running.append(Constraint(_split(fields), tuple(map(plain, ruled_out)), negative=True))
        for ranges, negative in ((label.ranges, False), (label.avoid_ranges, True)):
            for fields, (low, high) in ranges.items():
                self.running.append(Constraint(_split(fields), (), *_ends(low, high), negative=negative))
        if label.lasting is not None:
            for fields, never in label.lasting.avoid.items():
                self.lasting.append(Constraint(_split(fields), tuple(map(plain, never)), negative=True, lasting=True))


def _split(fields: str) -> tuple[str, ...]:
    return tuple(fields.split("|"))


def _ends(low: Bound, high: Bound) -> tuple[float | None, float | None]:
    return number(low), number(high)


def _end(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
