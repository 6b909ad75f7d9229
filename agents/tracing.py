"""Spans for a collector, off unless somebody switches them on. They say what was done and how long it took, never for
whom or about what: attributes are numbers, and names from lists that this project makes.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from agents.llm.protocol import ChatModel, LLMError, LLMStatus, Message, Reply, TurnBudget
from recsys_core.generator.protocol import GenerateRequest, GenerateResult
from tools.access import ToolCall, observed
from tools.context import Recommends

NAMES = frozenset(
    ["node", "tool", "caller", "outcome", "prompt", "model", "release", "generator", "method", "route", "error"]
)
"""Attributes that hold a name: of a node, a tool, a prompt file, a model, a release, a route, a class of errors."""
NUMBERS = frozenset(
    ["requests", "items", "cards", "steps", "status", "calls", "tokens", "pieces", "messages", "allowed", "ms"]
)
"""Attributes that hold a number."""
MAX_CHARS = 80

_tracer: Any = None


def is_on() -> bool:
    """Whether spans are made."""
    return _tracer is not None


@contextmanager
def tracing(tracer: Any) -> Iterator[None]:
    """While this is open, spans go to an OpenTelemetry tracer; one at a time in a process."""
    global _tracer
    before, _tracer = _tracer, tracer
    try:
        with observed(_tool_span):
            yield
    finally:
        _tracer = before


class Span:
    """What a piece of work may note about itself; does nothing when spans are off."""

    def __init__(self, inner: Any = None) -> None:
        self._inner = inner

    def note(self, **attributes: str | int | float) -> None:
        """Add attributes.

        Raises:
            ValueError: an attribute that is on no list, or a text where a number belongs.
        """
        for name, value in checked(attributes).items():
            if self._inner is not None:
                self._inner.set_attribute(f"sidra.{name}", value)


@contextmanager
def span(name: str, **attributes: str | int | float) -> Iterator[Span]:
    """A span around a block. An exception leaves the name of its class, never its message.

    Args:
        name: what is done, of a fixed list in the code.
        attributes: as in `Span.note`.
    """
    if _tracer is None:
        yield Span()
        return
    given = {f"sidra.{key}": value for key, value in checked(attributes).items()}
    with _tracer.start_as_current_span(
        name, attributes=given, record_exception=False, set_status_on_exception=False
    ) as inner:
        started = time.perf_counter()
        try:
            yield Span(inner)
        except BaseException as error:
            inner.set_attribute("sidra.error", type(error).__name__)
            raise
        finally:
            inner.set_attribute("sidra.ms", round((time.perf_counter() - started) * 1000, 3))


def checked(attributes: dict[str, Any]) -> dict[str, str | int | float]:
    """The attributes, names shortened.

    Raises:
        ValueError: one is on no list, or holds a text where a number belongs.
    """
    found: dict[str, str | int | float] = {}
    for name, value in attributes.items():
        if name in NAMES and isinstance(value, str):
            found[name] = value[:MAX_CHARS]
        elif name in NUMBERS and isinstance(value, int | float):
            found[name] = value
        else:
            raise ValueError(f"span attribute {name!r} is on no list, or of the wrong kind; see agents/tracing.py")
    return found


def _tool_span(call: ToolCall) -> None:
    """A call that has ended, as a span that began when it did."""
    if _tracer is None:
        return
    ended = time.time_ns()
    kept = checked({"tool": call.tool, "caller": call.caller, "outcome": call.outcome, "ms": call.ms})
    attributes = {f"sidra.{name}": value for name, value in kept.items()}
    _tracer.start_span("tool", start_time=ended - int(call.ms * 1e6), attributes=attributes).end(ended)


class TracedModel:
    """A language model whose calls are spans.

    Args:
        inner: the model.
    """

    def __init__(self, inner: ChatModel) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        """As the model's own."""
        return self._inner.name

    @property
    def available(self) -> bool:
        """As the model's own."""
        return self._inner.available

    @property
    def status(self) -> LLMStatus:
        """As the model's own."""
        return self._inner.status

    async def start(self) -> None:
        """As the model's own."""
        await self._inner.start()

    async def wait_ready(self, timeout_s: float) -> LLMStatus:
        """As the model's own."""
        return await self._inner.wait_ready(timeout_s)

    async def warm(self, prefixes: Sequence[Sequence[Message]]) -> None:
        """As the model's own."""
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
        """As the model's own, in a span."""
        before = (budget.used_calls, budget.used_tokens)
        with span("llm", model=self._inner.name, prompt=name, messages=len(messages)) as made:
            try:
                return await self._inner.complete_json(
                    messages, schema, budget=budget, max_tokens=max_tokens, name=name
                )
            except LLMError as error:
                made.note(outcome=error.kind)
                raise
            finally:
                made.note(calls=budget.used_calls - before[0], tokens=budget.used_tokens - before[1])

    async def stream(
        self, messages: Sequence[Message], *, budget: TurnBudget, max_tokens: int = 200, name: str = ""
    ) -> AsyncGenerator[str, None]:
        """As the model's own; the span is made when the stream has ended, however it ended."""
        before = (budget.used_calls, budget.used_tokens)
        started, pieces, outcome = time.time_ns(), 0, "ok"
        upstream = self._inner.stream(messages, budget=budget, max_tokens=max_tokens, name=name)
        try:
            async for piece in upstream:
                pieces += 1
                yield piece
        except LLMError as error:
            outcome = error.kind
            raise
        finally:
            await upstream.aclose()
            spent = {"calls": budget.used_calls - before[0], "tokens": budget.used_tokens - before[1]}
            self._ended(started, checked({"prompt": name, "outcome": outcome, "pieces": pieces, **spent}))

    def _ended(self, started: int, attributes: dict[str, str | int | float]) -> None:
        # a generator may be closed in another context than it was opened in, so the span isn't made current
        if _tracer is not None:
            kept = {f"sidra.{k}": v for k, v in {**attributes, "model": self._inner.name[:MAX_CHARS]}.items()}
            kept["sidra.ms"] = round((time.time_ns() - started) / 1e6, 3)
            _tracer.start_span("llm", start_time=started, attributes=kept).end()

    async def aclose(self) -> None:
        """As the model's own."""
        await self._inner.aclose()


class TracedRecommender:
    """A recommender whose batches are spans; everything else is the recommender's own.

    Args:
        inner: the recommender.
    """

    def __init__(self, inner: Recommends) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def recommend(self, requests: Sequence[GenerateRequest], *args: Any, **more: Any) -> list[GenerateResult]:
        """As the recommender's own, in a span."""
        with span("generator", requests=len(requests)) as made:
            results = self._inner.recommend(requests, *args, **more)
            made.note(items=sum(len(result.items) for result in results))
            if results:
                made.note(release=results[0].release, generator=results[0].generator)
            return results


def traced_model(model: ChatModel) -> ChatModel:
    """The model, in spans when they are on."""
    return TracedModel(model) if is_on() else model


def traced_recommender(recommender: Recommends) -> Recommends:
    """The recommender, in spans when they are on."""
    return cast(Recommends, TracedRecommender(recommender)) if is_on() else recommender
