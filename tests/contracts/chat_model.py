"""What every ChatModel must keep; a test class inherits it and gives the fixture `model`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import BaseModel

from agents.llm.protocol import BudgetExceeded, ChatModel, LLMError, TurnBudget

ASK = [{"role": "user", "content": "contract"}]


class Answer(BaseModel):
    word: str


async def read_into(pieces: list[str], stream: AsyncIterator[str]) -> None:
    """Read a stream to its end or failure; what came before the failure stays in `pieces`."""
    async for piece in stream:
        pieces.append(piece)


class ChatModelContract:
    """The model under test answers the message `contract` with {"word": "yes"} and the text "yes it does"."""

    async def test_an_answer_is_an_object_of_the_schema(self, model: ChatModel):
        budget = TurnBudget().start()
        assert await model.complete_json(ASK, Answer, budget=budget, name="json") == Answer(word="yes")
        assert budget.used_calls == 1

    async def test_a_stream_joins_to_the_text(self, model: ChatModel):
        budget = TurnBudget().start()
        pieces = [piece async for piece in model.stream(ASK, budget=budget, name="text")]
        assert "".join(pieces) == "yes it does"
        assert len(pieces) > 1
        assert budget.used_calls == 1

    async def test_a_spent_budget_stops_the_call_before_it_goes_out(self, model: ChatModel):
        budget = TurnBudget(calls=1).start()
        await model.complete_json(ASK, Answer, budget=budget, name="json")
        with pytest.raises(BudgetExceeded):
            await model.complete_json(ASK, Answer, budget=budget, name="json")
        with pytest.raises(BudgetExceeded):
            await anext(model.stream(ASK, budget=budget, name="text"))
        assert budget.used_calls == 1

    async def test_no_time_left_is_a_typed_failure(self, model: ChatModel):
        budget = TurnBudget(seconds=0.0).start()
        with pytest.raises(LLMError) as failure:
            await model.complete_json(ASK, Answer, budget=budget, name="json")
        assert failure.value.kind in {"budget", "timeout"}

    async def test_a_stream_can_be_left_early(self, model: ChatModel):
        stream = model.stream(ASK, budget=TurnBudget().start(), name="text")
        assert await anext(stream)
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    async def test_it_says_where_it_stands(self, model: ChatModel):
        assert model.name
        assert model.available is (model.status.state == "ready")
        await model.start()
        assert (await model.wait_ready(5.0)).state == "ready"
        await model.warm([])

    async def test_closing_twice_is_fine(self, model: ChatModel):
        await model.aclose()
        await model.aclose()
