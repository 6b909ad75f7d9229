"""What simulated conversations leave behind."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

TURNS = 5
"""Messages a person has."""


class Said(BaseModel):
    """One turn of a simulated conversation."""

    model_config = ConfigDict(extra="forbid")

    say: str
    """What the person said."""
    cards: list[str]
    """Titles shown."""
    rank: int | None
    """Place of the target among the cards, from 1; None when it isn't there."""
    asked: str = ""
    """What was asked back."""
    seconds: float
    """Wall-clock time of the answer, reasons left out."""


class Trial(BaseModel):
    """One conversation of one person."""

    model_config = ConfigDict(extra="forbid")

    user: int
    """Number of the person in the sample."""
    trial: int
    """Which of their conversations."""
    target: str
    """Title they had in mind."""
    found: int | None
    """Turn in which it was shown, from 1; None when it wasn't."""
    turns: list[Said]
    """What was said."""
    tokens: int
    """Tokens of the language model."""
    failed_turns: int = 0
    """Turns that ended in an error instead of an answer."""


class Simulation(BaseModel):
    """All trials, and the same people without a conversation."""

    model_config = ConfigDict(extra="forbid")

    trials: list[Trial]
    """Person by person."""
    baseline: list[bool]
    """Whether the target is among the ten best for the history, one a person."""
    pages: list[bool]
    """The same for fifty, five pages of ten."""

    @property
    def people(self) -> int:
        """How many people."""
        return len(self.baseline)
