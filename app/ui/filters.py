"""Side-bar filters made from the catalogue's fields."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

Field = dict[str, Any]
_SHOWN_FIRST = 3
_LEAST_COVERAGE = 0.05
_MOST_DISTINCT_STRINGS = 400


def usable(fields: list[Field]) -> list[Field]:
    """Fields worth a widget: filled often enough, and with more than one value; best filled first within their kind."""
    kept = [field for field in fields if field["coverage"] >= _LEAST_COVERAGE and _choices(field)]
    rank = {"tags": 0, "number": 1, "string": 2, "flag": 3}
    # Tags with few distinct values (genres) come before those with many (people); one number (the year) goes second.
    kept.sort(key=lambda f: (f["distinct"] > 60 and f["kind"] != "number", rank[f["kind"]], -f["coverage"]))
    number = next((at for at, field in enumerate(kept) if field["kind"] == "number"), None)
    if number is not None and number > 1:
        kept.insert(1, kept.pop(number))
    return kept


def draw_filters(fields: list[Field], version: int) -> dict[str, Any] | None:
    """Widgets for the fields; the rule they make, or None when nothing is set.

    Args:
        fields: as `/v1/info` lists them.
        version: part of the keys, so that "clear" is a new set of widgets.
    """
    conditions: list[dict[str, Any]] = []
    chosen = usable(fields)
    for field in chosen[:_SHOWN_FIRST]:
        conditions += _draw(field, version)
    if len(chosen) > _SHOWN_FIRST:
        with st.expander("More filters"):
            for field in chosen[_SHOWN_FIRST:]:
                conditions += _draw(field, version)
    return {"all_of": conditions} if conditions else None


def _choices(field: Field) -> bool:
    if field["kind"] == "number":
        low, high = field["minimum"], field["maximum"]
        return low is not None and high is not None and float(low) < float(high)
    if field["kind"] == "string":
        return 1 < int(field["distinct"]) <= _MOST_DISTINCT_STRINGS
    return bool(field["kind"] == "flag" or len(field["values"]) > 1)


def _draw(field: Field, version: int) -> list[dict[str, Any]]:
    name, kind = field["name"], field["kind"]
    label = name.replace("_", " ").capitalize()
    key = f"filter-{version}-{name}"
    if kind == "number":
        return _draw_number(field, label, key)
    if kind == "flag":
        answer = st.segmented_control(label, ["yes", "no"], key=key)
        return [] if answer is None else [{"field": name, "op": "eq", "value": answer == "yes"}]
    values = st.multiselect(label, field["values"], key=key, placeholder="Any")
    return [{"field": name, "op": "in", "value": list(values)}] if values else []


def _draw_number(field: Field, label: str, key: str) -> list[dict[str, Any]]:
    low, high = float(field["minimum"]), float(field["maximum"])
    if low.is_integer() and high.is_integer():
        whole = (int(low), int(high))
        picked: tuple[float, float] = st.slider(label, *whole, value=whole, key=key)
    else:
        low, high = math.floor(low * 100) / 100, math.ceil(high * 100) / 100
        picked = st.slider(label, low, high, value=(low, high), key=key)
    if picked == (low, high):
        return []
    # An end left at the border stays open, so that only what was moved is a rule.
    ends = [None if picked[0] == low else picked[0], None if picked[1] == high else picked[1]]
    return [{"field": field["name"], "op": "range", "value": ends}]
