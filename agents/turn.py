"""One turn of one thread: run the graph, pass its events on, and leave the thread whole whatever happens."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import cast

from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot

from agents.context import AgentContext
from agents.events import EndEvent, ErrorEvent, Event, SlateEvent, StartEvent, StepEvent, TokenEvent
from agents.graph import Graph
from agents.state import ChatMessage, ConversationState
from agents.store import ThreadRegistry
from agents.traces import trace_of
from agents.understood import understood
from recsys_core.errors import SidraError

log = logging.getLogger(__name__)

MAX_STEPS = 20
"""Nodes that one turn may pass; the longest way through the graph has nine."""


class TurnRunner:
    """Runs turns of one thread.

    Args:
        graph: compiled with a checkpointer.
        registry: where the end of a turn is noted.
        thread_id: the thread, locked by the caller.
        queue: where events go.
    """

    def __init__(
        self, graph: Graph, registry: ThreadRegistry, thread_id: str, queue: asyncio.Queue[Event | None]
    ) -> None:
        self._graph = graph
        self._registry = registry
        self.thread_id = thread_id
        self.queue = queue
        self._config: RunnableConfig = {"configurable": {"thread_id": thread_id}, "recursion_limit": MAX_STEPS}
        self._said: list[str] = []
        self._cards: SlateEvent | None = None

    async def run(
        self, context: AgentContext, inputs: ConversationState, replay: list[str], quiet: AgentContext
    ) -> None:
        """One turn, from start event to end or error event.

        Args:
            context: what nodes may reach.
            inputs: message, user, k, filter.
            replay: earlier user messages to read first, by rules and unheard.
            quiet: context for those.
        """
        started = time.perf_counter()
        turn = 1
        try:
            await self.finish_pending(quiet)
            for message in replay:
                turn = await self._number()
                await self._drain({**inputs, "message": message, "turn": turn}, quiet, heard=False)
            turn = await self._number()
            self.queue.put_nowait(
                StartEvent(thread_id=self.thread_id, turn=turn, release=context.release, changes=context.changes)
            )
            context.budget.start()
            timings = await self._drain({**inputs, "turn": turn}, context, heard=True)
            snapshot = await self._graph.aget_state(self._config)
            timings["total"] = round((time.perf_counter() - started) * 1000, 3)
            await asyncio.to_thread(self._registry.touch, self.thread_id, turn)
            self.queue.put_nowait(self._end(snapshot, timings, context))
        except asyncio.CancelledError:
            await asyncio.shield(self._close_turn(turn, "stopped", "the answer was stopped"))
            raise
        except SidraError as error:
            await self._close_turn(turn, "failed", str(error))
            code = getattr(error, "code", None) or getattr(error, "kind", None) or type(error).__name__
            self.queue.put_nowait(ErrorEvent(code=str(code), message=str(error)))
        except Exception as error:
            # the thread's last line of defence: whatever a node raised, the page gets a sentence, the log the place
            log.error("turn %s of a conversation failed\n%s", turn, trace_of(error))
            await self._close_turn(turn, "failed", "an unexpected error; the server's log has the details")
            self.queue.put_nowait(
                ErrorEvent(code="internal_error", message="This answer failed unexpectedly; please try again.")
            )

    async def finish_pending(self, context: AgentContext) -> bool:
        """Finish a turn that was broken off between two nodes; True when there was one."""
        snapshot = await self._graph.aget_state(self._config)
        if not snapshot.next:
            return False
        await self._drain(None, context, heard=False)
        await asyncio.to_thread(self._registry.touch, self.thread_id, int(snapshot.values.get("turn", 1)))
        return True

    async def _number(self) -> int:
        snapshot = await self._graph.aget_state(self._config)
        return int(snapshot.values.get("turn", 0)) + 1

    async def _drain(self, inputs: ConversationState | None, context: AgentContext, *, heard: bool) -> dict[str, float]:
        started = time.perf_counter()
        timings: dict[str, float] = {}
        events = self._graph.astream(inputs, self._config, context=context, stream_mode="custom", durability="sync")
        async for part in events:
            event = cast(Event, part)
            now = round((time.perf_counter() - started) * 1000, 3)
            if isinstance(event, SlateEvent):
                timings.setdefault("first_slate", now)
                self._cards = event if heard else None
            elif isinstance(event, TokenEvent):
                timings.setdefault("first_token", now)
                if heard:
                    self._said.append(event.text)
            elif isinstance(event, StepEvent) and event.status == "end":
                timings[event.node] = round(timings.get(event.node, 0.0) + event.ms, 3)
            if heard:
                self.queue.put_nowait(event)
        return timings

    def _end(self, snapshot: StateSnapshot, timings: dict[str, float], context: AgentContext) -> EndEvent:
        outcome = snapshot.values["outcome"]
        return EndEvent(
            thread_id=self.thread_id,
            text=outcome.text,
            cards=snapshot.values.get("slate", []) if outcome.slate_changed else [],
            degraded=bool(outcome.degraded_reason),
            degraded_reason=outcome.degraded_reason,
            exhausted=outcome.exhausted,
            cold_start=outcome.cold_start,
            timings_ms=timings,
            release=outcome.release,
            changes=context.changes,
            llm=outcome.llm,
            understood=understood(snapshot.values, context.catalogue),
        )

    async def _close_turn(self, turn: int, how: str, reason: str) -> None:
        """End a turn that won't be finished, so that the thread can go on: what was said so far stays, marked."""
        snapshot = await self._graph.aget_state(self._config)
        messages = snapshot.values.get("messages", [])
        asked = bool(messages) and messages[-1].role == "user"
        # a cancelled run may look finished to the graph; an unanswered message shows that it isn't
        if not asked and not snapshot.next:
            return
        said = "".join(self._said)
        answer = ChatMessage(
            role="assistant",
            content=said or f"(This answer was {how}.)",
            created=time.time(),
            slate=self._cards.cards if self._cards else [],
            steps=snapshot.values.get("steps", []),
            degraded=True,
            degraded_reason=reason,
        )
        question = ChatMessage(role="user", content=snapshot.values.get("message", ""), created=time.time())
        changes = {"messages": [answer] if asked else [question, answer]}
        await self._graph.aupdate_state(self._config, changes, as_node="respond")
        await asyncio.to_thread(self._registry.touch, self.thread_id, turn)
