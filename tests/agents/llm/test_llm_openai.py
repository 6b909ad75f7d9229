"""The OpenAI endpoint against a real local server, faults included."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from pydantic import BaseModel, Field, SecretStr

from agents.llm.guard import ModelRequestsForbidden, allow_model_requests
from agents.llm.openai_endpoint import OpenAIChatModel
from agents.llm.protocol import BudgetExceeded, LLMError, TurnBudget
from agents.llm.settings import LLMSettings
from tests.contracts.chat_model import ASK, Answer, ChatModelContract, read_into


@pytest.fixture
async def model(server) -> AsyncIterator[OpenAIChatModel]:
    settings = LLMSettings(endpoint="openai", base_url=server.url, model="fake", api_key=SecretStr("s3cret"))
    made = OpenAIChatModel(settings)
    with allow_model_requests():
        yield made
        await made.aclose()


class TestContract(ChatModelContract):
    pass


async def ask(model: OpenAIChatModel, **budget) -> Answer:
    return await model.complete_json(ASK, Answer, budget=TurnBudget(**budget).start())


async def test_the_schema_travels_with_its_limits(model, server):
    class Reply(BaseModel):
        words: list[str] = Field(default_factory=list, max_length=3)
        word: str = Field(default="yes", max_length=9, description="people only")

    await model.complete_json(ASK, Reply, budget=TurnBudget())
    sent = server.requests[0]["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"]["additionalProperties"] is False
    assert sent["schema"]["required"] == ["words", "word"]
    assert sent["schema"]["properties"]["words"]["maxItems"] == 3
    assert sent["schema"]["properties"]["word"] == {"type": "string", "maxLength": 9}


async def test_the_key_is_sent_and_never_shown(model, server):
    await ask(model)
    sent = {key.lower(): value for key, value in server.headers[0].items()}
    assert sent["authorization"] == "Bearer s3cret"
    server.plan = ["401"]
    with pytest.raises(LLMError) as failure:
        await ask(model)
    assert failure.value.kind == "protocol"
    assert "SIDRA_LLM_API_KEY" in str(failure.value)
    assert "s3cret" not in str(failure.value) + repr(model._settings)


async def test_tokens_are_booked_and_cap_the_answer(model, server):
    budget = TurnBudget(tokens=50).start()
    await model.complete_json(ASK, Answer, budget=budget, max_tokens=500)
    assert server.requests[0]["max_tokens"] == 50
    assert budget.used_tokens == 42
    await model.complete_json(ASK, Answer, budget=budget, max_tokens=500)
    assert server.requests[1]["max_tokens"] == 8
    with pytest.raises(BudgetExceeded, match="tokens"):
        await model.complete_json(ASK, Answer, budget=budget)


@pytest.mark.parametrize("fault", ["429", "429-soon", "500"])
async def test_a_passing_fault_is_retried(model, server, fault):
    server.plan = [fault, "ok"]
    assert await ask(model) == Answer(word="yes")
    assert len(server.requests) == 2


async def test_lasting_faults_end_in_one_failure_with_a_bounded_number_of_requests(model, server):
    server.plan = ["500"]
    with pytest.raises(LLMError) as failure:
        await ask(model, calls=10)
    assert failure.value.kind == "unavailable"
    assert len(server.requests) == 3


async def test_retries_and_repairs_share_one_budget(model, server):
    server.plan = ["500", "bad-json", "500", "500", "500"]
    with pytest.raises(LLMError):
        await ask(model, calls=4)
    assert len(server.requests) == 4


async def test_a_client_error_is_not_retried(model, server):
    server.plan = ["401", "ok"]
    with pytest.raises(LLMError):
        await ask(model)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["bad-json", "wrong-schema"])
async def test_a_bad_answer_is_repaired_once(model, server, fault):
    server.plan = [fault, "ok"]
    assert await ask(model) == Answer(word="yes")
    repair = server.requests[1]["messages"]
    assert [m["role"] for m in repair] == ["user", "assistant", "user"]
    assert "JSON" in repair[-1]["content"]


@pytest.mark.parametrize("fault", ["bad-json", "wrong-schema"])
async def test_a_second_bad_answer_is_a_typed_failure(model, server, fault):
    server.plan = [fault]
    with pytest.raises(LLMError, match="Answer") as failure:
        await ask(model)
    assert failure.value.kind == "invalid_json"
    assert len(server.requests) == 2


@pytest.mark.parametrize(("fault", "kind"), [("refusal", "refused"), ("no-choice", "protocol")])
async def test_refusals_and_empty_answers_have_a_kind(model, server, fault, kind):
    server.plan = [fault]
    with pytest.raises(LLMError) as failure:
        await ask(model)
    assert failure.value.kind == kind


async def test_a_slow_server_meets_the_turns_clock(model, server):
    server.plan = ["slow"]
    began = time.monotonic()
    with pytest.raises(LLMError) as failure:
        await ask(model, seconds=0.3)
    assert failure.value.kind == "timeout"
    assert time.monotonic() - began < 1.5
    assert len(server.requests) == 1


async def test_a_pause_longer_than_the_turn_is_not_waited_for(model, server):
    server.plan = ["429"]
    began = time.monotonic()
    with pytest.raises(LLMError):
        await ask(model, seconds=0.2)
    assert time.monotonic() - began < 1.0


async def test_no_server_at_all_is_unavailable(model):
    gone = OpenAIChatModel(LLMSettings(endpoint="openai", base_url="http://127.0.0.1:9/v1", model="fake", retries=0))
    with pytest.raises(LLMError, match=r"127\.0\.0\.1:9") as failure:
        await ask(gone)
    assert failure.value.kind == "unavailable"
    await gone.aclose()


@pytest.mark.parametrize("fault", ["cut", "cut-clean", "garbage"])
async def test_a_broken_stream_keeps_its_text_and_fails_typed(model, server, fault):
    server.plan = [fault]
    pieces: list[str] = []
    with pytest.raises(LLMError) as failure:
        await read_into(pieces, model.stream(ASK, budget=TurnBudget().start()))
    assert failure.value.kind == "unavailable"
    assert "yes it does".startswith("".join(pieces))
    assert len(server.requests) == 1, "text that was shown must not be asked for again"


async def test_a_stream_that_could_not_begin_is_retried(model, server):
    server.plan = ["500", "ok"]
    assert "".join([p async for p in model.stream(ASK, budget=TurnBudget().start())]) == "yes it does"
    assert len(server.requests) == 2


async def test_leaving_a_stream_hangs_up_at_the_server(model, server):
    server.plan = ["endless"]
    stream = model.stream(ASK, budget=TurnBudget().start())
    await anext(stream)
    await stream.aclose()
    assert await asyncio.to_thread(server.hung_up.wait, 3.0)


async def test_a_cancelled_turn_hangs_up_too(model, server):
    server.plan = ["endless"]

    task = asyncio.create_task(read_into([], model.stream(ASK, budget=TurnBudget().start())))
    await asyncio.sleep(0.3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await asyncio.to_thread(server.hung_up.wait, 3.0)


async def test_an_endless_stream_meets_the_turns_clock(model, server):
    server.plan = ["endless"]
    with pytest.raises(LLMError) as failure:
        await read_into([], model.stream(ASK, budget=TurnBudget(seconds=0.4).start()))
    assert failure.value.kind == "timeout"


async def test_the_switch_keeps_requests_at_home(server):
    model = OpenAIChatModel(LLMSettings(endpoint="openai", base_url=server.url, model="fake"))
    with pytest.raises(ModelRequestsForbidden):
        await ask(model)
    with pytest.raises(ModelRequestsForbidden):
        await anext(model.stream(ASK, budget=TurnBudget()))
    assert server.requests == []
