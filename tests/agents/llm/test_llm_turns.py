"""Whole turns against a language model on the wire that is slow, down, cut, endless or talks nonsense."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from agents.conversation import ConversationConfig, ConversationService
from agents.events import EndEvent, TokenEvent
from agents.llm.guard import allow_model_requests
from agents.llm.openai_endpoint import OpenAIChatModel
from agents.llm.settings import LLMSettings
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue

SECONDS = 1.0
CALLS = 4


@pytest.fixture
async def talk(server, tmp_path: Path) -> AsyncIterator[Talk]:
    pytest.importorskip("openai")  # its first import takes longer than a turn of these tests may
    settings = LLMSettings(endpoint="openai", base_url=server.url, model="fake", api_key=SecretStr("s3cret"))
    llm = OpenAIChatModel(settings)
    config = ConversationConfig(llm_seconds=SECONDS, refine_seconds=0.5, first_words_seconds=0.6, llm_calls=CALLS)
    with allow_model_requests():
        async with ConversationService(PlainRecommender(film_catalogue()), llm, tmp_path, config) as service:
            yield Talk(service)
        await llm.aclose()


@pytest.mark.parametrize(
    "mode",
    [
        "slow", "500", "429", "401", "cut", "cut-clean", "endless", "bad-json", "wrong-schema", "garbage", "refusal",
        "no-choice",
    ],
)  # fmt: skip
async def test_every_fault_ends_in_time_with_items_and_says_so(talk: Talk, server, mode: str) -> None:
    server.plan, server.pause_s = [mode], 3.0
    begun = time.monotonic()
    end = await talk.say("a comedy with flumps")
    taken = time.monotonic() - begun
    assert isinstance(end, EndEvent)
    assert end.cards
    assert all("Comedy" in card.facts["genre"] for card in end.cards)
    assert end.degraded, "the model's reading failed or its words could not be checked"
    assert end.degraded_reason
    assert "comes first" in end.text
    assert "".join(e.text for e in talk.events if isinstance(e, TokenEvent)) == end.text
    assert taken < SECONDS + 4, f"the turn took {taken:.1f} s"
    assert 1 <= len(server.requests) <= CALLS, "retries and repairs draw on the turn's one budget"
    again = await talk.say("from the 90s")
    assert isinstance(again, EndEvent)


async def test_retries_and_repairs_never_exceed_the_turns_calls(talk: Talk, server) -> None:
    server.plan = ["429-soon", "bad-json", "429-soon", "500", "500", "500", "500", "500", "500"]
    await talk.say("a comedy with flumps")
    assert len(server.requests) <= CALLS
    before = len(server.requests)
    await talk.say("a thriller with grumbles")
    assert len(server.requests) - before <= CALLS, "each turn has its own budget, no more"


async def test_a_dead_address_is_a_degraded_turn(talk: Talk) -> None:
    talk.service.llm._settings = talk.service.llm._settings.model_copy(update={"base_url": "http://127.0.0.1:9/v1"})
    end = await talk.say("a comedy with flumps")
    assert end.cards
    assert end.degraded


async def test_stopping_the_turn_hangs_up_on_the_model(talk: Talk, server) -> None:
    server.plan = ["endless"]
    talk.service.config.llm_seconds = 30.0
    talk.service.config.first_words_seconds = 30.0
    turn = talk.service.turn(message="a comedy", user_id="ann", k=5)
    async for event in turn:
        if isinstance(event, TokenEvent):
            break  # the opening sentence is by rules; the model is asked next
    for _ in range(200):
        if server.requests:
            break
        await asyncio.sleep(0.05)
    assert not server.hung_up.is_set()
    await turn.aclose()
    assert await asyncio.to_thread(server.hung_up.wait, 5), "the server never saw the connection close"


async def test_two_messages_at_once_are_answered_one_after_the_other(talk: Talk, server) -> None:
    first = await talk.say("a comedy")
    other = Talk(talk.service)
    other.thread_id = talk.thread_id
    ends = await asyncio.gather(talk.say("from the 90s"), other.say("no romance"))
    assert all(isinstance(end, EndEvent) for end in (first, *ends))
    history = await talk.service.history(talk.thread_id, "ann")
    assert [m.role for m in history.messages] == ["user", "assistant"] * 3
