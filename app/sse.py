"""Events of a turn as chunks in OpenAI's streaming shape, with `slate`, `step` and `sidra` beside them."""

from __future__ import annotations

import json
from typing import Any

from agents.events import CalmEvent, EndEvent, ErrorEvent, Event, SlateEvent, StartEvent, StepEvent, TokenEvent
from app.failures import error_body

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": still here\n\n"


class ChunkWriter:
    """Writes the chunks of one turn.

    Args:
        chat_id: id that all chunks of the answer carry.
        created: unix seconds.
        user: who is talking, told back so that a guest learns the name they were given.
    """

    def __init__(self, chat_id: str, created: int, user: str) -> None:
        self.chat_id = chat_id
        self.created = created
        self.user = user

    def write(self, event: Event) -> bytes:
        """One event as one server-sent event."""
        if isinstance(event, ErrorEvent):
            return sse(error_body(event.code, event.message))
        return sse(self.chunk(event))

    def chunk(self, event: Event) -> dict[str, Any]:
        """One event as a chunk."""
        delta: dict[str, str] = {}
        finish: str | None = None
        extra: dict[str, Any] = {}
        if isinstance(event, StartEvent):
            delta = {"role": "assistant", "content": ""}
            extra["sidra"] = {"user": self.user, **event.model_dump(mode="json", exclude={"type"})}
        elif isinstance(event, StepEvent):
            extra["step"] = event.model_dump(mode="json", exclude={"type"})
        elif isinstance(event, SlateEvent):
            extra["slate"] = [card.model_dump(mode="json") for card in event.cards]
            extra["slate_final"] = event.final
            extra["slate_note"] = event.note
        elif isinstance(event, CalmEvent):
            extra["calm"] = [reading.model_dump(mode="json") for reading in event.readings]
        elif isinstance(event, TokenEvent):
            delta = {"content": event.text}
        elif isinstance(event, EndEvent):
            finish = "stop"
            extra["sidra"] = end_info(event, self.user)
        return {
            "id": self.chat_id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": "sidra",
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
            **extra,
        }

    def whole(self, event: EndEvent) -> dict[str, Any]:
        """The answer as one object."""
        message = {"role": "assistant", "content": event.text, "refusal": None}
        return {
            "id": self.chat_id,
            "object": "chat.completion",
            "created": self.created,
            "model": "sidra",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "slate": [card.model_dump(mode="json") for card in event.cards],
            "sidra": end_info(event, self.user),
        }


def end_info(event: EndEvent, user: str) -> dict[str, Any]:
    """What the end of a turn says beside text and cards."""
    return {"user": user, **event.model_dump(mode="json", exclude={"type", "text", "cards"})}


def sse(payload: dict[str, Any]) -> bytes:
    """One server-sent event. Text is escaped to ASCII, so no line end inside it can break the framing."""
    return b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n"
