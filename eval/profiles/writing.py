"""Profiles written for a measurement: by a language model on a loop of its own, or by a trained writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents.llm.cached import CachedChatModel
from agents.llm.protocol import ChatModel
from agents.profile.judge import LLMJudge
from agents.profile.writer import ProfileWriter
from eval.figures import Progress
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.errors import ConfigError
from recsys_core.profiles import HistoryFacts

_GONE = 5
"""So many people in a row for whom rules had to write mean that the model is gone, not that it words badly."""
PATIENCE_S = 600.0
"""Seconds that one profile may take: nobody waits, and a busy machine must not turn into profiles by rules."""


class ModelSession:
    """A started language model whose replies are kept, and the loop it runs on.

    Args:
        llm: the model.
        runner: of the loop on which it was started.
        progress: told how far the work is.
    """

    def __init__(self, llm: CachedChatModel, runner: asyncio.Runner, progress: Progress | None = None) -> None:
        self.llm = llm
        self._runner = runner
        self._progress = progress or (lambda stage, done, total: None)

    def writer(self, catalogue: Catalogue) -> ModelWriter:
        """Who writes profiles with the model."""
        return ModelWriter(self, catalogue)

    def judge(self, noun: str) -> LLMJudge:
        """The model as judge."""
        return LLMJudge(
            self.llm,
            noun=noun,
            run=self.run,
            seconds=PATIENCE_S,
            progress=lambda done, total: self.tell("judge llm", done, total),
        )

    def run(self, work: Any) -> Any:
        """A coroutine to its end, on the model's loop."""
        return self._runner.run(work)

    def tell(self, stage: str, done: int, total: int) -> None:
        """How far the work is."""
        self._progress(stage, done, total)


@contextmanager
def model_session(
    make: Callable[[], ChatModel], replies: Path, start_s: float, progress: Progress | None = None
) -> Iterator[ModelSession]:
    """Start a model and keep its replies in a file, so that a run that was cut off goes on.

    Args:
        make: makes the model.
        replies: SQLite file, for a model that doesn't keep its replies itself.
        start_s: seconds it may take to start.
        progress: told how far the work is.

    Raises:
        ConfigError: it doesn't start.
    """
    with asyncio.Runner() as runner:
        inner = make()
        llm = inner if isinstance(inner, CachedChatModel) else CachedChatModel(inner, replies)

        async def start() -> None:
            await llm.start()
            status = await llm.wait_ready(start_s)
            if status.state != "ready":
                raise ConfigError(f"the language model is not ready ({status.state}): {status.reason}")

        try:
            runner.run(start())
            yield ModelSession(llm, runner, progress)
        finally:
            runner.run(llm.aclose())


class ModelWriter:
    """Candidates of a language model, one call each; where it gives nothing usable, what rules write, counted.

    Args:
        session: the model.
        catalogue: whose values a profile may name.
    """

    def __init__(self, session: ModelSession, catalogue: Catalogue) -> None:
        self._session = session
        self._catalogue = catalogue
        self._writer = ProfileWriter(session.llm, PATIENCE_S)
        self._rules = 0
        self._people = 0
        self._distinct = 0

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._session.llm.name

    def write_many(self, every: Sequence[HistoryFacts], n: int) -> list[list[str]]:
        """Candidates of each; the first is what a single call gives, the others are distinct from each other.

        Raises:
            ConfigError: several people in a row got nothing from the model.
        """
        found: list[list[str]] = self._session.run(self._all(every, n))
        return found

    def counts(self) -> dict[str, float]:
        """Replies asked for and kept, people for whom rules wrote the first text, distinct candidates a person."""
        return {
            "asked": self._session.llm.asked,
            "kept": self._session.llm.kept,
            "people": self._people,
            "by_rules": self._rules,
            "candidates": self._distinct / max(1, self._people),
        }

    async def _all(self, every: Sequence[HistoryFacts], n: int) -> list[list[str]]:
        found = []
        gone = 0
        for number, facts in enumerate(every, 1):
            # asked for alone first: the answer for one must not be what is left of several
            single = (await self._writer.write(facts, self._catalogue, 1))[0]
            many = await self._writer.write(facts, self._catalogue, n) if n > 1 else []
            texts = list(dict.fromkeys([single.text, *(candidate.text for candidate in many if candidate.by == "llm")]))
            self._people += 1
            self._rules += single.by == "rules"
            self._distinct += len(texts)
            gone = gone + 1 if facts.known and all(c.by == "rules" for c in (single, *many)) else 0
            if gone >= _GONE:
                raise ConfigError(
                    f"the language model gave nothing usable for {gone} people in a row ({single.mark}); replies so "
                    "far are kept, so run the command again when it is back"
                )
            found.append(texts[:n])
            self._session.tell("profiles by the language model", number, len(every))
        return found
