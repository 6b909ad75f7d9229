"""Any text, or a list of them, in calmer words; whole or streamed as they are done."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, model_validator

from agents.calm.types import CalmRequest, CalmResult, Mode, Source
from agents.llm.none import NoChatModel
from agents.llm.protocol import ChatModel, TurnBudget
from agents.reading.meter import MEANING
from app.access import AccessDep
from app.failures import ApiError, NotReady
from app.routes.common import ERRORS, RuntimeDep
from app.runtime import Runtime
from app.schemas import Name, Strict
from app.sse import DONE, KEEP_ALIVE, sse
from app.streaming import Pump, until_gone

router = APIRouter(prefix="/v1", tags=["calm"], responses=ERRORS)
MOST_TEXTS = 50
MOST_CHARS = 200_000
"""Characters of all texts of one request together."""
MOST_SECONDS = 40.0
"""What a language model may take for one request; what is left then is done by rules, and marked."""
_KEEP_ALIVE_S = 1.0


class CalmBody(Strict):
    """`POST /v1/calm`."""

    text: str | None = None
    """One text."""
    texts: Annotated[list[str] | None, Field(min_length=1, max_length=MOST_TEXTS)] = None
    """Or several; an empty one comes back as it is."""
    mode: Mode = "balanced"
    """`balanced` for calmer wording, `cool` for that and a sentence of background, `raw` to measure only."""
    related: Annotated[list[str], Field(max_length=20)] = Field(default_factory=list)
    """Texts that COOL may draw its background sentence from; without any there is none."""
    rewriter: Literal["auto", "rules"] = "auto"
    """`auto` asks the language model where there is one; `rules` never does."""
    stream: bool = False
    """Server-sent events, a text at a time, instead of one object."""
    user: Name | None = None
    """For whom; counts towards that user's limit of requests, and nothing is kept of it."""

    @model_validator(mode="after")
    def _one_of_both(self) -> CalmBody:
        if (self.text is None) == (self.texts is None):
            raise ValueError("give either text or texts")
        return self

    @property
    def all(self) -> list[str]:
        """The texts."""
        return [self.text] if self.text is not None else list(self.texts or [])


class CalmAnswer(BaseModel):
    """Answer of `POST /v1/calm`."""

    mode: Mode
    """What was asked for."""
    results: list[CalmResult]
    """One a text, in order."""
    rewriter: str
    """The language model that was asked; `rules` when none was."""
    degraded: bool
    """True when a language model should have been asked and could not be."""
    degraded_reason: str
    """Why, one sentence."""
    meaning: str = MEANING
    """What a stimulus stands for, in words."""


@router.post("/calm", response_model=CalmAnswer)
async def calm_texts(
    body: CalmBody, request: Request, runtime: RuntimeDep, access: AccessDep
) -> CalmAnswer | StreamingResponse:
    """Texts in calmer words: names, numbers and negations stay, and the original comes along."""
    if body.user is not None:
        access.user(body.user)
    given = sum(len(text) for text in (*body.all, *body.related))
    if given > MOST_CHARS:
        message = f"the texts have {given:,} characters together; at most {MOST_CHARS:,} are read at a time"
        raise ApiError(422, "text_too_long", message, "text" if body.text is not None else "texts")
    if not runtime.ready:
        raise NotReady(runtime.sentence())
    if runtime.calming.locked():
        raise NotReady("too many texts are being calmed; try again shortly", "overloaded", 2)
    model, reason = _model(body, runtime)
    results = _results(body, model, runtime)
    if not body.stream:
        return await until_gone(_whole(results, body, model, reason), request)
    pump = Pump(results)
    return StreamingResponse(
        _chunks(pump, body, model, reason),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def _model(body: CalmBody, runtime: Runtime) -> tuple[ChatModel | None, str]:
    """The language model to ask, and why none is where one should be."""
    llm = runtime.llm or NoChatModel()
    if body.rewriter == "rules" or body.mode == "raw" or llm.status.state == "off":
        return None, ""
    if not llm.available:
        return None, f"{llm.status.reason or f'the language model is {llm.status.state}'}; rules reworded"
    return llm, ""


async def _results(body: CalmBody, llm: ChatModel | None, runtime: Runtime) -> AsyncGenerator[CalmResult, None]:
    sources = tuple(Source(item_id=f"related-{n}", text=text) for n, text in enumerate(body.related, 1))
    requests = [CalmRequest(text=text, sources=sources) for text in body.all]
    budget = TurnBudget(calls=10 * len(requests), tokens=40_000, seconds=MOST_SECONDS)
    rewriter = runtime.conversations.readings.rewriter
    async with runtime.calming, aclosing(rewriter.calm(requests, body.mode, llm, budget)) as results:
        async for result in results:
            yield result


async def _whole(
    results: AsyncGenerator[CalmResult, None], body: CalmBody, llm: ChatModel | None, reason: str
) -> CalmAnswer:
    async with aclosing(results):
        found = [result async for result in results]
    return CalmAnswer(results=found, **_about(body, llm, reason))


async def _chunks(pump: Pump[CalmResult], body: CalmBody, llm: ChatModel | None, reason: str) -> AsyncIterator[bytes]:
    place = 0
    async with aclosing(pump.beats(_KEEP_ALIVE_S)) as beats:
        async for result in beats:
            if result is None:
                yield KEEP_ALIVE
                continue
            yield sse({"type": "result", "index": place, "result": result.model_dump(mode="json")})
            place += 1
    yield sse({"type": "end", **_about(body, llm, reason)})
    yield DONE


def _about(body: CalmBody, llm: ChatModel | None, reason: str) -> dict[str, Any]:
    return {
        "mode": body.mode,
        "rewriter": "rules" if llm is None else llm.name,
        "degraded": bool(reason),
        "degraded_reason": reason,
    }
