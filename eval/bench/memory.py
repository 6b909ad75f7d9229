"""Does a process that answers turn after turn stay as large as it is: resident memory and the files of conversations.

Conversations of a few turns follow one another; so many of the newest are kept, older ones are deleted as a user would
delete them. What grows after the warm-up is a leak, in memory or in the files.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from collections import deque
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from agents.conversation import ConversationService
from agents.events import EndEvent
from agents.llm.protocol import ChatModel
from agents.llm.scripted import ScriptedChatModel, ScriptEntry
from eval.figures import Progress, Report, make_context
from tools.context import Recommends

TALKS: tuple[tuple[str, ...], ...] = (
    ("something light for tonight", "newer please", "why the first one?", "I have seen the second one"),
    ("a thriller from the 1990s", "I never watch horror", "more like the first one"),
    ("a comedy but no romance", "what do you know about me?", "undo", "something less known"),
    ("surprise me with grumbles", "I love dramas", "forget what I said about drama", "thanks"),
)
"""What is said; beside requests, everything that writes to memory."""
WARM_UP = 0.2
"""Share of the turns before which nothing is compared: caches fill, libraries load."""
USERS = 25
"""Who talks, in turn."""


class Sample(BaseModel):
    """Sizes at one moment."""

    model_config = ConfigDict(extra="forbid")

    turn: int
    """Turns answered so far."""
    rss_mb: float
    """Resident memory of the process, MiB."""
    files_kb: float
    """Files of the conversations, KiB."""


def scripted_model() -> ScriptedChatModel:
    """A language model that reads nothing new and says one checkable sentence."""
    entries = [
        {"call": "intent", "json": {"act": "recommend"}},
        {"call": "respond", "text": "These should do nicely. [1] comes first. "},
    ]
    return ScriptedChatModel([ScriptEntry.model_validate(entry) for entry in entries])


async def hold_turns(
    recommender: Recommends,
    llm: ChatModel,
    folder: Path,
    turns: int,
    *,
    keep: int = 20,
    samples: int = 50,
    progress: Progress | None = None,
) -> list[Sample]:
    """Answer turns one after the other and measure on the way.

    Args:
        recommender: what answers.
        llm: the language model.
        folder: for the files of the conversations; should be empty.
        turns: how many.
        keep: conversations that are not deleted, the newest ones.
        samples: how often sizes are taken.
        progress: told after each sample.

    Returns:
        Sizes, oldest first.

    Raises:
        RuntimeError: a turn did not end as it should.
    """
    found: list[Sample] = []
    kept: deque[tuple[str, str]] = deque()
    every = max(1, turns // samples)
    answered = 0
    async with ConversationService(recommender, llm, folder) as service:
        while answered < turns:
            number = answered
            user, thread = f"user-{number % USERS}", None
            for message in TALKS[number % len(TALKS)][: turns - answered]:
                event = None
                async for event in service.turn(message=message, user_id=user, thread_id=thread, k=5):
                    thread = thread or getattr(event, "thread_id", None)
                if not isinstance(event, EndEvent):
                    raise RuntimeError(f"turn {answered} did not end: {event}")
                answered += 1
                if answered % every == 0 or answered == turns:
                    found.append(Sample(turn=answered, rss_mb=resident_mb(), files_kb=size_kb(folder)))
                    if progress is not None:
                        progress("turns", answered, turns)
            kept.append((str(thread), user))
            while len(kept) > keep:
                await service.delete_thread(*kept.popleft())
            await asyncio.sleep(0)
    return found


def bench_memory(
    recommender: Recommends,
    llm: ChatModel,
    folder: Path,
    turns: int,
    *,
    seed: int = 0,
    keep: int = 20,
    progress: Progress | None = None,
) -> Report:
    """Hold the turns and report how memory and files grow; arguments as of `hold_turns`."""
    samples = asyncio.run(hold_turns(recommender, llm, folder, turns, keep=keep, progress=progress))
    release = str(getattr(getattr(recommender, "release", None), "id", ""))
    return Report(
        figures=growth(samples),
        context=make_context(seed=seed, release=release),
        detail={"llm": llm.name, "samples": [sample.model_dump() for sample in samples]},
    )


def growth(samples: list[Sample]) -> dict[str, float]:
    """How sizes change after the warm-up: slopes by least squares, per thousand turns."""
    turns = samples[-1].turn
    late = [sample for sample in samples if sample.turn >= WARM_UP * turns]
    figures = {"turns": float(turns), "rss_mb_warm": late[0].rss_mb, "rss_mb_end": late[-1].rss_mb}
    figures |= {"files_kb_warm": late[0].files_kb, "files_kb_end": late[-1].files_kb}
    x = np.array([sample.turn for sample in late]) / 1000
    for name in ("rss_mb", "files_kb"):
        y = np.array([getattr(sample, name) for sample in late])
        slope = float(np.polyfit(x, y, 1)[0]) if len(late) > 1 else 0.0
        figures[f"{name}_per_1000_turns"] = round(slope, 3)
    return {name: round(value, 3) for name, value in figures.items()}


def resident_mb() -> float:
    """Resident memory of this process in MiB; where the system doesn't tell, the most it has ever been."""
    table = Path("/proc/self/status")
    if table.is_file():
        for line in table.read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def size_kb(folder: Path) -> float:
    """Size of all files in a folder in KiB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1024
