"""Any server that speaks the OpenAI chat protocol, through the `openai` client with its own retries switched off.

All requests of a call (first try, retries, repair) draw on the turn's one budget.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from agents.llm.guard import check_model_requests
from agents.llm.protocol import LLMError, LLMStatus, Message, Reply, TurnBudget
from agents.llm.schema import response_format
from agents.llm.settings import LLMSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 4.0


class OpenAIChatModel:
    """ChatModel over one OpenAI-compatible address.

    Args:
        settings: address, key, model name, retries.
        extra_body: fields added to every request that only some servers know.
    """

    def __init__(self, settings: LLMSettings, *, extra_body: Mapping[str, Any] | None = None) -> None:
        self._settings = settings
        self._model = settings.model or "default"
        self._extra_body = dict(extra_body or {})
        self._client: AsyncOpenAI | None = None

    @property
    def name(self) -> str:
        """The model name the server knows."""
        return self._model

    @property
    def available(self) -> bool:
        """Always worth a try: whether the server answers is only known by asking."""
        return True

    @property
    def status(self) -> LLMStatus:
        """`ready`; nothing is loaded here."""
        return LLMStatus("ready")

    async def start(self) -> None:
        """Nothing to load."""

    async def wait_ready(self, timeout_s: float) -> LLMStatus:
        """Nothing to wait for."""
        return self.status

    async def warm(self, prefixes: Sequence[Sequence[Message]]) -> None:
        """Left to the server: a remote one may bill the reading."""

    async def complete_json(
        self,
        messages: Sequence[Message],
        schema: type[Reply],
        *,
        budget: TurnBudget,
        max_tokens: int = 256,
        name: str = "",
    ) -> Reply:
        """An object of `schema`; one repair try when the first answer isn't one."""
        raw, problem = "", ""
        for attempt in range(2):
            conversation = [*messages, *_repair(raw, problem)] if attempt else list(messages)
            raw = await self._complete(conversation, schema, budget, max_tokens)
            try:
                return schema.model_validate_json(raw)
            except ValidationError as error:
                problem = "; ".join(
                    f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in error.errors()[:3]
                )
        raise LLMError(
            "invalid_json", f"{self.name} did not answer with a valid {schema.__name__} in two tries: {problem}"
        )

    async def _complete(self, messages: list[Message], schema: type[Reply], budget: TurnBudget, max_tokens: int) -> str:
        async def ask() -> Any:
            create: Any = self._open().chat.completions.create  # its overloads can't type a prepared request
            return await create(
                **self._request(messages, budget, max_tokens),
                response_format=response_format(schema, strict=self._settings.strict_schema),
            )

        completion = await self._with_retries(ask, budget)
        if completion.usage is not None:
            budget.spend_tokens(completion.usage.total_tokens)
        if not completion.choices:
            raise LLMError("protocol", f"{self.name} answered without a choice")
        choice = completion.choices[0]
        if choice.finish_reason == "content_filter" or getattr(choice.message, "refusal", None):
            raise LLMError("refused", f"{self.name} refused to answer")
        return choice.message.content or ""

    async def stream(
        self, messages: Sequence[Message], *, budget: TurnBudget, max_tokens: int = 200, name: str = ""
    ) -> AsyncGenerator[str, None]:
        """Text pieces; retries only before the first one, so that no text comes twice."""

        async def ask() -> Any:
            create: Any = self._open().chat.completions.create
            request = self._request(messages, budget, max_tokens)
            return await create(**request, stream=True, stream_options={"include_usage": True})

        upstream = await self._with_retries(ask, budget)
        chunks = aiter(upstream)
        usage, pieces, finished = None, 0, False
        try:
            while True:
                chunk = await self._translated(anext(chunks, None), budget)
                if chunk is None:
                    break
                usage = chunk.usage or usage
                if not chunk.choices:
                    continue
                choice = chunk.choices[0]
                finished = finished or choice.finish_reason is not None
                if choice.finish_reason == "content_filter":
                    raise LLMError("refused", f"{self.name} stopped at its content filter")
                if choice.delta.content:
                    pieces += 1
                    yield choice.delta.content
        finally:
            budget.spend_tokens(usage.total_tokens if usage is not None else pieces)
            with suppress(Exception):  # the connection is given up either way
                await upstream.close()
        if not finished:
            raise LLMError("unavailable", f"{self.name} closed the connection in the middle of its answer")

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _request(self, messages: Sequence[Message], budget: TurnBudget, max_tokens: int) -> dict[str, Any]:
        return {
            "model": self._model,
            "messages": list(messages),
            "max_tokens": max(1, min(max_tokens, budget.remaining_tokens)),
            "temperature": self._settings.temperature,
            "extra_body": self._extra_body,
        }

    def _open(self) -> AsyncOpenAI:
        check_model_requests(self._settings.endpoint)
        if self._client is None:
            from openai import AsyncOpenAI

            # at DEBUG it writes whole requests into the log, and they hold what users said
            logging.getLogger("openai").setLevel(logging.INFO)
            key = self._settings.api_key
            self._client = AsyncOpenAI(
                base_url=self._settings.base_url,
                api_key=key.get_secret_value() if key is not None else "none",
                max_retries=0,  # retries are counted here, against the turn's budget
                timeout=None,  # likewise the clock
            )
        return self._client

    async def _with_retries(self, ask: Callable[[], Awaitable[T]], budget: TurnBudget) -> T:
        for attempt in range(self._settings.retries + 1):
            budget.take_call()
            try:
                return await self._translated(ask(), budget)
            except _Retryable as failure:
                pause = failure.pause_s
                if pause is None:
                    pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt) * random.uniform(0.75, 1.25)
                out_of_calls = budget.used_calls >= budget.calls
                if attempt == self._settings.retries or out_of_calls or pause >= budget.remaining_seconds:
                    raise LLMError("unavailable", str(failure)) from failure
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _translated(self, awaitable: Awaitable[T], budget: TurnBudget) -> T:
        """Await within the turn's time; the client's errors become ours."""
        import openai

        try:
            async with asyncio.timeout(budget.remaining_seconds):
                return await awaitable
        except (TimeoutError, openai.APITimeoutError) as error:
            raise LLMError("timeout", f"{self.name} did not answer within the turn's {budget.seconds:g} s") from error
        except openai.APIStatusError as error:
            if error.status_code == 429 or error.status_code >= 500:
                raise _Retryable(f"{self.name} answered with HTTP {error.status_code}", _retry_after(error)) from error
            hint = {
                401: "check SIDRA_LLM_API_KEY",
                403: "check SIDRA_LLM_API_KEY",
                404: "check SIDRA_LLM_BASE_URL and SIDRA_LLM_MODEL",
            }
            advice = hint.get(error.status_code, "the server does not accept this request")
            raise LLMError("protocol", f"{self.name} answered with HTTP {error.status_code}; {advice}") from error
        except openai.APIConnectionError as error:
            where = self._settings.base_url or "the OpenAI service"
            raise _Retryable(f"no connection to the language model at {where}") from error
        except (openai.OpenAIError, ValueError) as error:  # ValueError: a stream event that is no JSON
            raise LLMError("unavailable", f"{self.name}: {type(error).__name__}") from error


class _Retryable(LLMError):
    """Worth another try; surfaces as plain `unavailable` when a stream has begun."""

    def __init__(self, message: str, pause_s: float | None = None) -> None:
        self.pause_s = pause_s
        super().__init__("unavailable", message)


def _retry_after(error: Any) -> float | None:
    """Seconds the server asks to wait, when it says so as a number."""
    value = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        return None


def _repair(raw: str, problem: str) -> list[Message]:
    return [
        {"role": "assistant", "content": raw[:2000]},
        {
            "role": "user",
            "content": f"That was not valid: {problem}. Answer again with only the corrected JSON object.",
        },
    ]
