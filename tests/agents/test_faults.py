"""Turns that are stopped or fail half-way: the thread goes on. What a kill leaves is in `test_killed`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path

from agents.context import AgentContext
from agents.conversation import ConversationService
from agents.events import EndEvent, ErrorEvent, SlateEvent
from agents.graph import NODES, make_graph
from agents.llm.none import NoChatModel
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue

ROOT = Path(__file__).parents[2]

KILLED = textwrap.dedent(
    """
    import asyncio, os, signal, sys
    from pathlib import Path
    from agents.conversation import ConversationService
    from agents.events import StepEvent
    from agents.llm.none import NoChatModel
    from tests.agents.conftest import PlainRecommender, film_catalogue
    import agents.nodes.step as step

    folder, thread, node = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    emit = step.emit

    def deadly(event):
        if isinstance(event, StepEvent) and (event.node, event.status) == (node, "start"):
            os.kill(os.getpid(), signal.SIGKILL)
        emit(event)

    step.emit = deadly

    async def main():
        async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), folder) as service:
            async for _ in service.turn(message="I've seen the first one", user_id="ann", thread_id=thread, k=5):
                pass

    asyncio.run(main())
    """
)


async def test_the_next_turn_finishes_a_killed_one_first(tmp_path: Path) -> None:
    async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path) as service:
        talk = Talk(service)
        await talk.say("a comedy")
    subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), talk.thread_id, "recommend"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip
    async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path) as service:
        talk.service = service
        await talk.say("thanks")
        history = await service.history(talk.thread_id, "ann")
        said = [m.content for m in history.messages if m.role == "user"]
        assert said == ["a comedy", "I've seen the first one", "thanks"]
        assert len(history.messages) == 6


async def test_a_stopped_turn_keeps_what_was_said(tmp_path: Path) -> None:
    async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path) as service:
        talk = Talk(service)
        await talk.say("hello")
        turn = service.turn(message="a comedy", user_id="ann", thread_id=talk.thread_id, k=5)
        async for event in turn:
            if isinstance(event, SlateEvent):
                break
        await turn.aclose()
        end = await talk.say("a thriller")
        assert isinstance(end, EndEvent)
        history = await service.history(talk.thread_id, "ann")
        assert [m.role for m in history.messages] == ["user", "assistant"] * 3
        stopped = history.messages[3]
        assert (stopped.degraded, stopped.degraded_reason) == (True, "the answer was stopped")
        assert stopped.slate


async def test_a_tool_that_fails_ends_the_turn_in_a_sentence(tmp_path: Path) -> None:
    recommender = PlainRecommender(film_catalogue())
    async with ConversationService(recommender, NoChatModel(), tmp_path) as service:
        talk = Talk(service)
        works = recommender.recommend
        recommender.recommend = lambda *_: 1 / 0
        end = await talk.say("a comedy")
        assert isinstance(end, ErrorEvent)
        assert "ZeroDivision" not in end.message
        recommender.recommend = works
        assert isinstance(await talk.say("a comedy"), EndEvent)
        history = await service.history(talk.thread_id, "ann")
        assert history.messages[1].degraded


async def test_evidence_that_fails_does_not_take_the_service_down(tmp_path: Path) -> None:
    recommender = PlainRecommender(film_catalogue())
    async with ConversationService(recommender, NoChatModel(), tmp_path) as service:
        recommender.evidence = lambda *_: 1 / 0
        talk = Talk(service)
        assert isinstance(await talk.say("a comedy"), ErrorEvent)
        del recommender.evidence
        assert isinstance(await talk.say("a comedy"), EndEvent)


async def test_closing_the_service_stops_running_turns(tmp_path: Path) -> None:
    service = ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path)
    await service.start()
    turn = service.turn(message="a comedy", user_id="ann", k=5)
    await anext(turn)
    await asyncio.wait_for(service.close(), 5)
    await service.close()


def test_the_exported_graph_brings_no_checkpointer() -> None:
    graph = make_graph()
    assert graph.checkpointer is None
    assert set(NODES) < set(graph.nodes)
    assert graph.context_schema is AgentContext


def test_checkpoints_rebuild_only_known_types() -> None:
    code = (
        "import agents.graph; from langgraph.checkpoint.serde import _msgpack; print(_msgpack.STRICT_MSGPACK_ENABLED)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
