"""What all nodes share: they announce themselves, are timed, and leave a record of the step."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime

from agents.allowed import at_work
from agents.context import AgentContext
from agents.events import Event, SlateEvent, StepEvent
from agents.state import ConversationState, StepRecord
from agents.tracing import span
from tools.inert import without_hidden


class Node(Protocol):
    """What the graph calls."""

    async def __call__(self, state: ConversationState, *, runtime: Runtime[AgentContext]) -> dict[str, Any]:
        """Changes to the state."""
        ...


Work = Callable[[ConversationState, AgentContext], Awaitable[tuple[dict[str, Any], str]]]


def emit(event: Event) -> None:
    """Stream an event to whoever listens to the turn; a note is plain text, whatever it quotes."""
    if isinstance(event, SlateEvent) and event.note:
        event = event.model_copy(update={"note": without_hidden(event.note)})
    get_stream_writer()(event)


def step(name: str) -> Callable[[Work], Node]:
    """Make a node of a function that returns (changes to the state, what it did in a few words)."""

    def decorate(work: Work) -> Node:
        # no functools.wraps: the graph reads the signature to know that a node wants its runtime
        async def node(state: ConversationState, *, runtime: Runtime[AgentContext]) -> dict[str, Any]:
            emit(StepEvent(node=name, status="start"))
            started = time.perf_counter()
            with at_work(name), span("node", node=name) as made:
                changes, detail = await work(state, runtime.context)
                made.note(cards=len(changes.get("slate", [])))
            detail = without_hidden(detail)
            ms = round((time.perf_counter() - started) * 1000, 3)
            emit(StepEvent(node=name, status="end", ms=ms, detail=detail))
            return {**changes, "steps": [*state.get("steps", []), StepRecord(node=name, ms=ms, detail=detail)]}

        return node

    return decorate
