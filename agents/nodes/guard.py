"""guard: refuse or clean the message, and write it into the thread. Fails closed: an error here stops the turn."""

from __future__ import annotations

import time
from typing import Any

from agents.context import AgentContext
from agents.errors import MessageRejected
from agents.guard import checked_message
from agents.nodes.step import step
from agents.state import ChatMessage, ConversationState, Outcome


@step("guard")
async def guard(state: ConversationState, context: AgentContext) -> tuple[dict[str, Any], str]:
    """Check the message; a refusal goes straight to the answer."""
    context.meter.restart()  # one context may run several turns, when earlier messages are read again
    fresh = {"outcome": Outcome(release=context.release), "rejected": ""}
    try:
        message = checked_message(state["message"], context.config.max_message_chars)
    except MessageRejected as error:
        return {**fresh, "rejected": str(error)}, "refused"
    said = ChatMessage(role="user", content=message, created=time.time())
    return {**fresh, "message": message, "messages": [said]}, f"{len(message)} characters"


def after_guard(state: ConversationState) -> str:
    """Where to go from here."""
    return "respond" if state["rejected"] else "understand"
