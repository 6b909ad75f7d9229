"""How much of what people mean is understood: labelled against understood messages, pair by pair.

A *pair* is a slot and a value, both typed. What a message means and what it was understood as are two bags of pairs;
each labelled pair is matched with at most one understood pair that it accepts. Precision, recall and F1 count pairs
over all turns together (micro), so a turn with four wishes weighs four times one with a greeting.

| slot | value | notes |
|---|---|---|
| act | recommend, why, ... | every turn |
| topic | new or refine | only turns whose label says which, both sides only when items are wanted |
| want, avoid | field and value | one pair a value; a label's ``director|cast`` accepts either field |
| range, no_range | field, low, high | explicit ends, both must fit; "nothing before 1990" is the range from 1990 on |
| move | field, up or down | "newer", "too long": any one-sided range of that direction |
| k | number | |
| like, seen, liked, disliked, barred, about | title | slots stand for the title on the card |
| slot | number | a slot spoken of that isn't there |
| task | long_tail, discover, season, holiday | |
| mood, no_mood | mood by its first name in the lexicon | a preference that a mood word brought is no want |
| more, asks_back | yes | |
| unlinked | name | without article and case |
| lasting | sign, field and value | beside the want or avoid that it is as well |
| dropped | field | |
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agents.understanding.moods import MOODS
from agents.understood import NamedItem, Understood
from eval.grounding import plain
from eval.labels import Bound, IntentLabel, accepts_bound, flat, number

SPECIAL_TASKS = frozenset({"long_tail", "discover", "season", "holiday"})
"""Tasks that people name; the others only say how the generator is asked."""
NAME_FIELDS = re.compile(
    r"^(?:director|author|artist|creator|composer|designer|maker|brand|developer|writer|screenwriter|lyricist|cast|"
    r"actor|actress|star|starring|performer|narrator|singer)s?$"
)
"""Fields whose values are names of people or makers."""
ITEM_SLOTS = ("like", "seen", "liked", "disliked", "barred")
"""Slots whose values are items."""
_EXPLICIT = frozenset({"range", "no_range", "k", "slot", "about", "unlinked", *ITEM_SLOTS})


@dataclass(frozen=True)
class Pair:
    """One slot with its value.

    Attributes:
        slot: see the table above.
        field: field of the catalogue; empty where the slot has none. A label may hold several with ``|`` between them.
        value: text in plain form; empty for ranges.
        low: lower end of a range.
        high: upper end of a range.
    """

    slot: str
    field: str = ""
    value: str = ""
    low: Bound = None
    high: Bound = None

    @property
    def explicit(self) -> bool:
        """Whether this is a number or a name."""
        named = self.slot in {"want", "avoid"} and any(NAME_FIELDS.match(f) for f in self.field.split("|"))
        return named or self.slot in _EXPLICIT

    def accepts(self, other: Pair) -> bool:
        """Whether this labelled pair is met by an understood one."""
        if self.slot != other.slot or self.value != other.value or other.field not in self.field.split("|"):
            return False
        if self.slot not in {"range", "no_range"}:
            return True
        found = number(other.low), number(other.high)
        return accepts_bound(self.low, found[0]) and accepts_bound(self.high, found[1])

    def __str__(self) -> str:
        if self.slot in {"range", "no_range"}:
            ends = [str(end) if end is not None else "" for end in (self.low, self.high)]
            return f"{self.slot} {self.field} {ends[0]}..{ends[1]}"
        return " ".join(part for part in (self.slot, self.field, self.value) if part)


@dataclass(frozen=True)
class TurnScore:
    """One turn compared.

    Attributes:
        hits: labelled pairs that were understood.
        missed: labelled pairs that weren't.
        extra: understood pairs that nobody meant.
        explicit: whether all numbers and names are exactly right; None when the label holds none.
    """

    hits: tuple[Pair, ...]
    missed: tuple[Pair, ...]
    extra: tuple[Pair, ...]
    explicit: bool | None


def score_turn(label: IntentLabel, heard: Understood | None, table: Mapping[int, str] | None = None) -> TurnScore:
    """Compare one message.

    Args:
        label: what it means.
        heard: what it was understood as; None when nothing was.
        table: slot -> title of the cards before the message.
    """
    table = table or {}
    meant = label_pairs(label, table)
    found = understood_pairs(heard, label, table) if heard is not None else []
    hits, missed, extra = match(meant, found)
    numbers = any(pair.explicit for pair in meant) if label.explicit is None else label.explicit
    right = not any(pair.explicit for pair in (*missed, *extra)) if numbers else None
    return TurnScore(tuple(hits), tuple(missed), tuple(extra), right)


def match(meant: Iterable[Pair], found: Iterable[Pair]) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Match pairs one to one: (labelled and found, labelled and missed, found and not labelled).

    Pairs that accept least are matched first, and everything is sorted before, so the order given doesn't matter.
    """
    left = sorted(set(found), key=repr)
    hits: list[Pair] = []
    missed: list[Pair] = []
    for pair in sorted(set(meant), key=lambda p: (p.field.count("|"), repr(p))):
        met = next((other for other in left if pair.accepts(other)), None)
        if met is None:
            missed.append(pair)
        else:
            left.remove(met)
            hits.append(pair)
    return hits, missed, left


