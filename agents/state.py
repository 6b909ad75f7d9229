"""What a conversation remembers between turns; checkpoints may rebuild the types named here and no others."""

from __future__ import annotations

import operator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from agents.intent import Intent, Wish
from recsys_core.catalog.filters import ItemFilter
from recsys_core.generator.protocol import Task

Fact = str | int | float | bool | list[str]
"""One value on a card."""


class SlateCard(BaseModel):
    """One recommended item as the page draws it and as the text may speak of it."""

    model_config = ConfigDict(extra="forbid")

    slot: int
    """Number on the slate, from 1."""
    item_id: str
    """Catalogue id."""
    title: str
    """Title as in the catalogue; untrusted text."""
    facts: dict[str, Fact] = Field(default_factory=dict)
    """Attributes that may be shown and spoken of."""
    reason: str = ""
    """One sentence: why this item."""
    reason_written: str = ""
    """The reason as it was before titles in it were worded calmly; empty where nothing was."""
    score: float = 0.0
    """What the slate is sorted by."""


class WorkingRequest(BaseModel):
    """The running request: what all turns since the last new topic add up to."""

    model_config = ConfigDict(extra="forbid")

    task: Task = Task.for_you
    """Which of the generator's tasks."""
    wishes: list[Wish] = Field(default_factory=list)
    """What was asked for and what was ruled out, oldest first."""
    words: str = ""
    """The positive words of the request, for the instruction."""
    anchors: list[str] = Field(default_factory=list)
    """Item ids that results should resemble."""
    exclude: list[str] = Field(default_factory=list)
    """Item ids that must not come back in this request (shown before, "something else")."""
    avoid: list[str] = Field(default_factory=list)
    """Item ids that results should not resemble."""
    seen: list[str] = Field(default_factory=list)
    """Item ids the user said they know in this thread; never recommended again."""
    k: int | None = None
    """How many items the user asked for; None leaves it to the page."""
    fact_turns: list[int] = Field(default_factory=list)
    """Turns of this thread that changed what is remembered for good, so that "undo" takes it back."""
    kept: list[Wish] = Field(default_factory=list)
    """Wishes that the user insisted on; never dropped to find more."""


class StepRecord(BaseModel):
    """One node of the graph in one turn."""

    model_config = ConfigDict(extra="forbid")

    node: str
    """Name of the node."""
    ms: float
    """Wall-clock milliseconds."""
    detail: str = ""
    """What it did, in a few words."""


class ChatMessage(BaseModel):
    """One message of the thread."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "assistant"]
    """Who speaks."""
    content: str
    """Plain text."""
    created: float
    """Seconds since 1970-01-01 UTC."""
    slate: list[SlateCard] = Field(default_factory=list)
    """Cards of an assistant message; empty when it brought none."""
    steps: list[StepRecord] = Field(default_factory=list)
    """Steps of the turn."""
    degraded: bool = False
    """True when something was missing (language model failed, turn stopped)."""
    degraded_reason: str = ""
    """What was missing, one sentence."""


class Outcome(BaseModel):
    """What the nodes of the running turn hand to one another."""

    model_config = ConfigDict(extra="forbid")

    notes: list[str] = Field(default_factory=list)
    """Sentences the answer has to say (an assumption, a rule that was dropped, a cold start)."""
    relaxed: list[str] = Field(default_factory=list)
    """Words of the wishes that were dropped to find anything."""
    exhausted: bool = False
    """Fewer items are allowed than were asked for."""
    cold_start: bool = False
    """Nothing is known of this user."""
    release: str = ""
    """Release the slate came from."""
    recalled: list[str] = Field(default_factory=list)
    """What the answer says of what is remembered for good: noted, taken back, applied, overruled."""
    because: dict[str, str] = Field(default_factory=dict)
    """Longer explanation by item id, for "why" turns."""
    refined: bool = False
    """The language model has had its say on the request."""
    degraded_reason: str = ""
    """Why the turn is degraded; empty when it is not."""
    slate_changed: bool = False
    """This turn brought a new slate."""
    closest: str = ""
    """What to drop to find more, one sentence; empty when enough was found."""
    text: str = ""
    """The answer."""
    llm: str = "none"
    """Language model that wrote the answer."""


class ConversationState(TypedDict, total=False):
    """State of the graph, one a thread."""

    user_id: str
    """Who talks; the thread is bound to them."""
    turn: int
    """Number of the running turn, from 1."""
    message: str
    """The user's message of the running turn, cleaned by the guard."""
    k: int
    """Cards the page wants."""
    page_filter: ItemFilter | None
    """Rule set on the page; never relaxed."""
    rejected: str
    """Why the guard refused the message; empty when it didn't."""
    intent: Intent
    """What the running turn was understood as."""
    request: WorkingRequest
    """The running request."""
    earlier_requests: list[WorkingRequest]
    """Requests before it, newest last, for "undo"."""
    shown: list[str]
    """Item ids shown for the running request, in order."""
    slate: list[SlateCard]
    """The cards on the table."""
    told_facts: dict[str, int]
    """Lasting facts that this thread has heard of, by the turn in which it did."""
    focus: str
    """Item id last spoken of; empty when none."""
    outcome: Outcome
    """Hand-over between the nodes of the running turn."""
    steps: list[StepRecord]
    """Steps of the running turn."""
    messages: Annotated[list[ChatMessage], operator.add]
    """The thread, oldest first."""
