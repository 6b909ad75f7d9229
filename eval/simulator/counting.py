"""Counts what a language model is asked for, whoever asks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from agents.llm.protocol import ChatModel, LLMStatus, Message, Reply, TurnBudget


class CountingModel:
    """A chat model that counts calls and tokens of all turns.

    Args:
        inner: does the work; started and closed by its owner.
    """

    def __init__(self, inner: ChatModel) -> None:
        self._inner = inner
        self.tokens = 0
        """Tokens read and written."""
        self.calls = 0
        """Requests that went out."""

    @property
    def name(self) -> str:
        """The model's own name."""
        return self._inner.name

    @property
    def available(self) -> bool:
        """The model's own word."""
        return self._inner.available

    @property
    def status(self) -> LLMStatus:
        """The model's own."""
        return self._inner.status

    async def start(self) -> None:
        """Left to the owner of the model."""

    async def wait_ready(self, timeout_s: float) -> LLMStatus:
        """The model's own."""
        return await self._inner.wait_ready(timeout_s)

    async def warm(self, prefixes: Sequence[Sequence[Message]]) -> None:
        """The model's own."""
        await self._inner.warm(prefixes)

    async def complete_json(
        self,
        messages: Sequence[Message],
        schema: type[Reply],
        *,
        budget: TurnBudget,
        max_tokens: int = 256,
        name: str = "",
    ) -> Reply:
        """One answer as an object, counted."""
        tokens, calls = budget.used_tokens, budget.used_calls
        try:
            return await self._inner.complete_json(messages, schema, budget=budget, max_tokens=max_tokens, name=name)
        finally:
            self._count(budget, tokens, calls)

    async def stream(
        self, messages: Sequence[Message], *, budget: TurnBudget, max_tokens: int = 200, name: str = ""
    ) -> AsyncGenerator[str, None]:
        """The answer piece by piece, counted."""
        tokens, calls = budget.used_tokens, budget.used_calls
        try:
            async with aclosing(
                self._inner.stream(messages, budget=budget, max_tokens=max_tokens, name=name)
            ) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._count(budget, tokens, calls)

    async def aclose(self) -> None:
        """Left to the owner of the model."""

    def _count(self, budget: TurnBudget, tokens: int, calls: int) -> None:
        self.tokens += budget.used_tokens - tokens
        self.calls += budget.used_calls - calls
