"""What the language model may answer when it reads a message. Short keys: every token written costs 50 ms on two cores.

Numbers are missing on purpose: years, counts and slot numbers are parsed by rules, which a small model gets wrong.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Act = Literal["recommend", "refine", "why", "similar", "seen", "smalltalk", "help", "reset"]
Phrase = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)]


class IntentReply(BaseModel):
    """A user's last message as the model reads it; everything in it still has to be linked to the catalogue."""

    model_config = ConfigDict(extra="forbid")

    act: Act
    """What the user does: a new request, a change to the running one, or something else."""
    want: list[Phrase] = Field(default_factory=list, max_length=4)
    """Qualities asked for: genres, themes, countries."""
    avoid: list[Phrase] = Field(default_factory=list, max_length=4)
    """Qualities ruled out."""
    like: list[Phrase] = Field(default_factory=list, max_length=3)
    """Titles and people named as examples, as written."""
    mood: Annotated[str, StringConstraints(strip_whitespace=True, max_length=24)] = ""
    """One or two words of mood."""
