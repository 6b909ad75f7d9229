"""calm: the texts of the cards in the mode that holds, behind the cards; and the diary of who keeps one."""

from __future__ import annotations

import asyncio
from typing import Any

from agents.context import AgentContext
from agents.events import CalmEvent, SlateEvent
from agents.intent import Act
from agents.nodes.step import emit, step
from agents.reading.wording import reasons_in_mode
from agents.state import ConversationState


@step("calm")
async def calm(state: ConversationState, context: AgentContext) -> tuple[dict[str, Any], str]:
    """Send calm texts for the cards on the table where a person chose them; cards themselves went out before."""
    readings, user, thread = context.readings, state["user_id"], context.thread_id
    if readings is None:
        return {}, "not served here"
    intent = state["intent"]
    spoken_of = [*intent.seen, *intent.liked, *intent.disliked]
    if intent.act is Act.about or intent.aside is Act.about:
        spoken_of += intent.items
    await readings.note(user, thread, spoken_of, context.recommender)
    fresh = state["outcome"].slate_changed or intent.act is Act.reading
    items = [card.item_id for card in state.get("slate", []) if fresh and card.item_id in context.catalogue]
    modes = await asyncio.to_thread(readings.modes, user, thread, items)
    wanted = [item for item in items if modes[item] != "raw"]
    if not wanted:
        if items and intent.act is Act.reading:
            emit(CalmEvent(readings=await readings.read(user, thread, items, context.recommender)))
            return await _reasons(state, context), "original texts"
        return {}, "original texts"
    found = await readings.read(user, thread, wanted, context.recommender)
    changes = await _reasons(state, context)
    emit(CalmEvent(readings=found))
    changed = sum(reading.method != "unchanged" for reading in found)
    return changes, f"{changed} of {len(found)} texts reworded"


async def _reasons(state: ConversationState, context: AgentContext) -> dict[str, Any]:
    """The slate with its reasons in the mode that holds now: a reason may quote a headline of the person's history."""
    cards = await reasons_in_mode(state, context)
    if cards != state["slate"]:
        emit(SlateEvent(cards=cards, final=True, note=state["outcome"].closest))
    return {"slate": cards}
