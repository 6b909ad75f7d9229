"""What the language model may answer when it reads a message. Short keys: every token written costs 50 ms on two cores.

Numbers are missing on purpose: years, counts and slot numbers are parsed by rules, which a small model gets wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

Act = Literal["recommend", "refine", "why", "similar", "seen", "smalltalk", "help", "reset"]
Phrase = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)]


class IntentReply(BaseModel):
    """A user's last message as the model reads it; everything in it still has to be linked to the catalogue."""

    model_config = ConfigDict(extra="forbid")

    act: Act
    """What the user does: a new request, a change to the running one, or something else."""
    like: list[Phrase] = Field(default_factory=list, max_length=3)
    """Titles and people named as examples, as written."""
    mood: Annotated[str, StringConstraints(strip_whitespace=True, max_length=24)] = ""
    """One or two words of mood."""
    avoid: list[Phrase] = Field(default_factory=list, max_length=4)
    """Qualities ruled out, as written."""
    want: list[Phrase] = Field(default_factory=list, max_length=2)
    """Kinds asked for, out of the catalogue's own when `intent_schema` was given them."""

    def grounded(self, message: str) -> IntentReply:
        """Without what the model has not read in `message`: examples of the prompt leak, and sides get mixed up.

        `like` and `avoid` keep only phrases whose words all stand in the message; a phrase on both sides, or a wanted
        kind that is also avoided, goes.
        """
        words = set(_words(message))
        like = [phrase for phrase in self.like if _words(phrase) and words >= set(_words(phrase))]
        avoid = [phrase for phrase in self.avoid if _words(phrase) and words >= set(_words(phrase))]
        liked, avoided = {phrase.casefold() for phrase in like}, {phrase.casefold() for phrase in avoid}
        return IntentReply(
            act=self.act,
            like=[phrase for phrase in like if phrase.casefold() not in avoided],
            mood="" if self.mood.casefold() in avoided else self.mood,
            avoid=[phrase for phrase in avoid if phrase.casefold() not in liked],
            want=[kind for kind in self.want if kind.casefold() not in avoided],
        )


class NextWishReply(BaseModel):
    """What a person may ask for next, as the model guesses; everything in it still has to be linked."""

    model_config = ConfigDict(extra="forbid")

    wishes: list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]] = Field(
        default_factory=list, max_length=3
    )
    """Requests in a few words."""


class ProfileReply(BaseModel):
    """A profile as the model words it; every line is still held against the facts."""

    model_config = ConfigDict(extra="forbid")

    lines: list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=220)]] = Field(
        min_length=1, max_length=5
    )
    """One statement each."""


@lru_cache(maxsize=16)
def _with_kinds(kinds: tuple[str, ...]) -> type[IntentReply]:
    kind: Any = Literal[kinds]
    wants: Any = (list[kind], Field(default_factory=list, max_length=2))
    return create_model("IntentReply", __base__=IntentReply, want=wants)


def intent_schema(kinds: Sequence[str]) -> type[IntentReply]:
    """`IntentReply` whose `want` can only hold values of `kinds`; without kinds, plain `IntentReply`."""
    return _with_kinds(tuple(kinds)) if kinds else IntentReply


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
