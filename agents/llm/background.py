"""A language model for work that nobody waits for: it gives way to conversations, at any moment.

On a small machine two prompts at once are both late. Profiles, suggestions and finer wordings are written while no turn
runs; when one begins, what was under way is broken off and asked again afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from agents.llm.protocol import ChatModel, LLMError, LLMStatus, Message, Reply, TurnBudget

_LOOK_S = 0.05
_PATIENCE_S = 600.0
_TRIES = 20


class BackgroundChatModel:
    """ChatModel over another one. What is broken off costs the budget neither calls nor seconds.

    Args:
        inner: the model that conversations use; started and closed by its owner.
        busy: True while a conversation is being answered.
    """

    def __init__(self, inner: ChatModel, busy: Callable[[], bool]) -> None:
        self._inner = inner
        self._busy = busy

    @property
    def name(self) -> str:
        """Name of the inner model."""
        return self._inner.name

    @property
    def available(self) -> bool:
        """As the inner model."""
        return self._inner.available

    @property
    def status(self) -> LLMStatus:
        """As the inner model."""
        return self._inner.status

    async def start(self) -> None:
        """Nothing: the owner of the inner model starts it."""

    async def wait_ready(self, timeout_s: float) -> LLMStatus:
        """Wait for the inner model."""
        return await self._inner.wait_ready(timeout_s)

    async def warm(self, prefixes: Sequence[Sequence[Message]]) -> None:
        """Nothing: what is kept warm belongs to conversations."""

    async def complete_json(
        self,
        messages: Sequence[Message],
        schema: type[Reply],
        *,
        budget: TurnBudget,
        max_tokens: int = 256,
        name: str = "",
    ) -> Reply:
        """An object of `schema` from the inner model, asked while nobody talks."""
        for _ in range(_TRIES):
            await self._quiet()
            used = budget.used_calls
            budget.start()
            asked = self._inner.complete_json(messages, schema, budget=budget, max_tokens=max_tokens, name=name)
            task = asyncio.ensure_future(asked)
            try:
                while not task.done() and not self._busy():
                    await asyncio.wait({task}, timeout=_LOOK_S)
                if task.done():
                    return task.result()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            budget.used_calls = used
        raise LLMError("unavailable", f"conversations needed the language model {_TRIES} times while it wrote")

    async def stream(
        self, messages: Sequence[Message], *, budget: TurnBudget, max_tokens: int = 200, name: str = ""
    ) -> AsyncGenerator[str, None]:
        """Text pieces from the inner model, begun while nobody talks; broken off, with an error, when somebody does."""
        await self._quiet()
        pieces = self._inner.stream(messages, budget=budget.start(), max_tokens=max_tokens, name=name)
        try:
            async for piece in pieces:
                yield piece
                if self._busy():
                    raise LLMError("unavailable", "a conversation needed the language model")
        finally:
            await pieces.aclose()

    async def aclose(self) -> None:
        """Nothing: the owner of the inner model closes it."""

    async def _quiet(self) -> None:
        """Wait until nobody talks.

        Raises:
            LLMError: that didn't happen for long.
        """
        waited = 0.0
        while self._busy():
            if waited >= _PATIENCE_S:
                raise LLMError("unavailable", f"conversations needed the language model for {_PATIENCE_S:g} s")
            await asyncio.sleep(_LOOK_S)
            waited += _LOOK_S
