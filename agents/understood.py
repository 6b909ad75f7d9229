"""What a turn was understood as, told with its end: for pages, clients and for measuring against what was meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agents.intent import Intent, Wish
from agents.state import WorkingRequest
from recsys_core.catalog.catalogue import Catalogue


class NamedItem(BaseModel):
    """An item that the message speaks of."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    """Catalogue id."""
    title: str
    """Title as in the catalogue; untrusted text."""


class Understood(BaseModel):
    """One message as it was understood, and what the running request is after it."""

    model_config = ConfigDict(extra="forbid")

    act: str
    """Kind of turn (`agents.intent.Act`)."""
    fresh: bool = False
    """A new request rather than a change to the running one."""
    wishes: list[Wish] = Field(default_factory=list)
    """Conditions and preferences named in this message."""
    dropped: list[str] = Field(default_factory=list)
    """Fields whose wishes are taken back."""
    like: list[NamedItem] = Field(default_factory=list)
    """Items the result should resemble."""
    items: list[NamedItem] = Field(default_factory=list)
    """Items asked about."""
    seen: list[NamedItem] = Field(default_factory=list)
    """Items the user says they know."""
    liked: list[NamedItem] = Field(default_factory=list)
    """Items the user says they like."""
    disliked: list[NamedItem] = Field(default_factory=list)
    """Items the user says they dislike."""
    barred: list[NamedItem] = Field(default_factory=list)
    """Items named as not wanted."""
    slots: list[int] = Field(default_factory=list)
    """Slots spoken of, from 1, those that aren't there included."""
    more: bool = False
    """Wants other items for the same request."""
    task: str | None = None
    """Task named by the words; None when none was."""
    k: int | None = None
    """How many items."""
    mood: str = ""
    """Mood named by the words."""
    question: str = ""
    """What is asked back; empty when nothing is."""
    lasting: list[Wish] = Field(default_factory=list)
    """What the user says of themself for good."""
    unlinked: list[str] = Field(default_factory=list)
    """Titles and names that the catalogue doesn't have."""
    request: list[Wish] = Field(default_factory=list)
    """All wishes of the running request after this turn."""
    relaxed: list[str] = Field(default_factory=list)
    """Words of the wishes that were dropped because nothing fitted; the answer says so."""


def understood(values: Mapping[str, Any], catalogue: Catalogue) -> Understood | None:
    """What a finished turn was understood as; None when its message was refused before anybody read it.

    Args:
        values: the thread's state (`agents.state.ConversationState`).
        catalogue: the turn's, for titles; items that are gone are left out.
    """
    intent: Intent | None = values.get("intent")
    if intent is None or values.get("rejected"):
        return None
    request: WorkingRequest | None = values.get("request")
    outcome = values.get("outcome")
    return Understood(
        act=intent.act.value,
        fresh=intent.fresh,
        wishes=intent.wishes,
        dropped=intent.dropped,
        like=_named(intent.anchors, catalogue),
        items=_named(intent.items, catalogue),
        seen=_named(intent.seen, catalogue),
        liked=_named(intent.liked, catalogue),
        disliked=_named(intent.disliked, catalogue),
        barred=_named(intent.barred, catalogue),
        slots=intent.slots,
        more=intent.more,
        task=intent.task.value if intent.task is not None else None,
        k=intent.k,
        mood=intent.mood,
        question=intent.question,
        lasting=intent.lasting,
        unlinked=intent.unlinked,
        request=request.wishes if request is not None else [],
        relaxed=outcome.relaxed if outcome is not None else [],
    )


def _named(item_ids: Sequence[str], catalogue: Catalogue) -> list[NamedItem]:
    return [NamedItem(item_id=i, title=catalogue.get(i).title) for i in item_ids if i in catalogue]