def figures(scores: Sequence[TurnScore]) -> dict[str, float]:
    """``intent_f1``, precision and recall, F1 by slot as ``intent_f1.SLOT``, and the share of exact turns.

    ``intent_f1_wishes`` leaves act and topic out, which every turn has and which are easier than the rest.

    Args:
        scores: of all labelled turns.
    """
    hits, missed, extra = (Counter(p.slot for s in scores for p in getattr(s, n)) for n in ("hits", "missed", "extra"))
    told = _f1(sum(hits.values()), sum(missed.values()), sum(extra.values()))
    wishes = [sum(n for slot, n in c.items() if slot not in {"act", "topic"}) for c in (hits, missed, extra)]
    found = {"intent_f1": told[0], "intent_precision": told[1], "intent_recall": told[2]}
    found["intent_f1_wishes"] = _f1(*wishes)[0]
    for slot in sorted({*hits, *missed, *extra}):
        found[f"intent_f1.{slot}"] = _f1(hits[slot], missed[slot], extra[slot])[0]
    exact = [s.explicit for s in scores if s.explicit is not None]
    return {
        **found,
        "labelled_turns": len(scores),
        "labelled_pairs": sum(hits.values()) + sum(missed.values()),
        "explicit_constraints_accuracy": sum(exact) / len(exact) if exact else 1.0,
        "explicit_turns": len(exact),
    }


def label_pairs(label: IntentLabel, table: Mapping[int, str]) -> list[Pair]:
    """Everything a label says, as pairs."""
    pairs = [Pair("act", value=label.act)]
    if label.topic is not None:
        pairs.append(Pair("topic", value=label.topic))
    for slot, values in (("want", label.want), ("avoid", label.avoid)):
        pairs += [Pair(slot, field, plain(value)) for field, named in values.items() for value in flat(named)]
    if label.lasting is not None:
        for slot, values in (("want", label.lasting.want), ("avoid", label.lasting.avoid)):
            for field, named in values.items():
                for value in flat(named):
                    pairs += [Pair(slot, field, plain(value)), Pair("lasting", field, f"{slot} {plain(value)}")]
    pairs += [Pair("range", field, low=low, high=high) for field, (low, high) in label.ranges.items()]
    pairs += [Pair("no_range", field, low=low, high=high) for field, (low, high) in label.avoid_ranges.items()]
    pairs += [Pair("move", field, way) for field, way in label.moves.items()]
    for slot in ITEM_SLOTS:
        pairs += [_item(slot, item, table) for item in getattr(label, slot)]
    pairs += [_item("about", item, table) for item in label.items]
    pairs += [Pair("mood", value=mood_name(mood)) for mood in label.mood]
    pairs += [Pair("no_mood", value=mood_name(mood)) for mood in label.no_mood]
    pairs += [Pair("unlinked", value=plain(name)) for name in label.unlinked]
    pairs += [Pair("dropped", field) for field in label.dropped]
    pairs += _flags(label.k, label.task, label.more, label.asks_back or label.act == "clarify")
    return pairs


