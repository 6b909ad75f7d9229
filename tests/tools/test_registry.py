"""The registry: schemas that match the functions, and typed errors for everything that is wrong with a call."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict

from recsys_core.catalog.synth import synthetic
from recsys_core.errors import SidraError
from tests.agents.conftest import PlainRecommender
from tools import ToolAccess, ToolContext, ToolError, ToolRegistry, registry
from tools.items import Count, CountArguments, Hits, LinkArguments
from tools.recommend import RecommendArguments, RecommendResult
from tools.titles import TitleIndex


@pytest.fixture(scope="module")
def context() -> ToolContext:
    catalogue, log = synthetic(60, 10, seed=3)
    access = ToolAccess.to("test", {tool.name for tool in registry}, limit=10_000)
    feedback = {"i9": -1, "i10": 1}
    return ToolContext(PlainRecommender(catalogue, log), TitleIndex(catalogue.titles), "u1", feedback, access)


def test_every_tool_of_the_contract_is_there() -> None:
    assert {tool.name for tool in registry} == {
        "recommend",
        "search_items",
        "item_details",
        "similar_items",
        "user_history",
        "explain_item",
        "link_title",
        "catalogue_facts",
        "count_items",
        "intervene",
        "interests",
        "expected_wishes",
        "calm_text",
    }


@pytest.mark.parametrize("schema", registry.schemas(), ids=lambda s: s["function"]["name"])
def test_schemas_are_closed_and_described(schema: dict) -> None:
    assert schema["type"] == "function"
    assert schema["function"]["description"].endswith(".")
    assert schema["function"]["parameters"]["type"] == "object"
    assert schema["function"]["parameters"]["additionalProperties"] is False
    assert "user_id" not in schema["function"]["parameters"].get("properties", {})


@pytest.mark.parametrize(
    ("name", "args", "kind"),
    [
        ("drop_tables", {}, "unknown_tool"),
        ("__init__", {}, "unknown_tool"),
        ("recommend", {"k": 0}, "invalid_arguments"),
        ("recommend", {"k": "many"}, "invalid_arguments"),
        ("recommend", {"task": "steal"}, "invalid_arguments"),
        ("recommend", {"user_id": "somebody else"}, "invalid_arguments"),
        ("recommend", {"instruction": "x" * 2001}, "invalid_arguments"),
        ("recommend", {"filter": {"all_of": [{"field": "genre", "op": "like", "value": "%"}]}}, "invalid_arguments"),
        ("recommend", {"filter": {"$where": "1=1"}}, "invalid_arguments"),
        ("recommend", {"filter": {"all_of": [{"field": "nope", "op": "eq", "value": 1}]}}, "bad_filter"),
        (
            "recommend",
            {"filter": {"all_of": [{"field": "genre'; DROP TABLE x; --", "op": "eq", "value": "a"}]}},
            "bad_filter",
        ),
        ("recommend", {"filter": {"all_of": [{"field": "__class__", "op": "eq", "value": "a"}]}}, "bad_filter"),
        ("recommend", {"anchors": ["../../etc/passwd"]}, "unknown_item"),
        ("recommend", {"exclude": ["' OR 1=1 --"]}, "unknown_item"),
        ("item_details", {"item_id": "{{ 7*7 }}"}, "unknown_item"),
        ("item_details", {"item_id": "x" * 1000}, "invalid_arguments"),
        ("item_details", {}, "invalid_arguments"),
        ("similar_items", {"item_id": "nope"}, "unknown_item"),
        ("explain_item", {"item_id": "nope"}, "unknown_item"),
        ("search_items", {"text": ""}, "invalid_arguments"),
        ("search_items", {"text": "a", "k": 10**9}, "invalid_arguments"),
        ("link_title", {"text": "x" * 301}, "invalid_arguments"),
        ("user_history", {"limit": -1}, "invalid_arguments"),
        ("catalogue_facts", {"path": "/etc"}, "invalid_arguments"),
    ],
)
def test_wrong_calls_are_typed_errors(context: ToolContext, name: str, args: dict, kind: str) -> None:
    with pytest.raises(ToolError) as caught:
        registry.call(name, args, context)
    assert caught.value.kind == kind
    assert isinstance(caught.value, SidraError)


def test_recommend_honours_rule_exclusions_and_thumbs(context: ToolContext) -> None:
    rule = {"all_of": [{"field": "genre", "op": "contains", "value": "comedy"}]}
    answer = registry.call("recommend", {"filter": rule, "exclude": ["i3"], "k": 50}, context)
    assert isinstance(answer, RecommendResult)
    catalogue = context.recommender.catalogue
    got = [item.item_id for item in answer.items]
    assert got
    assert all("Comedy" in catalogue.get(i).attributes["genre"] for i in got)
    assert not {"i3", "i9", "i10"} & set(got)
    request = context.recommender.requests[-1]
    assert request.history[-1] == "i10"
    assert request.avoid == ["i9"]


def test_preferences_reorder_and_never_remove(context: ToolContext) -> None:
    plain = registry.invoke("recommend", RecommendArguments(k=50), RecommendResult, context)
    rule = {"all_of": [{"field": "country", "op": "contains", "value": "Japan"}]}
    preferred = registry.call("recommend", {"k": 50, "prefer": [rule]}, context)
    assert len(preferred.items) == len(plain.items)
    catalogue = context.recommender.catalogue
    japanese = ["Japan" in catalogue.get(i.item_id).attributes["country"] for i in preferred.items]
    assert japanese == sorted(japanese, reverse=True)
    assert [i.score for i in preferred.items] == sorted((i.score for i in preferred.items), reverse=True)


def test_an_empty_rule_is_an_empty_result(context: ToolContext) -> None:
    rule = {"all_of": [{"field": "year", "op": "range", "value": [3000, None]}]}
    answer = registry.call("recommend", {"filter": rule}, context)
    assert (answer.items, answer.allowed, answer.exhausted) == ([], 0, True)


def test_counting(context: ToolContext) -> None:
    everything = registry.invoke("count_items", CountArguments(), Count, context).count
    assert everything == 60
    assert registry.invoke("count_items", CountArguments(exclude=["i1", "i2"]), Count, context).count == 58


def test_items_history_facts_and_explanations(context: ToolContext) -> None:
    catalogue = context.recommender.catalogue
    assert registry.call("item_details", {"item_id": "i5"}, context) == catalogue.get("i5")
    assert registry.call("user_history", {"limit": 2}, context).item_ids == ["i1", "i2"]
    facts = registry.call("catalogue_facts", {}, context)
    assert (facts.item_noun, facts.items, {f.name for f in facts.fields}) == ("films", 60, set(catalogue.fields))
    explained = registry.call("explain_item", {"item_id": "i5", "request": {"anchors": ["i6"]}}, context)
    assert explained.item_id == "i5"
    assert "i5" not in [h.item_id for h in registry.call("similar_items", {"item_id": "i5", "k": 5}, context).hits]


def test_link_title_never_calls_a_guess_a_link(context: ToolContext) -> None:
    title = context.recommender.catalogue.titles[7]
    hits = registry.invoke("link_title", LinkArguments(text=title), Hits, context).hits
    assert (hits[0].title, hits[0].similarity) == (title, 1.0)
    hits = registry.invoke("link_title", LinkArguments(text="River of no return"), Hits, context).hits
    assert all(hit.similarity < 0.8 for hit in hits)


class Loose(BaseModel):
    a: int


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


def test_registration_is_strict() -> None:
    own = ToolRegistry()

    def loose(args: Loose, context: ToolContext) -> Closed: ...

    def untyped(args: Closed, context: ToolContext) -> int: ...

    def fine(args: Closed, context: ToolContext) -> Closed:
        """Do nothing."""
        return args

    with pytest.raises(TypeError, match="forbid"):
        own.tool(loose)
    with pytest.raises(TypeError, match="model"):
        own.tool(untyped)
    own.tool(fine)
    assert own.call("fine", {}, ToolContext(None, None, "u", access=ToolAccess.to("test", {"fine"}))) == Closed()
    with pytest.raises(TypeError, match="already"):
        own.tool(fine)


def test_the_long_tail_puts_little_used_items_first() -> None:
    catalogue, log = synthetic(60, 40, seed=5)
    access = ToolAccess.to("test", {"recommend"})
    context = ToolContext(PlainRecommender(catalogue, log), TitleIndex(catalogue.titles), "nobody", access=access)
    usual = registry.invoke("recommend", RecommendArguments(k=10), RecommendResult, context)
    rare = registry.invoke("recommend", RecommendArguments(k=10, task="long_tail"), RecommendResult, context)
    counts = dict.fromkeys(catalogue.ids, 0)
    for index in log.items:
        counts[catalogue.ids[index]] += 1
    assert sum(counts[i.item_id] for i in rare.items) < sum(counts[i.item_id] for i in usual.items)
