"""What a turn streams, in this order: start, steps with slates, calm texts and tokens among them, then end or error."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.reading.views import Reading
from agents.state import SlateCard
from agents.understood import Understood


class StartEvent(BaseModel):
    """The turn has begun."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["start"] = "start"
    """Discriminator."""
    thread_id: str
    """Thread of the turn, also for a thread that was just made."""
    turn: int
    """Number of the turn in its thread, from 1."""
    release: str
    """Release that answers."""
    changes: int = 0
    """Number of the last change of the catalogue that the turn knows."""


class StepEvent(BaseModel):
    """A node of the graph starts or ends."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["step"] = "step"
    """Discriminator."""
    node: str
    """Name of the node."""
    status: Literal["start", "end"]
    """Which of the two."""
    ms: float = 0.0
    """Wall-clock milliseconds; 0 at the start."""
    detail: str = ""
    """What it did, in a few words; empty at the start."""


class SlateEvent(BaseModel):
    """Cards to draw; replaces the cards of an earlier slate event of the turn."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["slate"] = "slate"
    """Discriminator."""
    cards: list[SlateCard]
    """Best first; empty when nothing fits."""
    final: bool
    """False while reasons or a refined request may still come."""
    note: str = ""
    """One sentence about the slate; may be empty."""


class CalmEvent(BaseModel):
    """Texts of cards in the mode that holds for each; comes behind the cards and replaces earlier ones of an item."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["calm"] = "calm"
    """Discriminator."""
    readings: list[Reading]
    """One for each item that is shown otherwise than as it is; all of them when the original texts were asked for."""


class TokenEvent(BaseModel):
    """Text to append to the answer."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["token"] = "token"
    """Discriminator."""
    text: str
    """Plain text, never markup."""


class EndEvent(BaseModel):
    """The turn is complete and stored."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["end"] = "end"
    """Discriminator."""
    thread_id: str
    """Thread of the turn."""
    text: str
    """The whole answer."""
    cards: list[SlateCard]
    """Cards that this turn brought; empty when it brought none."""
    degraded: bool = False
    """True when the answer was finished without something it should have had."""
    degraded_reason: str = ""
    """What was missing."""
    exhausted: bool = False
    """Fewer items are allowed than were asked for."""
    cold_start: bool = False
    """Nothing is known of this user."""
    timings_ms: dict[str, float] = Field(default_factory=dict)
    """Milliseconds by node, `total`, and `first_slate` and `first_token` where there was one."""
    release: str = ""
    """Release that answered."""
    changes: int = 0
    """Number of the last change of the catalogue that the answer knows."""
    llm: str = "none"
    """Language model that wrote the text; `none` when rules did."""
    understood: Understood | None = None
    """What the message was understood as; None when it was refused unread."""


class ErrorEvent(BaseModel):
    """The turn failed after it had begun; the thread stays as it was before the failing node and can be resumed."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["error"] = "error"
    """Discriminator."""
    code: str
    """Short name for machines."""
    message: str
    """One sentence for people."""


Event = Annotated[
    StartEvent | StepEvent | SlateEvent | CalmEvent | TokenEvent | EndEvent | ErrorEvent, Field(discriminator="type")
]
"""Any event of a turn."""
