"""Replies kept on disk: asked once, found again in another process, never a failure or half an answer."""

from __future__ import annotations

from contextlib import suppress

import pytest
from pydantic import BaseModel, Field

from agents.llm.cached import CachedChatModel
from agents.llm.factory import make_chat_model
from agents.llm.none import NoChatModel
from agents.llm.protocol import LLMError, TurnBudget
from agents.llm.settings import LLMSettings
from recsys_core.errors import ConfigError


class Answer(BaseModel):
    n: int
    note: str = "none"


class Strict(BaseModel):
    n: int = Field(ge=100)
    note: str = "none"


class Counting(NoChatModel):
    """Answers with how often it was asked; fails on demand."""

    name = "counting"

    def __init__(self) -> None:
        self.calls = 0
        self.fails = False

    async def complete_json(self, messages, schema, *, budget, max_tokens=256, name=""):
        self._ask(budget)
        return schema.model_validate({"n": self.calls})

    async def stream(self, messages, *, budget, max_tokens=200, name=""):
        self._ask(budget)
        yield f"{self.calls}, "
        if self.fails:
            raise LLMError("timeout", "broke off")
        yield "done"

    def _ask(self, budget):
        budget.take_call()
        self.calls += 1


def messages(text):
    return [{"role": "user", "content": text}]


async def whole(model, text, budget=None):
    return "".join([piece async for piece in model.stream(messages(text), budget=budget or TurnBudget())])


async def test_only_what_is_new_is_asked_and_a_new_process_finds_it(tmp_path):
    inner = Counting()
    model = CachedChatModel(inner, tmp_path / "deep" / "replies.db")
    budget = TurnBudget(calls=2)
    first = await model.complete_json(messages("a"), Answer, budget=budget)
    assert await whole(model, "a") == "2, done"
    await model.aclose()
    again = CachedChatModel(inner, tmp_path / "deep" / "replies.db")
    kept = await again.complete_json(messages("a"), Answer, budget=budget)
    assert (kept, kept.model_fields_set) == (first, {"n"}), "what was left out stays left out"
    assert await whole(again, "a") == "2, done"
    assert (inner.calls, again.asked, again.kept) == (2, 0, 2)
    assert budget.used_calls == 2, "a kept reply takes a call too, so that a turn goes as it went"
    with pytest.raises(LLMError):
        await again.complete_json(messages("a"), Answer, budget=budget)


async def test_another_prompt_schema_length_name_or_draw_is_another_question(tmp_path):
    inner = Counting()
    model = CachedChatModel(inner, tmp_path / "replies.db")
    warmer = CachedChatModel(inner, tmp_path / "replies.db", draw="temperature 1")
    asked = [
        (model, messages("a"), Answer, {}),
        (model, messages("b"), Answer, {}),
        (model, messages("a"), Answer, {"max_tokens": 5}),
        (model, messages("a"), Answer, {"name": "second draw"}),
        (warmer, messages("a"), Answer, {}),
    ]
    for _ in range(2):
        found = [(await m.complete_json(t, s, budget=TurnBudget(), **more)).n for m, t, s, more in asked]
        assert found == [1, 2, 3, 4, 5]


async def test_failures_and_broken_answers_are_not_kept(tmp_path):
    inner = Counting()
    model = CachedChatModel(inner, tmp_path / "replies.db")
    inner.fails = True
    with suppress(LLMError):
        await whole(model, "a")
    inner.fails = False
    assert await whole(model, "a") == "2, done"
    pieces = model.stream(messages("left early"), budget=TurnBudget())
    await anext(pieces)
    await pieces.aclose()
    assert await whole(model, "left early") == "4, done"
    with pytest.raises(ValueError, match="100"):
        await model.complete_json(messages("a"), Strict, budget=TurnBudget())
    assert inner.calls == 5


def test_the_setting_wraps_the_model_and_a_bad_file_is_told(tmp_path):
    settings = LLMSettings(endpoint="openai", model="m", replies=tmp_path / "replies.db")
    assert isinstance(make_chat_model(settings), CachedChatModel)
    assert isinstance(make_chat_model(settings.model_copy(update={"endpoint": "none"})), NoChatModel)
    (tmp_path / "text.db").write_text("not a database, not at all\n" * 100)
    with pytest.raises(ConfigError, match=r"text\.db"):
        make_chat_model(settings.model_copy(update={"replies": tmp_path / "text.db"}))
