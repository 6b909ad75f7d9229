r"""Filters as one types them.

`genre=Comedy`, `genre!=Horror`, `year>=1990`, `year<=1999`, `year=1990..1999` (either end may be left out),
`country=France|Italy` (any of), or a whole rule as JSON. Several filters must all hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from recsys_core.catalog.filters import ItemFilter

_PARTS = re.compile(r"^\s*([^=!<>]+?)\s*(!=|>=|<=|=)\s*(.+?)\s*$", re.DOTALL)
_RANGE = re.compile(r"^(-?\d+(?:\.\d+)?)?\.\.(-?\d+(?:\.\d+)?)?$")
_NUMBER = re.compile(r"^-?\d+(?:\.\d+)?$")


def parse_filters(texts: Sequence[str]) -> ItemFilter | None:
    """All texts as one rule; None when there are none.

    Raises:
        BadParameter: a text is neither of the forms nor a valid JSON rule.
    """
    from pydantic import ValidationError

    from recsys_core.catalog.filters import ItemFilter

    if not texts:
        return None
    rule: dict[str, list[Any]] = {"all_of": [], "none_of": []}
    for text in texts:
        if text.lstrip().startswith("{"):
            rule["all_of"].append(_json(text))
            continue
        condition, negated = parse_condition(text)
        rule["none_of" if negated else "all_of"].append(condition)
    try:
        return ItemFilter.model_validate(rule)
    except ValidationError as error:
        raise typer.BadParameter(f"--filter: {error.errors()[0]['msg']}") from error


def parse_condition(text: str) -> tuple[dict[str, Any], bool]:
    """One typed filter as a condition, and whether it is negated.

    A single value is written as `in`, which text, tags and numbers all understand; `true` and `false` as `eq`.

    Raises:
        BadParameter: not of the form.
    """
    match = _PARTS.match(text)
    if match is None:
        raise typer.BadParameter(
            f"--filter {text!r}: write field=value, field!=value, field>=n, field<=n, field=a..b, or a JSON rule"
        )
    field, sign, value = match.groups()
    if sign in {">=", "<="}:
        if not _NUMBER.match(value):
            raise typer.BadParameter(f"--filter {text!r}: after {sign} comes a number")
        ends = [_scalar(value), None] if sign == ">=" else [None, _scalar(value)]
        return {"field": field, "op": "range", "value": ends}, False
    span = _RANGE.match(value)
    if span is not None and any(span.groups()):
        ends = [None if end is None else _scalar(end) for end in span.groups()]
        return {"field": field, "op": "range", "value": ends}, sign == "!="
    if value in {"true", "false"}:
        return {"field": field, "op": "eq", "value": value == "true"}, sign == "!="
    return {"field": field, "op": "in", "value": [_scalar(part.strip()) for part in value.split("|")]}, sign == "!="


def _scalar(text: str) -> str | int | float:
    if not _NUMBER.match(text):
        return text
    return float(text) if "." in text else int(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"--filter {text[:60]!r}: not valid JSON ({error})") from error
