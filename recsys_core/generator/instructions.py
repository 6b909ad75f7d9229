"""Instructions with conditions: what the model is told in words, and which items (or moments) the words mean.

Made from the catalogue's own fields, so that any catalogue gets its own bank. Each condition has several wordings to
learn from and others that are kept back, so that following an unseen wording can be measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import FieldKind
from recsys_core.generator.protocol import Task

Mask = NDArray[np.bool_]

TRAIN_FRAMES = (
    "{x}",
    "I want {x}",
    "show me {x}",
    "recommend {x}",
    "any good {x}?",
    "looking for {x}",
    "can you suggest {x}",
    "more {x}, please",
    "I feel like {x}",
    "what are some {x}",
    "give me {x} I have not come across",
    "I would love {x} tonight",
    "do you have {x} for a quiet evening?",
    "how about {x}",
    "find me {x} that suit me",
)
"""Sentences around a phrase that training sees."""

HELD_OUT_FRAMES = (
    "tonight I am in the mood for {x}",
    "I could really do with {x} this evening",
    "what would be {x} worth my time",
)
"""Sentences around a phrase that training never sees; for measuring only."""

FOR_YOU_WORDINGS = (
    "",
    "",
    "recommend something for me",
    "what should I try next?",
    "what would I like?",
    "suggest something good",
    "pick something that fits my taste",
)
LONG_TAIL_WORDINGS = (
    "hidden gems",
    "lesser-known {noun}",
    "something obscure that few people know",
    "underrated {noun} off the beaten path",
    "not the big hits, something from the long tail",
)
DISCOVER_WORDINGS = (
    "surprise me with something different",
    "something outside my usual taste",
    "help me discover something new",
    "I am tired of the same kind of {noun}",
    "broaden my horizon",
)
SEASON_WORDINGS = ("{noun} for {season}", "something that suits {season}", "what do people choose in {season}?")
HOLIDAY_WORDINGS = ("{noun} for {holiday}", "something for {holiday}", "what goes well with {holiday}?")

SEASONS: dict[str, tuple[int, ...]] = {
    "spring": (3, 4, 5),
    "summer": (6, 7, 8),
    "autumn": (9, 10, 11),
    "winter": (12, 1, 2),
}
"""Months of the northern seasons."""

HOLIDAYS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "the Christmas holidays": ((12, 18), (12, 31)),
    "New Year": ((12, 29), (1, 3)),
    "Halloween": ((10, 24), (10, 31)),
    "Valentine's Day": ((2, 10), (2, 14)),
    "Easter": ((3, 25), (4, 20)),
}
"""First and last (month, day) of windows; Easter moves, so its window is wide."""

_PHRASES: dict[str, tuple[str, ...]] = {
    "director": ("{noun} directed by {value}", "{noun} by {value}"),
    "writer": ("{noun} written by {value}",),
    "author": ("{noun} by {value}", "{noun} written by {value}"),
    "artist": ("{noun} by {value}",),
    "brand": ("{noun} by {value}", "{value} {noun}"),
    "cast": ("{noun} with {value}", "{noun} starring {value}"),
    "country": ("{noun} from {value}", "{noun} made in {value}"),
    "language": ("{noun} in {value}", "{value}-language {noun}"),
    "decade": ("{noun} from the {value}", "{value} {noun}"),
}
_GENERAL_PHRASES = ("{value} {noun}", "{noun} of the kind {value}", "something {value}")


@dataclass(frozen=True)
class Condition:
    """Something that can be asked for in words.

    Attributes:
        task: the task it belongs to.
        label: short name such as ``genre=Comedy``.
        wordings: sentences for training.
        held_out: sentences that training never sees.
        items: bool[n_items], the items that satisfy it; None when it depends on the moment or the person.
        months: months of a season, for conditions on the moment.
        window: first and last (month, day) of a holiday.
    """

    task: Task
    label: str
    wordings: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    items: Mask | None = field(default=None, repr=False)
    months: tuple[int, ...] = ()
    window: tuple[tuple[int, int], tuple[int, int]] | None = None


def phrases(field_name: str, value: str, noun: str) -> list[str]:
    """Noun phrases that name one value of one field, such as "films directed by ..."."""
    patterns = _PHRASES.get(field_name.lower(), _GENERAL_PHRASES)
    return [p.format(value=value, noun=noun, field=field_name) for p in patterns]


def is_year(minimum: float | None, maximum: float | None) -> bool:
    """Whether a number field holds calendar years, judged by its range."""
    return minimum is not None and maximum is not None and minimum >= 1000 and maximum <= 2200


def attribute_conditions(catalogue: Catalogue, *, min_items: int = 4, max_values: int = 150) -> list[Condition]:
    """One condition a value of each string, tags and year field that enough items carry.

    Args:
        catalogue: the items.
        min_items: values of fewer items are left out.
        max_values: at most so many values a field, most frequent first.
    """
    noun = catalogue.item_noun
    found: list[Condition] = []
    for name, value, mask in _values(catalogue, min_items, max_values):
        task = Task.query if name in {"director", "writer", "cast", "author", "artist"} else Task.category
        options = phrases(name, value, noun)
        found.append(_condition(task, f"{name}={value}", options, mask))
    return found


def _values(catalogue: Catalogue, min_items: int, max_values: int) -> Iterable[tuple[str, str, Mask]]:
    ceiling = 0.8 * len(catalogue)
    for name, spec in catalogue.fields.items():
        if spec.kind is FieldKind.number:
            if not is_year(spec.minimum, spec.maximum):
                continue
            decades = np.floor(catalogue.numbers(name) / 10) * 10
            for decade in np.unique(decades[~np.isnan(decades)]):
                mask = decades == decade
                if min_items <= mask.sum() <= ceiling:
                    yield "decade", f"{int(decade)}s", mask
        elif spec.kind in (FieldKind.tags, FieldKind.string):
            postings = catalogue.postings(name)
            ranked = sorted(postings.rows, key=lambda v: (-len(postings.rows[v]), v))[:max_values]
            for folded in ranked:
                mask = np.zeros(len(catalogue), dtype=bool)
                mask[postings.rows[folded]] = True
                if min_items <= mask.sum() <= ceiling:
                    yield name, postings.spellings[folded][0], mask


def _condition(task: Task, label: str, options: Sequence[str], mask: Mask) -> Condition:
    # every phrase meets every third frame, so that phrase and frame are not tied together
    wordings = [f.format(x=p) for n, p in enumerate(options) for f in TRAIN_FRAMES[n % 3 :: 3]]
    held_out = [f.format(x=options[0]) for f in HELD_OUT_FRAMES]
    return Condition(task, label, tuple(wordings), tuple(held_out), items=mask)


def pair_conditions(
    singles: Sequence[Condition], noun: str, rng: np.random.Generator, *, count: int = 600, min_items: int = 3
) -> list[Condition]:
    """Conjunctions of two conditions of different fields ("French comedies of the 1990s" in plainer words)."""
    usable = [c for c in singles if c.items is not None]
    if len(usable) < 2:
        return []
    weights = np.array([float(c.items.sum()) for c in usable if c.items is not None])
    weights /= weights.sum()
    pairs: dict[tuple[int, int], Condition] = {}
    for first, second in rng.choice(len(usable), size=(count * 4, 2), p=weights):
        a, b = usable[min(first, second)], usable[max(first, second)]
        name_a, value_a = a.label.split("=", 1)
        name_b, value_b = b.label.split("=", 1)
        key = (min(first, second), max(first, second))
        if name_a == name_b or key in pairs or a.items is None or b.items is None:
            continue
        mask = a.items & b.items
        if mask.sum() < min_items:
            continue
        left, right = phrases(name_a, value_a, noun)[0], phrases(name_b, value_b, noun)[0]
        tail = right.replace(noun, "", 1).strip() if right.startswith(noun) else right
        joined = f"{left} {tail}" if right.startswith(noun) else f"{left}, {tail}"
        frames = (TRAIN_FRAMES[len(pairs) % len(TRAIN_FRAMES)], TRAIN_FRAMES[(len(pairs) + 3) % len(TRAIN_FRAMES)])
        pairs[key] = Condition(
            Task.query,
            f"{a.label} & {b.label}",
            tuple(f.format(x=joined) for f in frames),
            (HELD_OUT_FRAMES[len(pairs) % len(HELD_OUT_FRAMES)].format(x=joined),),
            items=mask,
        )
        if len(pairs) >= count:
            break
    return list(pairs.values())


def general_conditions(catalogue: Catalogue, popularity: NDArray[np.int64]) -> list[Condition]:
    """The conditions that are not about an attribute: long tail, discover, seasons, holidays."""
    noun = catalogue.item_noun
    plain = [w.format(noun=noun) for w in LONG_TAIL_WORDINGS]
    tail = Condition(Task.long_tail, "long_tail", tuple(plain[:-1]), (plain[-1],), items=long_tail(popularity))
    plain = [w.format(noun=noun) for w in DISCOVER_WORDINGS]
    discover = Condition(Task.discover, "discover", tuple(plain[:-1]), (plain[-1],))
    moments = [
        Condition(
            Task.season,
            f"season={name}",
            tuple(w.format(noun=noun, season=name) for w in SEASON_WORDINGS[:-1]),
            (SEASON_WORDINGS[-1].format(noun=noun, season=name),),
            months=months,
        )
        for name, months in SEASONS.items()
    ]
    holidays = [
        Condition(
            Task.holiday,
            f"holiday={name}",
            tuple(w.format(noun=noun, holiday=name) for w in HOLIDAY_WORDINGS[:-1]),
            (HOLIDAY_WORDINGS[-1].format(noun=noun, holiday=name),),
            window=window,
        )
        for name, window in HOLIDAYS.items()
    ]
    return [tail, discover, *moments, *holidays]


def long_tail(popularity: NDArray[np.int64], head_share: float = 0.5) -> Mask:
    """Items outside the short head that takes ``head_share`` of all interactions: int64[n] to bool[n]."""
    order = np.argsort(-popularity, kind="stable")
    total = popularity.sum()
    before = np.cumsum(popularity[order]) - popularity[order]
    mask = np.zeros(len(popularity), dtype=bool)
    mask[order] = before >= head_share * total
    return mask


def moment_mask(condition: Condition, timestamps: NDArray[np.float64]) -> Mask:
    """Which moments (seconds since 1970, UTC) fall into a season or holiday: float64[n] to bool[n]."""
    days = timestamps.astype("datetime64[s]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    month = months.astype(int) % 12 + 1
    if condition.months:
        return np.isin(month, condition.months)
    if condition.window is None:
        return np.zeros(len(timestamps), dtype=bool)
    day = (days - months.astype("datetime64[D]")).astype(int) + 1
    stamp = month * 100 + day
    (first_month, first_day), (last_month, last_day) = condition.window
    low, high = first_month * 100 + first_day, last_month * 100 + last_day
    inside = (stamp >= low) & (stamp <= high) if low <= high else (stamp >= low) | (stamp <= high)
    return np.asarray(inside, dtype=bool)


def evaluation_wordings(catalogue: Catalogue, field_name: str) -> list[tuple[str, str, Mask]]:
    """Held-out sentences that name one value of one field.

    Returns:
        ``(sentence, value, bool[n_items])`` for every value that training saw in other wordings.
    """
    found: list[tuple[str, str, Mask]] = []
    for condition in attribute_conditions(catalogue):
        name, value = condition.label.split("=", 1)
        if name == field_name and condition.items is not None:
            found.extend((sentence, value, condition.items) for sentence in condition.held_out)
    return found
