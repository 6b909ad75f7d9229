"""Work that nobody waits for gives way to conversations."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel

from agents.llm import background
from agents.llm.background import BackgroundChatModel
from agents.llm.none import NoChatModel
from agents.llm.protocol import LLMError, TurnBudget


class Answer(BaseModel):
    n: int


class Slow(NoChatModel):
    """Answers after some time with how often it was asked, and counts what was broken off."""

    def __init__(self, seconds=0.15):
        self.seconds, self.asked, self.broken = seconds, 0, 0

    async def complete_json(self, messages, schema, *, budget, max_tokens=256, name=""):
        budget.take_call()
        self.asked += 1
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.broken += 1
            raise
        return schema(n=self.asked)

    async def stream(self, messages, *, budget, max_tokens=200, name=""):
        for _ in range(100):
            await asyncio.sleep(0.01)
            yield "very "


async def test_a_turn_breaks_it_off_and_it_is_asked_again_within_its_budget():
    talking, inner = [], Slow()
    model = BackgroundChatModel(inner, lambda: bool(talking))
    budget = TurnBudget(calls=1, seconds=0.3)
    asking = asyncio.create_task(model.complete_json([], Answer, budget=budget))
    await asyncio.sleep(0.05)
    talking.append(1)
    await asyncio.sleep(0.5)
    assert (inner.asked, inner.broken) == (1, 1), "it stopped, and didn't begin while somebody talked"
    assert not asking.done()
    talking.clear()
    assert (await asking).n == 2
    assert budget.used_calls == 1


async def test_it_gives_up_when_it_never_gets_a_chance(monkeypatch):
    monkeypatch.setattr(background, "_PATIENCE_S", 0.1)
    with pytest.raises(LLMError, match="conversations needed"):
        await BackgroundChatModel(Slow(), lambda: True).complete_json([], Answer, budget=TurnBudget())


async def test_who_asks_and_leaves_stops_the_model():
    inner = Slow(5)
    asking = asyncio.create_task(
        BackgroundChatModel(inner, lambda: False).complete_json([], Answer, budget=TurnBudget())
    )
    await asyncio.sleep(0.1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert inner.broken == 1


async def test_a_stream_ends_with_an_error_when_somebody_talks():
    talking = []
    model = BackgroundChatModel(Slow(), lambda: bool(talking))
    said = []

    async def listen():
        async for piece in model.stream([], budget=TurnBudget()):
            said.append(piece)
            talking.append(1)

    with pytest.raises(LLMError, match="a conversation"):
        await listen()
    assert said == ["very "]
