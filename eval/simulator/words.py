"""How simulated people put things: several wordings for everything, terse and chatty, drawn by seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from eval.simulator.attributes import Attribute, Kind

OPENING: tuple[str, ...] = (
    "I'm looking for {noun}: {said}",
    "hi, any {noun} for me? {said}",
    "{said}",
    "what have you got in {noun}? {said}",
    "can you find me something: {said}",
)
"""The first message."""

SAYING: dict[Kind, tuple[str, ...]] = {
    "genre": ("{0}", "something like a {0}", "it should be {0}", "I'm in the mood for {0}"),
    "decade": ("from {0}", "made in {0}", "{0} please", "it should be from {0}"),
    "length": ("{0}", "it should be {0}", "length: {0}"),
    "country": ("from {0}", "made in {0}", "it should come from {0}"),
    "language": ("in {0}", "spoken in {0}", "it should be in {0}"),
    "maker": ("directed by {0}", "by {0}", "the director is {0}"),
    "performer": ("with {0}", "starring {0}", "{0} plays in it"),
}
"""A thing said for the first time."""

CRITIQUE: dict[Kind, tuple[str, ...]] = {
    "genre": ("hm, I'd rather have {0}", "not quite, it should be {0}", "more {0} please"),
    "decade": ("wrong period, it should be from {0}", "no, from {0} please", "I meant something from {0}"),
    "length": ("the length isn't right, {0} please", "it should be {0}"),
    "country": ("not those, something from {0}", "it should come from {0}"),
    "language": ("I'd like one in {0}", "it should be in {0}"),
    "maker": ("no, one by {0}", "it should be by {0}", "one directed by {0}"),
    "performer": ("it should be one with {0}", "no, {0} should be in it"),
}
"""A thing that most of the cards go against."""

UNWANTED: tuple[str, ...] = ("no {0} please", "but not {0}", "without {0}, please")
"""A kind that most of the cards have and the target hasn't."""

OTHERS: tuple[str, ...] = ("show me others", "not these, something else please", "any other ones?", "show me more")
"""Nothing left to say."""

ANSWER: tuple[str, ...] = ("{0}", "{0} please", "I'd say {0}", "{0}, I think")
"""Answers a question."""

Allowed = Callable[[str], bool]
"""Says whether a text may be said (see `eval/simulator/leak.py`)."""


def phrase(rng: random.Random, options: Sequence[str], allowed: Allowed, *values: str, **named: str) -> str:
    """One of several wordings, among those that may be said; the first one when none may (the leak check tells).

    Args:
        rng: draws.
        options: wordings with places for values.
        allowed: says whether a text may be said.
        values: for the places with numbers.
        named: for the places with names.
    """
    said = [option.format(*values, **named) for option in options]
    return rng.choice([text for text in said if allowed(text)] or said[:1])


def say(rng: random.Random, attribute: Attribute, allowed: Allowed, *, critique: bool = False) -> str:
    """One attribute in words."""
    options = (CRITIQUE if critique else SAYING)[attribute.kind]
    return phrase(rng, options, allowed, attribute.words)