def understood_pairs(heard: Understood, label: IntentLabel, table: Mapping[int, str]) -> list[Pair]:
    """Everything that was understood, as pairs; the label says only which ranges may count as directions."""
    pairs = [Pair("act", value=heard.act)]
    if label.topic is not None and heard.act == "recommend":
        pairs.append(Pair("topic", value="new" if heard.fresh else "refine"))
    for wish in heard.wishes:
        pairs += _wish(wish.field, wish.values, (wish.low, wish.high), wish.negative, wish.hard, wish.words, label)
    for wish in heard.lasting:
        sign = "avoid" if wish.negative else "want"
        pairs += [Pair("lasting", wish.field, f"{sign} {plain(value)}") for value in wish.values]
    for slot in ITEM_SLOTS:
        pairs += [Pair(slot, value=plain(item.title)) for item in _named(heard, slot)]
    pairs += [Pair("about", value=plain(item.title)) for item in heard.items]
    pairs += [Pair("slot", value=str(slot)) for slot in heard.slots if slot not in table]
    pairs += [Pair("unlinked", value=plain(name)) for name in heard.unlinked]
    pairs += [Pair("dropped", field) for field in heard.dropped]
    if heard.mood:
        pairs.append(Pair("mood", value=mood_name(heard.mood)))
    task = heard.task if heard.task in SPECIAL_TASKS else None
    pairs += _flags(heard.k, task, heard.more, bool(heard.question) or heard.act == "clarify")
    return pairs


def mood_name(word: str) -> str:
    """A mood by the first name the lexicon has for it, so that "relaxing" and "cosy" are one; else the word itself."""
    return _MOOD_NAMES.get(plain(word), plain(word))


_MOOD_NAMES = {plain(form): plain(mood.words) for mood in MOODS for form in (*mood.forms, mood.words)}


def _wish(
    field: str,
    values: Sequence[str],
    ends: tuple[float | None, float | None],
    negative: bool,
    hard: bool,
    words: str,
    label: IntentLabel,
) -> list[Pair]:
    if not values:
        return [_range(field, ends, negative, label)]
    said = plain(words)
    turned = said.removeprefix("nothing ")
    if turned != said and turned in _MOOD_NAMES:
        return [Pair("no_mood", value=_MOOD_NAMES[turned])]
    # a mood brings the kinds it leans to as a preference; the person named the mood, not the kinds
    if not hard and not negative and said in _MOOD_NAMES:
        return [Pair("mood", value=_MOOD_NAMES[said])]
    return [Pair("avoid" if negative else "want", field, plain(value)) for value in values]


def _range(field: str, ends: tuple[float | None, float | None], negative: bool, label: IntentLabel) -> Pair:
    low, high = ends
    if negative and (low is None) != (high is None):
        # what is ruled out on one side is asked for on the other; whole numbers, so the next one begins
        low, high = (high + 1, None) if high is not None else (None, low - 1 if low is not None else None)
        negative = False
    if not negative and field in label.moves and (low is None) != (high is None):
        return Pair("move", field, "up" if low is not None else "down")
    return Pair("no_range" if negative else "range", field, low=low, high=high)


def _item(slot: str, item: str | int, table: Mapping[int, str]) -> Pair:
    if isinstance(item, str):
        return Pair(slot, value=plain(item))
    if item in table:
        return Pair(slot, value=plain(table[item]))
    return Pair("slot", value=str(item))


def _named(heard: Understood, slot: str) -> list[NamedItem]:
    found: list[NamedItem] = getattr(heard, slot)
    return found


def _flags(k: int | None, task: str | None, more: bool, asks_back: bool) -> list[Pair]:
    pairs = [Pair("k", value=str(k))] if k is not None else []
    if task is not None:
        pairs.append(Pair("task", value=task))
    return [*pairs, *([Pair("more")] if more else []), *([Pair("asks_back")] if asks_back else [])]


def _f1(hits: int, missed: int, extra: int) -> tuple[float, float, float]:
    """(F1, precision, recall); where there is nothing to find and nothing was found, all are 1."""
    if not hits + missed + extra:
        return 1.0, 1.0, 1.0
    precision = hits / (hits + extra) if hits + extra else 0.0
    recall = hits / (hits + missed) if hits + missed else 0.0
    return 2 * hits / (2 * hits + missed + extra), precision, recall
