"""A process killed with -9 between any two nodes, or inside one after its work: the turn ends as if nothing happened.

One process imports everything once and forks a child for each kill; catalogues are made after the fork, because a
fork loses the threads that polars starts with the first table.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from agents.conversation import ConversationService
from agents.graph import NODES
from agents.llm.scripted import ScriptedChatModel, ScriptEntry
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue

ROOT = Path(__file__).parents[2]
SCRIPT = [
    {"call": "intent", "json": {"act": "recommend", "want": ["Crime"]}},
    {"call": "respond", "text": "These are funny crime stories. [1] comes first. "},
]
MESSAGES = {
    "seen and a fact": "I've seen the first one, I never watch horror",
    "a thumb and a second reading": "I loved the second one with flumps",
    "a changed mind": "I love musicals, flumps please",
}
KILLS = [(node, "start") for node in NODES] + [("understand", "end"), ("recommend", "end"), ("respond", "end")]
WRITING = [("understand", "start"), ("understand", "end"), ("refine", "start"), ("respond", "end")]
"""Around what a turn writes; enough for further messages once one was killed everywhere."""

FORKS = textwrap.dedent(
    """
    import asyncio, json, os, signal, sys
    from pathlib import Path
    from agents.conversation import ConversationService
    from agents.events import StepEvent
    from agents.llm.scripted import ScriptedChatModel, ScriptEntry
    from tests.agents.conftest import PlainRecommender, film_catalogue
    import agents.nodes.step as step
    import agents.graph, langgraph.checkpoint.sqlite.aio

    jobs, script = json.load(sys.stdin)

    def die(folder, thread, message, node, status):
        emit = step.emit

        def deadly(event):
            if isinstance(event, StepEvent) and (event.node, event.status) == (node, status):
                os.kill(os.getpid(), signal.SIGKILL)
            emit(event)

        step.emit = deadly

        async def main():
            llm = ScriptedChatModel([ScriptEntry.model_validate(entry) for entry in script])
            async with ConversationService(PlainRecommender(film_catalogue()), llm, Path(folder)) as service:
                async for _ in service.turn(message=message, user_id="ann", thread_id=thread, k=5):
                    pass

        asyncio.run(main())

    ends = []
    for job in jobs:
        child = os.fork()
        if child == 0:
            die(*job)
            os._exit(0)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(json.dumps(ends))
    """
)


def scripted() -> ScriptedChatModel:
    return ScriptedChatModel([ScriptEntry.model_validate(entry) for entry in SCRIPT])


async def begin(folder: Path) -> str:
    async with ConversationService(PlainRecommender(film_catalogue()), scripted(), folder) as service:
        talk = Talk(service)
        await talk.say("I hate musicals")
        await talk.say("a comedy")
    return str(talk.thread_id)


async def outcome(folder: Path, thread: str) -> dict:
    """Everything that a turn leaves, times aside."""
    async with ConversationService(PlainRecommender(film_catalogue()), scripted(), folder) as service:
        await service.resume(thread, "ann")
        assert not await service.resume(thread, "ann")
        history = await service.history(thread, "ann")
        end = await Talk(service).say("what do you know about me?")
        return {
            "messages": [
                (m.role, m.content, [(c.item_id, c.reason) for c in m.slate], [s.node for s in m.steps], m.degraded)
                for m in history.messages
            ],
            "seen": service.feedback.seen("ann"),
            "thumbs": service.feedback.of("ann"),
            "facts": [(f.id, f.sentence, f.said, f.turn) for f in service.memory.of("ann")],
            "told": end.text,
            "turns": {info.turns for info in await service.threads("ann") if info.id == thread},
        }


async def test_every_kill_ends_as_the_turn_that_lived(tmp_path: Path) -> None:
    thread = await begin(tmp_path / "before")
    expected, folders = {}, {}
    for name, message in MESSAGES.items():
        whole = shutil.copytree(tmp_path / "before", tmp_path / name / "whole")
        async with ConversationService(PlainRecommender(film_catalogue()), scripted(), whole) as service:
            talk = Talk(service)
            talk.thread_id = thread
            await talk.say(message)
            passed = {event.node for event in talk.events if event.type == "step"}
        expected[name] = await outcome(whole, thread)
        assert len(expected[name]["messages"]) == 6
        for kill in KILLS if name == next(iter(MESSAGES)) else WRITING:
            assert kill[0] in passed, "the message passes every node that is killed"
            folders[name, *kill] = shutil.copytree(tmp_path / "before", tmp_path / name / "-".join(kill))
    jobs = [(str(folder), thread, MESSAGES[name], *kill) for (name, *kill), folder in folders.items()]
    done = subprocess.run(
        [sys.executable, "-c", FORKS], input=json.dumps([jobs, SCRIPT]), cwd=ROOT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [-signal.SIGKILL] * len(jobs), done.stderr
    for (name, *kill), folder in folders.items():
        assert await outcome(folder, thread) == expected[name], f"{name!r} killed at {kill}"
