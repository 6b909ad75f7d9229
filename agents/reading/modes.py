"""RAW, BALANCED or COOL: which holds for a card, and the words of a message that switch it.

An explicit choice for a card comes before one for its conversation; without either a text is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agents.calm.types import MODES, Mode

__all__ = ["MODES", "MODE_WORDS", "ChosenBy", "Effective", "Mode", "Switch", "calmer", "effective", "read_switch"]

ChosenBy = Literal["card", "thread", "default"]
"""Who chose a mode; ``default`` when nobody did."""

MODE_WORDS: dict[Mode, str] = {
    "raw": "the original texts",
    "balanced": "calmer wording, same facts",
    "cool": "calmer wording with one sentence of background",
}
"""What a mode shows, in words."""


@dataclass(frozen=True)
class Effective:
    """The mode that holds for a card."""

    mode: Mode
    """Which."""
    by: ChosenBy
    """Who chose it."""


def effective(choices: Mapping[str, str], item_id: str) -> Effective:
    """The mode that holds for a card: its own choice, else its thread's, else RAW.

    Args:
        choices: item id -> mode chosen in the thread; the empty id stands for the whole thread.
        item_id: the card's item; empty for the thread itself.
    """
    for key, by in ((item_id, "card"), ("", "thread")):
        mode = choices.get(key)
        if mode in MODES and (key or by == "thread"):
            return Effective(mode, by)  # type: ignore[arg-type]
    return Effective("raw", "default")


def calmer(mode: Mode) -> Mode:
    """One step down from a mode; COOL has none below it."""
    return MODES[min(MODES.index(mode) + 1, len(MODES) - 1)]


_BEFORE = (
    r"^(?:(?:please|pls|ok(?:ay)?|now|then|and|but|sidra|can you|could you|would you|i want|i'd like|i would like|"
    r"let me (?:see|read|have)|show|give|me|switch (?:back )?to|go (?:back )?to|use|make|read|in|"
    r"a bit|a little|even|much|"
    r"the|all|their|its|these|those|some)[\s,]+)*"
)
_BEHIND = r"(?:[\s,]+(?:please|pls|again|now|instead|for me|from now on))*$"
# Not "ones", "stories" or "films": who wants calmer stories asks for other items.
_TEXTS = r"(?:texts?|wordings?|words|versions?|descriptions?|headlines?|language|tone|mode)"
_LOUD = r"less (?:sensational(?:ist)?|dramatic|loud|emotional|exciting|shrill|alarming)"
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (mode, re.compile(_BEFORE + body + _BEHIND))
    for mode, body in (
        (
            "raw",
            rf"(?:(?:original|raw|unchanged|unedited) {_TEXTS}|originals|"
            rf"texts? as (?:they are|they were|it is|written)|"
            rf"(?:no|stop|without) (?:calming|softening|rewriting)(?: (?:the )?{_TEXTS})?|"
            rf"(?:stop|don't|do not) (?:calm|soften|rewrite|change)(?:ing)? (?:the |my )?(?:{_TEXTS}|them))",
        ),
        (
            "cool",
            rf"(?:cool (?:mode|{_TEXTS})|calmest(?: {_TEXTS})?|as calm as (?:possible|you can)|"
            rf"(?:calm(?:er)?|neutral)(?: {_TEXTS})? (?:with|plus) (?:some |a bit of |a little )?"
            rf"(?:background|context)|"
            rf"(?:with|add) (?:some )?(?:background|context))",
        ),
        ("balanced", rf"(?:balanced|neutral|sober|plain) {_TEXTS}"),
        (
            "calmer",
            rf"(?:(?:calmer|quieter|calm|{_LOUD}) {_TEXTS}|less sensational(?:ist)?|"
            rf"calm (?:it|them|these|everything|the {_TEXTS}) down|calm down the {_TEXTS}|"
            rf"tone (?:it|them|the {_TEXTS}) down|tone down the {_TEXTS})",
        ),
    )
)
_ALONE = re.compile(r"^\W*(?:(?:a bit|a little|even|much) )?(?:calmer|quieter)\W+(?:please|pls)\W*$")
"""Means the texts only as a whole message: "a thriller, but calmer please" asks for another thriller."""
_CLAUSE = re.compile(r"\s*(?:[.;!?,]+\s+|[.;!?]+$|\s+(?:and|but)\s+(?=\S))")


@dataclass(frozen=True)
class Switch:
    """What a message says of how texts are to be shown."""

    mode: Mode
    """The mode that is asked for."""
    rest: str
    """The message without it; empty when it says nothing else."""


def read_switch(message: str, current: Mode) -> Switch | None:
    """The mode that a message asks for; None when it says nothing of the kind.

    "Calmer, please" goes one step down from the current mode. A clause is read as a whole, so that "something calmer",
    which asks for calmer items, stays a wish.

    Args:
        message: what the user said.
        current: the mode of the thread.
    """
    if _ALONE.search(message.lower()):
        return Switch(calmer(current), "")
    clauses = [part for part in _CLAUSE.split(message) if part and part.strip()]
    for place, clause in enumerate(clauses):
        said = _mode_of(
            " ".join(clause.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split()).strip(" .,;!?")
        )
        if said is not None:
            mode: Mode = calmer(current) if said == "calmer" else said  # type: ignore[assignment]
            others = [c.strip() for n, c in enumerate(clauses) if n != place and not _only_polite(c)]
            return Switch(mode, ", ".join(others))
    return None


def _mode_of(clause: str) -> str | None:
    return next((mode for mode, pattern in _PATTERNS if pattern.search(clause)), None)


def _only_polite(clause: str) -> bool:
    return re.fullmatch(r"\W*(?:please|thanks?|thank you|ok(?:ay)?|now|sidra|hi|hello)?\W*", clause.lower()) is not None
