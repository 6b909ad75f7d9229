"""A language model as judge of profiles: it ranks a numbered list, bound by a schema.

Slower than the embedding judge by orders of magnitude, and of another kind: what pleases one need not please the
other. Texts are quoted as data. What the model leaves out of its ranking shares the last place, what it says twice
counts once, and an answer that can't be used ranks nothing, so that shuffles make it chance; all three are counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, create_model

from agents.llm.protocol import ChatModel, LLMError, TurnBudget
from prompts import render_messages
from recsys_core.rewards.protocol import Question

Run = Callable[[Coroutine[Any, Any, Any]], Any]

_LOST = {"unavailable", "protocol"}
"""Failures that the next question would meet as well."""


class RankingReply(BaseModel):
    """A list put in order."""

    model_config = ConfigDict(extra="forbid")

    ranking: list[int]
    """Numbers of the list, best first."""


@lru_cache(maxsize=64)
def ranking_schema(count: int) -> type[RankingReply]:
    """`RankingReply` for a list of so many."""
    number: Any = Annotated[int, Field(ge=1, le=count)]
    ranking: Any = (list[number], Field(min_length=1, max_length=count))
    return create_model("RankingReply", __base__=RankingReply, ranking=ranking)


class LLMJudge:
    """Judge of lists (:class:`recsys_core.rewards.protocol.ListJudge`).

    Args:
        llm: who is asked; wrap it in `CachedChatModel` for measurements.
        noun: what the catalogue's items are called.
        run: runs a coroutine to its end; give the runner of the loop on which the model was started.
        seconds: a question may take.
        at_once: questions in flight; 1 for a model on the same machine.
        progress: called with (done, total) questions.

    Attributes:
        name: ``llm``.
        asked: questions so far.
        failed: questions without a usable answer; they ranked nothing.
        partial: answers that left candidates out.
        repeated: answers that named a candidate twice.
    """

    name = "llm"

    def __init__(
        self,
        llm: ChatModel,
        *,
        noun: str = "items",
        run: Run = asyncio.run,
        seconds: float = 120.0,
        at_once: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._llm = llm
        self._noun = noun
        self._run = run
        self._seconds = seconds
        self._at_once = at_once
        self._progress = progress
        self.asked = self.failed = self.partial = self.repeated = 0

    def rank(self, questions: Sequence[Question]) -> list[NDArray[np.float32]]:
        """One ``float32[len(candidates)]`` a question: minus the place from 1; what wasn't ranked ties at the end.

        Raises:
            LLMError: the model is gone or can't be asked this way; a single bad answer raises nothing.
        """
        found: list[NDArray[np.float32]] = self._run(self._rank(questions))
        return found

    def counts(self) -> dict[str, float]:
        """Figures about the answers: ``asked``, and how many failed, were partial, repeated themselves."""
        return {"asked": self.asked, "failed": self.failed, "partial": self.partial, "repeated": self.repeated}

    async def _rank(self, questions: Sequence[Question]) -> list[NDArray[np.float32]]:
        turn = asyncio.Semaphore(self._at_once)
        done = 0

        async def one(question: Question) -> NDArray[np.float32]:
            nonlocal done
            async with turn:
                scores = await self._answer(question)
            done += 1
            if self._progress is not None:
                self._progress(done, len(questions))
            return scores

        tasks = [asyncio.create_task(one(question)) for question in questions]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _answer(self, question: Question) -> NDArray[np.float32]:
        count = len(question.candidates)
        unranked = np.full(count, -(count + 1), dtype=np.float32)
        if count < 2:
            return unranked
        self.asked += 1
        messages = render_messages(
            "profile_judge",
            noun=self._noun,
            about=question.about,
            query=question.query or "nothing is known",
            candidates=[text or "nothing is known" for text in question.candidates],
        )
        try:
            reply = await self._llm.complete_json(
                messages,
                ranking_schema(count),
                budget=TurnBudget(calls=2, tokens=12_000, seconds=self._seconds),
                max_tokens=16 + 6 * count,
                name="profile_judge",
            )
        except LLMError as error:
            if error.kind in _LOST:
                raise
            self.failed += 1
            return unranked
        ranked = list(dict.fromkeys(reply.ranking))
        self.repeated += len(ranked) < len(reply.ranking)
        self.partial += len(ranked) < count
        for place, number in enumerate(ranked, 1):
            unranked[number - 1] = -place
        return unranked
