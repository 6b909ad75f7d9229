"""What a message says of how texts are shown, taken out of it and put into force, before the rest is understood."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agents.context import AgentContext
from agents.intent import Act, Intent
from agents.reading.modes import MODE_WORDS, Mode, effective, read_switch
from agents.state import ConversationState

_NAMES: dict[Mode, str] = {"raw": "RAW", "balanced": "BALANCED", "cool": "COOL"}


@dataclass(frozen=True)
class Heard:
    """A switch that was heard and put into force."""

    note: str
    """What the answer says of it."""
    rest: str
    """The message without it; empty when it says nothing else."""

    def intent(self, state: ConversationState) -> Intent:
        """Of a message that says nothing else; what was offered before stays on offer."""
        before = state.get("intent")
        return Intent(act=Act.reading, notes=[self.note], offers=before.offers if before is not None else [])


async def heard_switch(state: ConversationState, context: AgentContext) -> Heard | None:
    """Read and apply "calmer, please" and the like; None when the message says nothing of it.

    Args:
        state: of the running turn.
        context: with the thread that the choice is for; doing it twice for one turn changes nothing.
    """
    readings = context.readings
    if readings is None:
        return None
    user, thread = state["user_id"], context.thread_id
    # read for a first time without the thread's mode: most messages say nothing, and nothing is looked up for them
    if read_switch(state["message"], "raw") is None:
        return None
    chosen = await asyncio.to_thread(readings.store.thread_choice, user, thread)
    current = effective({"": chosen[0]} if chosen else {}, "").mode
    switch = read_switch(state["message"], current)
    assert switch is not None
    mode = switch.mode
    before: Mode | None = None if chosen is None else current
    if chosen and chosen[1] >= state["messages"][-1].created:
        # this turn ran before and was broken off: "calmer" must not go down twice
        mode, before = current, "cool" if current == "raw" else "raw"
    await readings.choose(user, thread, mode, on_table=[card.item_id for card in state.get("slate", [])])
    return Heard(_note(mode, before, state), switch.rest)


def _note(mode: Mode, before: Mode | None, state: ConversationState) -> str:
    if mode == before and mode == "cool":
        return f"Calmer than this I can't go: you get {MODE_WORDS[mode]} ({_NAMES[mode]})."
    if mode == "raw" and before in {None, "raw"}:
        return f"You get {MODE_WORDS[mode]} already ({_NAMES[mode]})."
    shown = "On the cards you get" if state.get("slate") else "From now on you get"
    more = "" if mode == "raw" else ", and the original is one click away"
    return f"{shown} {MODE_WORDS[mode]} ({_NAMES[mode]}){more}."
