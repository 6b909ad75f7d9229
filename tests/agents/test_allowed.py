"""Nodes call the tools of their list; the writer has none, however it is made to try."""

from __future__ import annotations

from pathlib import Path

import pytest

import agents.graph as graph
from agents.allowed import ALLOWED, access_of, at_work
from agents.conversation import ConversationConfig, ConversationService
from agents.events import EndEvent, ErrorEvent
from agents.graph import NODES
from agents.llm.none import NoChatModel
from agents.nodes.step import step
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue
from tools import ToolError, ToolMeter, registry


def test_every_node_has_a_list_of_tools_that_exist() -> None:
    assert set(NODES) <= set(ALLOWED)
    assert set().union(*ALLOWED.values()) <= {tool.name for tool in registry}
    assert not ALLOWED["respond"]
    assert not ALLOWED["guard"]


def test_outside_a_node_nothing_is_allowed() -> None:
    meter = ToolMeter()
    assert access_of(meter).allowed == frozenset()
    with at_work("recommend"):
        assert access_of(meter).allowed == ALLOWED["recommend"]
        with at_work("somebody new"):
            assert access_of(meter).allowed == frozenset()
    assert access_of(meter).caller == "nobody"


@pytest.mark.parametrize("tool", ["recommend", "item_details", "user_history", "intervene"])
async def test_a_writer_that_calls_a_tool_is_refused(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = []

    @step("respond")
    async def talked_into_it(state, context):
        try:
            registry.call(tool, {}, context.tools(state["user_id"]))
        except ToolError as error:
            kinds.append(error.kind)
        return {}, ""

    monkeypatch.setattr(graph, "respond", talked_into_it)
    async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path) as service:
        await Talk(service).say("a comedy")
    assert kinds == ["not_allowed"]


async def test_a_turn_without_calls_left_ends_in_a_sentence(tmp_path: Path) -> None:
    config = ConversationConfig(tool_calls=0)
    async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path, config) as service:
        end = await Talk(service).say("a comedy")
        assert isinstance(end, ErrorEvent)
        assert end.code == "too_many_calls"


async def test_reasons_stop_before_the_calls_do(tmp_path: Path) -> None:
    config = ConversationConfig(tool_calls=4, evidence_ms=60_000)
    async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path, config) as service:
        end = await Talk(service, k=10).say("a comedy")
        assert isinstance(end, EndEvent)
        assert all(card.reason for card in end.cards)


async def test_messages_read_again_have_calls_of_their_own(tmp_path: Path) -> None:
    config = ConversationConfig(tool_calls=6)
    earlier = [{"role": "user", "content": text} for text in ("a comedy", "newer", "no romance", "a thriller")]
    async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path, config) as service:
        end = await Talk(service, k=10).say("from the 90s", earlier=earlier)
        assert isinstance(end, EndEvent)
