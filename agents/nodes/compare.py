"""Comparing items, for the node `explain`: facts from the catalogue, the person's history through a tool."""

from __future__ import annotations

from agents.comparison import Comparison
from agents.context import AgentContext
from agents.state import ConversationState, WorkingRequest
from tools import registry
from tools.items import History, HistoryArguments


def compared(state: ConversationState, request: WorkingRequest, context: AgentContext) -> dict[str, str]:
    """The comparison that a message asks for, under its first item's id; empty without two items.

    Args:
        state: of the running turn.
        request: the request that the items were recommended for.
        context: catalogue and tools.
    """
    intent, catalogue = state["intent"], context.catalogue
    items = [item for item in intent.items if item in catalogue]
    if len(items) < 2:
        return {}
    tools = context.tools(state["user_id"])
    history = registry.invoke("user_history", HistoryArguments(limit=50), History, tools).item_ids
    known = [item for item in [*history, *(i for i, v in tools.feedback.items() if v > 0)] if item in catalogue]
    disliked = {item for item, value in tools.feedback.items() if value < 0}
    rules = context.understanding
    liked = [item for item in dict.fromkeys(known) if item not in disliked]
    comparison = Comparison(items, request, liked, catalogue, rules.roles, rules.vocabulary)
    return {items[0]: comparison.text(intent.aspect)}
