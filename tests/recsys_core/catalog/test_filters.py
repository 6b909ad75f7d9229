"""Rules over fields, against a plain evaluation of every item and against Chroma itself."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.chroma_where import metadata_of
from recsys_core.catalog.filters import MAX_CONDITIONS, Condition, ItemFilter
from recsys_core.catalog.synth import COUNTRIES, GENRES, MAKERS, synthetic
from recsys_core.errors import FilterError


@cache
def catalogue() -> Catalogue:
    made, _ = synthetic(80, 0, seed=3)
    frame = made.frame.with_columns(
        # Two spellings of one value, an item without tags, and fractions.
        pl.when(pl.int_range(pl.len()) % 7 == 0)
        .then(pl.lit(["DRAMA", "comedy"]))
        .when(pl.int_range(pl.len()) % 11 == 0)
        .then(pl.lit([], dtype=pl.List(pl.String)))
        .otherwise(pl.col("attr:genre"))
        .alias("attr:genre"),
        (pl.col("attr:runtime") / 4).alias("attr:runtime"),
    )
    return Catalogue(frame)


def satisfies(item: dict, rule: dict) -> bool:
    """The meaning of a rule, item by item, in plain Python."""
    if "field" not in rule:
        alls = all(satisfies(item, r) for r in rule.get("all_of", []))
        anys = not rule.get("any_of") or any(satisfies(item, r) for r in rule["any_of"])
        nones = not any(satisfies(item, r) for r in rule.get("none_of", []))
        return alls and anys and nones
    value, wanted = item.get(rule["field"]), rule["value"]
    if value is None:
        return False

    def same(a: object, b: object) -> bool:
        return a.casefold() == b.casefold() if isinstance(a, str) else a == b

    if rule["op"] == "range":
        low, high = wanted
        return (low is None or value >= low) and (high is None or value <= high)
    options = wanted if isinstance(wanted, list) else [wanted]
    held = value if isinstance(value, list) else [value]
    return any(same(a, b) for a in held for b in options)


def words(values: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from([*values, *map(str.upper, values), *map(str.lower, values), "no such value"])


tag_fields = st.one_of(st.tuples(st.just("genre"), words(GENRES)), st.tuples(st.just("country"), words(COUNTRIES)))
number_values = st.one_of(st.integers(1945, 2025), st.integers(0, 200).map(lambda n: n / 4), st.integers(17, 45))
number_fields = st.sampled_from(["year", "runtime"])


def condition(field: str, op: str, value: object) -> dict:
    return {"field": field, "op": op, "value": value}


conditions = st.one_of(
    tag_fields.map(lambda pair: condition(pair[0], "contains", pair[1])),
    st.lists(words(GENRES), max_size=3).map(lambda values: condition("genre", "in", values)),
    words(MAKERS).map(lambda value: condition("maker", "eq", value)),
    st.lists(words(MAKERS), max_size=3).map(lambda values: condition("maker", "in", values)),
    st.booleans().map(lambda value: condition("family", "eq", value)),
    st.tuples(number_fields, number_values).map(lambda p: condition(p[0], "eq", p[1])),
    st.tuples(number_fields, st.lists(number_values, max_size=4)).map(lambda p: condition(p[0], "in", p[1])),
    st.tuples(number_fields, st.none() | number_values, st.none() | number_values)
    .filter(lambda p: p[1] is None or p[2] is None or p[1] <= p[2])
    .map(lambda p: condition(p[0], "range", [p[1], p[2]])),
)


def groups(children: st.SearchStrategy[dict]) -> st.SearchStrategy[dict]:
    parts = st.lists(children, max_size=3)
    return st.fixed_dictionaries({}, optional={"all_of": parts, "any_of": parts, "none_of": parts})


rules = groups(conditions | groups(conditions | groups(conditions)))


@given(rules)
@settings(max_examples=300, deadline=None)
def test_mask_means_what_the_rule_says(rule: dict) -> None:
    made = catalogue()
    mask = ItemFilter.model_validate(rule).mask(made)
    assert mask.dtype == np.bool_
    expected = [satisfies(made.item(i).attributes, rule) for i in range(len(made))]
    assert mask.tolist() == expected


@pytest.fixture(scope="module")
def collection():
    chromadb = pytest.importorskip("chromadb")
    client = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False))
    made = client.create_collection("filters", embedding_function=None)
    size = len(catalogue())
    made.add(
        ids=[str(i) for i in range(size)],
        embeddings=np.eye(size, 4, dtype=np.float32).tolist(),
        metadatas=[metadata_of(catalogue(), i) for i in range(size)],
    )
    yield made
    client.delete_collection("filters")


@given(rules)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chroma_answers_the_same(collection, rule: dict) -> None:
    made = ItemFilter.model_validate(rule)
    mask = made.mask(catalogue())
    where = made.to_chroma(catalogue())
    if where is None:
        assert mask.all()
        return
    found = {int(i) for i in collection.get(where=where)["ids"]}
    assert found == set(np.flatnonzero(mask).tolist())


def test_chroma_gets_a_superset_when_a_list_is_too_long(monkeypatch: pytest.MonkeyPatch, collection) -> None:
    monkeypatch.setattr("recsys_core.catalog.chroma_where.MAX_LISTED", 1)
    short = condition("country", "contains", "Japan")
    long = condition("maker", "in", list(MAKERS[:3]))
    for rule in (
        {"all_of": [short, long]},
        {"none_of": [long]},
        {"any_of": [short, long]},
        {"none_of": [{"any_of": [short, long]}]},
        {"none_of": [condition("year", "range", [1960, 1990])], "all_of": [short]},
    ):
        made = ItemFilter.model_validate(rule)
        where = made.to_chroma(catalogue())
        found = {int(i) for i in collection.get(where=where)["ids"]}
        assert found >= set(np.flatnonzero(made.mask(catalogue())).tolist())


def test_empty_rule_allows_everything() -> None:
    assert ItemFilter().mask(catalogue()).all()
    assert ItemFilter().is_empty()
    assert ItemFilter().to_chroma(catalogue()) is None


def test_key_ignores_order_case_and_repeats_but_nothing_else() -> None:
    def key(*alls: dict, **more: list) -> str:
        return ItemFilter.model_validate({"all_of": list(alls), **more}).key()

    drama, new = condition("genre", "contains", "Drama"), condition("year", "range", [1990, None])
    assert key(drama, new) == key(new, condition("genre", "contains", "DRAMA"), drama)
    assert key(condition("maker", "in", ["a", "b"])) == key(condition("maker", "in", ["B", "A", "a"]))
    assert key(condition("year", "eq", 1990)) == key(condition("year", "eq", 1990.0))
    assert len({key(drama), key(new), key(drama, new), key(any_of=[drama]), key(none_of=[drama]), key()}) == 6
    assert key(condition("year", "range", [1, 2])) != key(condition("year", "range", [None, 2]))


def test_fields() -> None:
    rule = {"any_of": [condition("genre", "in", ["x"]), {"none_of": [condition("year", "eq", 1)]}]}
    assert ItemFilter.model_validate(rule).fields() == {"genre", "year"}


def test_unknown_field_names_the_allowed_ones() -> None:
    rule = ItemFilter(none_of=[Condition(field="gerne", op="contains", value="Drama")])
    for ask in (rule.mask, rule.to_chroma):
        with pytest.raises(FilterError, match="unknown field 'gerne'") as caught:
            ask(catalogue())
        assert caught.value.allowed == sorted(catalogue().fields)


@pytest.mark.parametrize(
    ("field", "op", "value", "said"),
    [
        ("genre", "eq", "Drama", "contains or in"),
        ("genre", "range", [1, 2], "contains or in"),
        ("genre", "contains", 3, "give text"),
        ("year", "contains", 1990, "eq or in or range"),
        ("year", "eq", "1990", "give a number"),
        ("year", "eq", True, "give a number"),
        ("year", "in", [1990, "x"], "'x'"),
        ("maker", "contains", "North", "eq or in"),
        ("maker", "eq", False, "give text"),
        ("family", "eq", 1, "true or false"),
        ("family", "in", [True], "use eq"),
    ],
)
def test_comparison_that_the_kind_cannot_answer(field: str, op: str, value: object, said: str) -> None:
    rule = ItemFilter(all_of=[Condition(field=field, op=op, value=value)])
    for ask in (rule.mask, rule.to_chroma):
        with pytest.raises(FilterError, match=said) as caught:
            ask(catalogue())
        assert repr(field) in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        condition("year", "range", [1]),
        condition("year", "range", [2000, 1990]),
        condition("year", "range", 1990),
        condition("year", "in", 1990),
        condition("year", "in", [None]),
        condition("year", "eq", [1990]),
        condition("year", "eq", None),
        condition("year", "eq", float("nan")),
        condition("year", "eq", 10**400),
        condition("year", "between", [1, 2]),
        {"field": "year", "value": 1},
        {"field": "year", "op": "eq", "value": 1, "more": 2},
        {"alls": []},
        "genre",
        None,
    ],
)
def test_malformed_conditions_are_refused(bad: object) -> None:
    with pytest.raises(ValidationError):
        ItemFilter.model_validate({"all_of": [bad]})


def test_bounds_on_depth_and_number() -> None:
    def nested(depth: int) -> dict:
        rule: dict = {"all_of": [condition("year", "eq", 1)]}
        for _ in range(depth - 1):
            rule = {"none_of": [rule]}
        return rule

    ItemFilter.model_validate(nested(5))
    for depth in (6, 50_000):
        with pytest.raises(ValidationError, match="at most 5 deep"):
            ItemFilter.model_validate(nested(depth))
    many = [condition("year", "eq", 1)] * MAX_CONDITIONS
    ItemFilter.model_validate({"all_of": many})
    with pytest.raises(ValidationError, match="at most 100 conditions"):
        ItemFilter.model_validate({"all_of": many, "any_of": many[:1]})


def test_round_trip_through_json() -> None:
    rule = {"all_of": [condition("year", "range", [1990, None]), {"any_of": [condition("family", "eq", True)]}]}
    made = ItemFilter.model_validate(rule)
    again = ItemFilter.model_validate_json(made.model_dump_json())
    assert again.key() == made.key()
    assert json.loads(made.model_dump_json())["all_of"][0]["value"] == [1990, None]
