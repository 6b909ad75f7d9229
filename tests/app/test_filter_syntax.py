"""Filters as one types them."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from app.commands.filter_syntax import parse_condition, parse_filters
from recsys_core.catalog.synth import synthetic


@pytest.mark.parametrize(
    ("text", "condition", "negated"),
    [
        ("genre=Comedy", {"field": "genre", "op": "in", "value": ["Comedy"]}, False),
        ("genre=Comedy|Film noir", {"field": "genre", "op": "in", "value": ["Comedy", "Film noir"]}, False),
        ("genre!=Horror", {"field": "genre", "op": "in", "value": ["Horror"]}, True),
        ("year>=1990", {"field": "year", "op": "range", "value": [1990, None]}, False),
        ("price<=9.5", {"field": "price", "op": "range", "value": [None, 9.5]}, False),
        ("year=1990..1999", {"field": "year", "op": "range", "value": [1990, 1999]}, False),
        ("year=..1999", {"field": "year", "op": "range", "value": [None, 1999]}, False),
        ("year!=1990..", {"field": "year", "op": "range", "value": [1990, None]}, True),
        ("year = 1995", {"field": "year", "op": "in", "value": [1995]}, False),
        ("in stock=true", {"field": "in stock", "op": "eq", "value": True}, False),
        ("title=a=b", {"field": "title", "op": "in", "value": ["a=b"]}, False),
    ],
)
def test_forms(text: str, condition: dict[str, Any], negated: bool) -> None:
    assert parse_condition(text) == (condition, negated)


@pytest.mark.parametrize("text", ["", "genre", "=x", "year>=old", "genre=", "{", '{"nonsense": []}'])
def test_anything_else_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_filters([text])


def test_all_must_hold() -> None:
    catalogue, _ = synthetic(60, 10, seed=0)
    rule = parse_filters(
        ["year>=1990", "genre!=Comedy", '{"any_of": [{"field": "year", "op": "range", "value": [null, 2005]}]}']
    )
    assert rule is not None
    mask = rule.mask(catalogue)
    for row, kept in enumerate(mask):
        facts = catalogue.item(row).attributes
        assert kept == (1990 <= facts["year"] <= 2005 and "Comedy" not in facts["genre"])
    assert parse_filters([]) is None
