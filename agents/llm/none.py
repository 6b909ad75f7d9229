"""No language model: the conversation runs by rules."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import NoReturn

from agents.llm.protocol import LLMError, LLMStatus, Message, Reply, TurnBudget

_REASON = "no language model is configured (SIDRA_LLM=none); answers are made by rules"


class NoChatModel:
    """Always unavailable, and says so; never an error at start-up."""

    name = "none"
    available = False
    status = LLMStatus("off", _REASON)

    async def start(self) -> None:
        """Nothing to load."""

    async def wait_ready(self, timeout_s: float) -> LLMStatus:
        """Nothing to wait for."""
        return self.status

    async def warm(self, prefixes: Sequence[Sequence[Message]]) -> None:
        """Nothing to warm."""

    async def complete_json(
        self,
        messages: Sequence[Message],
        schema: type[Reply],
        *,
        budget: TurnBudget,
        max_tokens: int = 256,
        name: str = "",
    ) -> Reply:
        """Raises LLMError of kind `unavailable`."""
        return self._refuse()

    async def stream(
        self, messages: Sequence[Message], *, budget: TurnBudget, max_tokens: int = 200, name: str = ""
    ) -> AsyncGenerator[str, None]:
        """Raises LLMError of kind `unavailable` at the first piece."""
        yield self._refuse()

    async def aclose(self) -> None:
        """Nothing to give back."""

    @staticmethod
    def _refuse() -> NoReturn:
        raise LLMError("unavailable", _REASON)
