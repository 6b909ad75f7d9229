"""How soon people see something: first cards and first words over the API's stream, with a language model and without.

The clock starts when the request leaves and stops when the first cards (or words) have arrived; loading is over.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from app.client import SidraClient
from eval.conversation_runner import ask
from eval.figures import Progress, Report, make_context

TALKS: tuple[tuple[str, ...], ...] = (
    ("something light for tonight", "newer please", "why the first one?"),
    ("a thriller from the 1990s", "I have seen the second one", "more like the first one"),
    ("a comedy but no romance", "something less known"),
    ("surprise me", "why the last one?"),
    ("what would you recommend for the Christmas holidays?", "and something shorter"),
    ("a war drama from Europe", "not that old"),
)
"""What is said; the words fit any catalogue of films and break none of another kind."""

WARM_UP_S = 120.0
"""At most so long a language model is waited for that is starting."""


class TurnTime(BaseModel):
    """One timed turn."""

    model_config = ConfigDict(extra="forbid")

    say: str
    """What was said."""
    first: bool
    """First turn of its conversation."""
    first_cards_s: float | None
    """Seconds to the first cards; None when the turn brought none."""
    first_words_s: float | None
    """Seconds to the first words."""
    total_s: float
    """Seconds to the end."""
    degraded: bool
    """Finished without something it should have had."""
    failed: str = ""
    """Why the turn failed; empty when it didn't."""


def time_turns(
    client: SidraClient,
    *,
    talks: Sequence[Sequence[str]] = TALKS,
    rounds: int = 1,
    limit_s: float = 240.0,
    user: str = "42",
    stage: str = "turns",
    progress: Progress | None = None,
) -> list[TurnTime]:
    """Hold a handful of conversations and time every turn.

    Args:
        client: of an API that is ready.
        talks: what is said, a list a conversation.
        rounds: how often each is held.
        limit_s: no new turn begins after so many seconds.
        user: who talks; a user without a history is a cold start, which is as quick.
        stage: name told to ``progress``.
        progress: told after every turn.
    """
    found: list[TurnTime] = []
    count = rounds * sum(len(talk) for talk in talks)
    began = time.monotonic()
    for talk in [talk for _ in range(rounds) for talk in talks]:
        thread: str | None = None
        for place, message in enumerate(talk):
            if time.monotonic() - began > limit_s:
                break
            answer, times = ask(client, message, user=user, thread_id=thread)
            errors = [event["message"] for event in answer.of("error")]
            if answer.refused is not None:
                errors.append(answer.refused["message"])
            started = answer.of("start")
            thread = str(started[0]["thread_id"]) if started else thread
            found.append(
                TurnTime(
                    say=message,
                    first=place == 0,
                    first_cards_s=times["first_cards_s"],
                    first_words_s=times["first_words_s"],
                    total_s=times["seconds"] or 0.0,
                    degraded=bool(answer.end.get("degraded", False)),
                    failed="; ".join(errors),
                )
            )
            if progress is not None:
                progress(stage, len(found), count)
        if thread is not None:
            client.delete_thread(thread, user)
    return found


def settled(client: SidraClient, wait_s: float = WARM_UP_S) -> dict[str, Any]:
    """What the API says of itself once its language model has started, or failed to, or the time is up.

    Until it has read its instructions rules answer alone, which is not what is to be timed.
    """
    end = time.monotonic() + wait_s
    while True:
        info: dict[str, Any] = client.info()
        state = (info.get("llm") or {}).get("state")
        if state != "starting" or time.monotonic() >= end:
            return info
        time.sleep(0.5)


def turn_figures(turns: Sequence[TurnTime], suffix: str = "") -> dict[str, float]:
    """The flat figures of timed turns: medians, 95th percentiles, counts; ``suffix`` ends every name."""
    figures: dict[str, float] = {"turns": len(turns)}
    for name in ("first_cards_s", "first_words_s", "total_s"):
        values = [v for turn in turns if (v := getattr(turn, name)) is not None]
        if values:
            figures[f"{name}_p50"] = round(float(np.median(values)), 4)
            figures[f"{name}_p95"] = round(float(np.percentile(values, 95)), 4)
    figures["degraded_turns"] = sum(turn.degraded for turn in turns)
    figures["failed_turns"] = sum(bool(turn.failed) for turn in turns)
    return {name + suffix: value for name, value in figures.items()}


def bench_api(
    addresses: dict[str, str],
    *,
    api_key: str | None = None,
    rounds: int = 1,
    limit_s: float = 240.0,
    user: str = "42",
    seed: int = 0,
    command: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Time the turns of one or more running APIs.

    Args:
        addresses: name of the language model -> address of an API that is ready. Figures of the first bear plain
            names, those of every one also end in ``.NAME``.
        api_key: bearer key, when the APIs want one.
        rounds: how often each conversation is held.
        limit_s: for each API, no new turn begins after so many seconds.
        user: who talks.
        seed: told in the context; nothing here is random.
        command: command line for the context.
        progress: told after every turn.
    """
    figures: dict[str, float] = {}
    detail: dict[str, Any] = {}
    release = ""
    for name, address in addresses.items():
        with SidraClient(address, api_key) as client:
            info = settled(client)
            release = release or str(info["release"])
            turns = time_turns(client, rounds=rounds, limit_s=limit_s, user=user, stage=name, progress=progress)
        figures = {**turn_figures(turns), **figures} if not detail else figures
        figures |= turn_figures(turns, f".{name}")
        detail[name] = {"language_model": info.get("llm"), "turns": [turn.model_dump(mode="json") for turn in turns]}
    return Report(figures=figures, context=make_context(seed=seed, release=release, command=command), detail=detail)
