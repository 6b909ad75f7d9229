"""One piece of advice about a week of reading, written by rules; it names the figures that it stands on."""

from __future__ import annotations

from collections.abc import Sequence

from agents.reading.week import CategoryShare, Week

LEAST_TEXTS = 5
"""Below this a week says too little."""
_LOUD_WEEK = 0.4
_LOUD_CATEGORY = 0.5
_LEAST_IN_CATEGORY = 3
_ONE_EMOTION = 0.5
_LOW_BALANCE = 0.6
_CHANGE = 0.1


def advise(weeks: Sequence[Week], current: str) -> str:
    """One sentence or two.

    Args:
        weeks: weeks that hold anything, oldest first.
        current: Monday of the running week.
    """
    week = next((each for each in weeks if each.begins == current), None)
    if week is None:
        return "You have read nothing here this week, so there is nothing to say."
    if week.items < LEAST_TEXTS:
        return f"{_texts(week.items)} this week: too few for advice, which begins at {LEAST_TEXTS}."
    loud = f"{week.loud} of {_texts(week.items)} this week were loud ({week.loud_share:.0%})"
    if week.loud_share >= _LOUD_WEEK:
        return f"{loud}{_loudest(week)} {_change(weeks, week)}".strip()
    emotion, share = max(week.emotions.items(), key=lambda pair: pair[1])
    whole = sum(week.emotions.values())
    if week.balance is not None and week.balance < _LOW_BALANCE and share >= _ONE_EMOTION * whole:
        return (
            f"Your {_texts(week.items)} this week lean to one emotion: {emotion} makes up {share / whole:.0%} of what "
            f"they stir, and the balance is {week.balance:.2f} of 1. "
            "A text from another category would widen the picture."
        )
    if week.modes.get("raw", 0) < week.items / 2:
        calm = week.items - week.modes.get("raw", 0)
        return (
            f"You read {calm} of {_texts(week.items)} in a calmer version and only {week.loud} were loud as read "
            f"({week.loud_share:.0%}): keep it as it is. {_change(weeks, week)}".strip()
        )
    if not week.loud:
        none = f"None of your {_texts(week.items)} this week was loud: nothing needs changing."
        return f"{none} {_change(weeks, week)}".strip()
    return f"Only {loud}: nothing needs changing. {_change(weeks, week)}".strip()


def _loudest(week: Week) -> str:
    """Where the loud ones come from, and what to try there."""
    worst = _worst(week.categories)
    if worst is None or len(week.categories) == 1:
        return ". Try BALANCED for a few days and see whether you miss anything."
    return (
        f", most of all in {worst.category} ({worst.loud} of {worst.items}). "
        f"Try BALANCED for {worst.category}, or read something else in between."
    )


def _worst(categories: Sequence[CategoryShare]) -> CategoryShare | None:
    loud = [each for each in categories if each.items >= _LEAST_IN_CATEGORY and each.loud_share >= _LOUD_CATEGORY]
    return max(loud, key=lambda each: (each.loud, each.loud_share), default=None)


def _change(weeks: Sequence[Week], week: Week) -> str:
    """How it was in the week before that holds enough to compare."""
    place = list(weeks).index(week)
    before = weeks[place - 1] if place else None
    if before is None or before.items < LEAST_TEXTS or abs(week.loud_share - before.loud_share) < _CHANGE:
        return ""
    way = "up from" if week.loud_share > before.loud_share else "down from"
    return f"That is {way} {before.loud_share:.0%} in the week of {before.begins}."


def _texts(count: int) -> str:
    return "1 text" if count == 1 else f"{count} texts"
