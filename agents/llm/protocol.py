"""What an agent may ask of a language model, what a turn may spend on it, and how it fails.

Knows no endpoint: `factory.make_chat_model` picks one, and agents can't tell which.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypedDict, TypeVar

from pydantic import BaseModel

from recsys_core.errors import SidraError

LLMErrorKind = Literal["unavailable", "timeout", "invalid_json", "budget", "refused", "protocol"]
LLMState = Literal["off", "starting", "ready", "failed"]
Reply = TypeVar("Reply", bound=BaseModel)


class Message(TypedDict):
    """One chat message in the form every OpenAI-compatible server reads."""

    role: Literal["system", "user", "assistant"]
    content: str


class LLMError(SidraError):
    """A call to the language model that gave no usable answer; the turn goes on by rules.

    Args:
        kind: `unavailable` (not running, refused, broke off), `timeout`, `invalid_json` (not the schema asked for, also
            after one repair), `budget` (the turn has spent its calls, tokens or seconds), `refused` (a content filter),
            `protocol` (the request is wrong: key, model name, script).
        message: what happened and what to do.
    """

    def __init__(self, kind: LLMErrorKind, message: str) -> None:
        self.kind: LLMErrorKind = kind
        super().__init__(message)


class BudgetExceeded(LLMError):
    """The turn's budget of calls, tokens or seconds is spent."""

    def __init__(self, message: str) -> None:
        super().__init__("budget", message)


@dataclass(frozen=True)
class LLMStatus:
    """Where a model stands; `reason` is a sentence, empty when `ready`."""

    state: LLMState
    reason: str = ""


@dataclass
class TurnBudget:
    """What one turn may spend on language models, shared by all its calls, retries and repairs.

    Every request on the wire takes one call, so a retry inside a repair can't multiply. The clock runs from `start()`,
    or from the first call when nobody started it.
    """

    calls: int = 6
    """Requests that may go out."""
    tokens: int = 8000
    """Tokens, read and written together, that may be used."""
    seconds: float = 30.0
    """Wall-clock time from `start()`."""
    used_calls: int = field(default=0, init=False)
    used_tokens: int = field(default=0, init=False)
    _deadline: float | None = field(default=None, init=False, repr=False)

    def start(self) -> TurnBudget:
        """Start the clock (again); returns itself."""
        self._deadline = time.monotonic() + self.seconds
        return self

    @property
    def remaining_seconds(self) -> float:
        """Seconds left, never below 0."""
        return self.seconds if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @property
    def remaining_tokens(self) -> int:
        """Tokens left, never below 0."""
        return max(0, self.tokens - self.used_tokens)

    def take_call(self) -> None:
        """Pay for one request.

        Raises:
            BudgetExceeded: calls, tokens or seconds are spent.
        """
        if self._deadline is None:
            self.start()
        if self.used_calls >= self.calls:
            raise BudgetExceeded(f"this turn has made all its {self.calls} language-model calls")
        if self.remaining_tokens == 0:
            raise BudgetExceeded(f"this turn has used all its {self.tokens} tokens")
        if self.remaining_seconds <= 0:
            raise BudgetExceeded(f"this turn has used all its {self.seconds:g} seconds for the language model")
        self.used_calls += 1

    def spend_tokens(self, count: int) -> None:
        """Book tokens that a call has used; the call that goes over is let through, the next one isn't."""
        self.used_tokens += max(0, count)


class ChatModel(Protocol):
    """A language model as agents see it. Safe for concurrent use on one event loop."""

    @property
    def name(self) -> str:
        """What the answer and `/info` call this model."""
        ...

    @property
    def available(self) -> bool:
        """True when a call has a chance now."""
        ...

    @property
    def status(self) -> LLMStatus:
        """State and reason, for `/readyz` and `sidra doctor`."""
        ...

    async def start(self) -> None:
        """Begin to load; returns at once. Never raises: a failure shows in `status`."""
        ...

    async def wait_ready(self, timeout_s: float) -> LLMStatus:
        """Wait until loading has ended, one way or the other, at most `timeout_s` seconds."""
        ...

    async def warm(self, prefixes: Sequence[Sequence[Message]]) -> None:
        """Have the unchanging beginnings of prompts read ahead, where the endpoint keeps them; never an LLMError."""
        ...

    async def complete_json(
        self,
        messages: Sequence[Message],
        schema: type[Reply],
        *,
        budget: TurnBudget,
        max_tokens: int = 256,
        name: str = "",
    ) -> Reply:
        """One answer as an object of `schema`.

        Args:
            messages: the prompt, unchanging part first.
            schema: pydantic model; give its strings and lists maximum lengths.
            budget: the turn's budget.
            max_tokens: tokens the answer may have.
            name: the prompt's name, for logs and scripts.

        Raises:
            LLMError: no valid answer; see its `kind`.
        """
        ...

    def stream(
        self, messages: Sequence[Message], *, budget: TurnBudget, max_tokens: int = 200, name: str = ""
    ) -> AsyncGenerator[str, None]:
        """The answer piece by piece. Closing the iterator (`aclose`) stops the model at the other end.

        Raises:
            LLMError: while iterating; pieces that came before stay valid text.
        """
        ...

    async def aclose(self) -> None:
        """Give back connections and processes; safe to call twice."""
        ...
