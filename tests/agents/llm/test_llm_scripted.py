"""Scripted answers, the endpoint without a model, and the factory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.llm.factory import make_chat_model
from agents.llm.none import NoChatModel
from agents.llm.protocol import LLMError, TurnBudget
from agents.llm.scripted import ScriptedChatModel
from agents.llm.settings import LLMSettings
from recsys_core.errors import ConfigError
from tests.contracts.chat_model import ASK, Answer, ChatModelContract, read_into

SCRIPT = """
- {call: json, match: contract, json: {word: "yes"}}
- {call: text, match: contract, text: "yes it does"}
- {match: once, times: 1, json: {word: first}}
- {match: once, json: {word: later}}
- {match: broken, text: '{"word": '}
- {match: down, error: unavailable}
- {match: breaks off, text: "half an", error: unavailable}
- {match: slow, delay: 30, text: late}
"""


@pytest.fixture
def model(tmp_path: Path) -> ScriptedChatModel:
    path = tmp_path / "script.yaml"
    path.write_text(SCRIPT, encoding="utf-8")
    return ScriptedChatModel.from_file(path)


class TestContract(ChatModelContract):
    pass


def said(text: str):
    return [{"role": "user", "content": text}]


async def test_entries_are_used_up(model):
    words = [(await model.complete_json(said("Once more"), Answer, budget=TurnBudget())).word for _ in range(3)]
    assert words == ["first", "later", "later"]


@pytest.mark.parametrize(("message", "kind"), [("broken", "invalid_json"), ("down", "unavailable"), ("?", "protocol")])
async def test_faults_can_be_played(model, message, kind):
    with pytest.raises(LLMError) as failure:
        await model.complete_json(said(message), Answer, budget=TurnBudget())
    assert failure.value.kind == kind


async def test_a_stream_can_break_off(model):
    pieces: list[str] = []
    with pytest.raises(LLMError):
        await read_into(pieces, model.stream(said("breaks off"), budget=TurnBudget()))
    assert "".join(pieces) == "half an"


async def test_a_delay_counts_against_the_turn(model):
    with pytest.raises(LLMError) as failure:
        await anext(model.stream(said("slow"), budget=TurnBudget(seconds=0.05).start()))
    assert failure.value.kind == "timeout"


def test_a_script_may_be_json(tmp_path):
    path = tmp_path / "script.json"
    path.write_text(json.dumps([{"text": "hi"}]), encoding="utf-8")
    assert make_chat_model(LLMSettings(endpoint="scripted", script=path)).name == "scripted"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("- {match: a}", "json, text or error"),
        ("- {match: '(', text: a}", "regular expression"),
        ("- {text: a, colour: red}", "colour"),
        ("- [", "no YAML"),
        ("text: a", "list"),
    ],
)
def test_a_script_that_is_not_understood_names_its_file(tmp_path, source, complaint):
    path = tmp_path / "script.yaml"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(ConfigError, match=complaint) as failure:
        ScriptedChatModel.from_file(path)
    assert str(path) in str(failure.value)


def test_a_missing_script_names_the_setting(tmp_path):
    with pytest.raises(ConfigError, match="SIDRA_LLM_SCRIPT"):
        make_chat_model(LLMSettings(endpoint="scripted"))
    with pytest.raises(ConfigError, match="SIDRA_LLM_SCRIPT"):
        make_chat_model(LLMSettings(endpoint="scripted", script=tmp_path / "none.yaml"))


def test_openai_needs_a_model_name():
    with pytest.raises(ConfigError, match="SIDRA_LLM_MODEL"):
        make_chat_model(LLMSettings(endpoint="openai"))


async def test_without_a_model_every_call_says_so():
    model = make_chat_model(LLMSettings(endpoint="none"))
    assert isinstance(model, NoChatModel)
    assert not model.available
    await model.start()
    for call in (model.complete_json(ASK, Answer, budget=TurnBudget()), anext(model.stream(ASK, budget=TurnBudget()))):
        with pytest.raises(LLMError, match="SIDRA_LLM=none") as failure:
            await call
        assert failure.value.kind == "unavailable"
