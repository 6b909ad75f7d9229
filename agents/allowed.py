"""Which agent may call which tools. An agent is a node of the graph, or the one that makes
suggestions; one that isn't listed may call none.

The writer has no tools: whatever a language model is talked into there, there is nothing to call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tools.access import ToolAccess, ToolMeter

ALLOWED: dict[str, frozenset[str]] = {
    "guard": frozenset(),
    "understand": frozenset({"link_title", "search_items", "item_details", "count_items", "catalogue_facts"}),
    "recommend": frozenset({"recommend", "count_items", "item_details"}),
    "refine": frozenset({"link_title", "search_items"}),
    "explain": frozenset({"explain_item", "item_details", "intervene", "similar_items", "user_history"}),
    "calm": frozenset(),
    "respond": frozenset(),
    "next_wish": frozenset({"interests", "expected_wishes"}),
}
"""Node -> tools on its list."""

_AT_WORK: ContextVar[str] = ContextVar("sidra_agent_at_work", default="")


@contextmanager
def at_work(agent: str) -> Iterator[None]:
    """While this is open, tool calls are that agent's; threads started from here inherit it."""
    token = _AT_WORK.set(agent)
    try:
        yield
    finally:
        _AT_WORK.reset(token)


def access_of(meter: ToolMeter) -> ToolAccess:
    """Access of the agent that is at work; to nothing when none is."""
    agent = _AT_WORK.get()
    return ToolAccess(agent or "nobody", ALLOWED.get(agent, frozenset()), meter)
