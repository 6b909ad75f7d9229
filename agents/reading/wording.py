"""The answer's own words in the mode that a person chose: titles as their cards show them, the rest by the word list.

Rules only, because an answer streams sentence by sentence; a title that is a name stays as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

from agents.cards import spoken_title
from agents.context import AgentContext
from agents.reading.modes import effective
from agents.state import ConversationState, SlateCard
from agents.why import plain_text

_WORDING: ContextVar[Callable[[str], str] | None] = ContextVar("sidra_wording", default=None)


def in_mode(text: str) -> str:
    """A piece of the answer as this turn's person gets to read it."""
    wording = _WORDING.get()
    return text if wording is None else wording(text)


async def worded(state: ConversationState, context: AgentContext) -> AbstractContextManager[None]:
    """While this is open, `in_mode` words texts as the person chose for the conversation.

    Args:
        state: of the running turn; titles are those of its slate and of the items it speaks of.
        context: with the thread's choices.
    """
    readings = context.readings
    if readings is None or state.get("rejected"):
        return _using(None)
    choices = await asyncio.to_thread(readings.store.choices, state["user_id"], context.thread_id)
    items = [*(card.item_id for card in state.get("slate", [])), *state["intent"].items]
    chosen = [i for i in dict.fromkeys(items) if i in context.catalogue and effective(choices, i).mode != "raw"]
    calm = effective(choices, "").mode != "raw"
    if not calm and not chosen:
        return _using(None)
    found = await readings.read(state["user_id"], context.thread_id, chosen, context.recommender)
    shown = {spoken_title(each.title): spoken_title(each.shown_title) for each in found}
    shown |= {plain_text(c.before): plain_text(c.after) for each in found for c in each.sentences if c.changed}
    softened = await asyncio.to_thread(readings.rewriter.softener) if calm else None
    return _using(lambda text: _reworded(text, shown, softened))


async def reasons_in_mode(state: ConversationState, context: AgentContext) -> list[SlateCard]:
    """The cards of the slate, with titles of the person's history in their reasons as this person gets to read them.

    Worded from what the reasons first said, so that they are the original again after a switch back to RAW.

    Args:
        state: of the running turn.
        context: with the thread's choices; readings must be served.
    """
    readings, cards = context.readings, state.get("slate", [])
    assert readings is not None
    history = context.recommender.history(state["user_id"], 200) or []
    thumbs = await asyncio.to_thread(context.feedback.of, state["user_id"])
    known = [i for i in dict.fromkeys([*history, *thumbs, *state["request"].anchors]) if i in context.catalogue]
    written = [card.reason_written or card.reason for card in cards]
    reasons = "\n".join(written)
    named = [item for item in known if spoken_title(context.catalogue.get(item).title) in reasons]
    found = await readings.read(state["user_id"], context.thread_id, named, context.recommender)
    shown = {spoken_title(each.title): spoken_title(each.shown_title) for each in found}
    out = []
    for card, reason in zip(cards, written, strict=True):
        now = _reworded(reason, shown, None)
        out.append(card.model_copy(update={"reason": now, "reason_written": reason if now != reason else ""}))
    return out


@contextmanager
def _using(wording: Callable[[str], str] | None) -> Iterator[None]:
    token = _WORDING.set(wording)
    try:
        yield
    finally:
        _WORDING.reset(token)


def _reworded(text: str, shown: dict[str, str], soften: Callable[[str], str] | None) -> str:
    """The text with titles and sentences as their cards show them, and between those calmer words."""
    held: list[str] = []
    # the longest first, so that no title is torn apart by one that it contains
    for title in sorted(shown, key=len, reverse=True):
        if title and title in text:
            text = text.replace(title, f"\ue000{len(held)}\ue001")
            held.append(shown[title])
    if soften is not None:
        text = soften(text)
    for place, title in enumerate(held):
        text = text.replace(f"\ue000{place}\ue001", title)
    return text
