"""The conversation in OpenAI's shape, streamed or whole."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from agents.events import EndEvent, ErrorEvent, Event, SlateEvent, TokenEvent
from app.access import AccessDep
from app.failures import ApiError, NotReady
from app.routes.common import ERRORS, RuntimeDep
from app.runtime import Runtime
from app.schemas import ChatBody
from app.sse import DONE, KEEP_ALIVE, ChunkWriter
from app.streaming import Pump, until_gone

router = APIRouter(prefix="/v1", tags=["chat"], responses=ERRORS)
# Often, because a reader that only notices being stopped when something arrives should notice soon.
_KEEP_ALIVE_S = 1.0


@router.post("/chat/completions", response_model=None)
async def chat(
    body: ChatBody, request: Request, runtime: RuntimeDep, access: AccessDep
) -> StreamingResponse | dict[str, Any]:
    """One turn of a conversation. Closing the connection cancels it."""
    user = access.user(body.user) if body.user is not None else access.guest()
    message = _message(body, runtime)
    if body.filter is not None:
        # Before the stream begins, so that a wrong field is a 422 and not a broken stream.
        await runtime.run(body.filter.mask, (await runtime.snapshot()).catalogue)
    if runtime.turns.locked():
        raise NotReady(
            "too many conversations are running (setting SIDRA_MAX_TURNS); try again shortly", "overloaded", 2
        )
    writer = ChunkWriter(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), user)
    events = _turn(body, message, user, runtime)
    if not body.stream:
        return await _whole(events, writer, request)
    pump = Pump(events)
    # The first event decides the status: what is wrong with the request itself shows before it.
    first = await pump.get()
    return StreamingResponse(
        _chunks(first, pump, writer),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def _message(body: ChatBody, runtime: Runtime) -> str:
    if body.model != "sidra":
        raise ApiError(404, "model_not_found", f"no model {body.model[:40]!r}; the only one is 'sidra'", "model")
    last = body.messages[-1]
    if last.role != "user":
        raise ApiError(422, "invalid_request", "messages: the last message must be the user's", "messages")
    text = last.plain()
    limit = runtime.settings.message_chars
    if len(text) > limit:
        raise ApiError(
            422, "message_too_long", f"the message has {len(text)} characters; at most {limit} are read", "messages"
        )
    if not text.strip():
        raise ApiError(422, "empty_message", "the message is empty; say what you are looking for", "messages")
    return text


async def _turn(body: ChatBody, message: str, user: str, runtime: Runtime) -> AsyncGenerator[Event, None]:
    earlier = [{"role": m.role, "content": m.plain()} for m in body.messages[:-1] if m.role in {"user", "assistant"}]
    begun = time.perf_counter()
    cards = words = talking = False
    outcome = "cancelled"
    try:
        async with runtime.turns:
            runtime.talking += 1
            talking = True
            turn = runtime.conversations.turn(
                message=message,
                user_id=user,
                thread_id=body.thread_id,
                filter=body.filter,
                k=body.k,
                earlier=[] if body.thread_id else earlier,
                reading=body.reading,
            )
            async with aclosing(cast("AsyncGenerator[Event, None]", turn)) as events:
                async for event in events:
                    if isinstance(event, SlateEvent) and not cards:
                        cards = True
                        runtime.metrics.first_cards(time.perf_counter() - begun)
                        runtime.steward.served(user)
                    elif isinstance(event, TokenEvent) and not words:
                        words = True
                        runtime.metrics.first_words(time.perf_counter() - begun)
                    elif isinstance(event, EndEvent):
                        outcome = "degraded" if event.degraded else "ok"
                    elif isinstance(event, ErrorEvent):
                        outcome = "error"
                    yield event
    except Exception:
        outcome = "error"
        raise
    finally:
        runtime.talking -= talking
        runtime.metrics.turn(outcome)


async def _chunks(first: Event, pump: Pump[Event], writer: ChunkWriter) -> AsyncIterator[bytes]:
    async with aclosing(pump.beats(_KEEP_ALIVE_S)) as beats:
        yield writer.write(first)
        async for event in beats:
            yield KEEP_ALIVE if event is None else writer.write(event)
    yield DONE


async def _whole(events: AsyncGenerator[Event, None], writer: ChunkWriter, request: Request) -> dict[str, Any]:
    async def collect() -> dict[str, Any]:
        async for event in events:
            if isinstance(event, ErrorEvent):
                raise ApiError(500, event.code, event.message)
            if isinstance(event, EndEvent):
                return writer.whole(event)
        raise ApiError(500, "turn_unfinished", "the turn ended without an answer; see the server's log")

    return await until_gone(collect(), request)
