"""An item rule in the words of Chroma's ``where`` (1.5.9), and item attributes in the words of its metadata.

Chroma has no "not" and no "is missing", but its ``$ne``, ``$nin`` and ``$not_contains`` also let records through that
lack the field, which is just what ``none_of`` means here; so negation is pushed down to the conditions. Values are
compared exactly there, hence they are translated to every spelling that the catalogue has. What can't be said is left
out in the direction that lets more through: the result is a superset, to be checked with ``ItemFilter.mask``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_core.catalog.filters import Condition, ItemFilter, field_spec
from recsys_core.catalog.folding import fold
from recsys_core.catalog.items import AttributeValue, FieldKind

if TYPE_CHECKING:
    from recsys_core.catalog.catalogue import Catalogue

Where = dict[str, Any]

MAX_LISTED = 1000
"""Longest list of values sent to Chroma; a longer one is left to the check by mask."""

NOTHING: Where = {"sidra:none": {"$eq": True}}
"""A ``where`` that no record satisfies, because no record has this key."""


def where_of(rule: ItemFilter, catalogue: Catalogue) -> Where | None:
    """The ``where`` of a rule, or None when it says nothing that Chroma can check.

    Raises:
        FilterError: unknown field, or a comparison that its kind doesn't allow.
    """
    answer = _rule(rule, catalogue, wanted=True)
    if answer is True:
        return None
    return NOTHING if answer is False else answer


def metadata_of(catalogue: Catalogue, index: int) -> dict[str, AttributeValue] | None:
    """The metadata that ``where_of`` expects for an item: its attributes; None when it has none."""
    attributes = {name: value for name, value in catalogue.item(index).attributes.items() if _sayable(name)}
    return attributes or None


def _sayable(field: str) -> bool:
    # Chroma reads keys with these beginnings as operators or as its own.
    return not field.startswith(("$", "#", "chroma:"))


def _rule(rule: ItemFilter, catalogue: Catalogue, *, wanted: bool) -> Where | bool:
    """A rule (or its opposite, if not ``wanted``); True and False stand for everything and nothing."""
    alls = [_either(part, catalogue, wanted=wanted) for part in rule.all_of]
    nones = [_either(part, catalogue, wanted=not wanted) for part in rule.none_of]
    anys = [_either(part, catalogue, wanted=wanted) for part in rule.any_of]
    if wanted:
        return _join("$and", [*alls, *nones, *([_join("$or", anys)] if anys else [])])
    return _join("$or", [*alls, *nones, *([_join("$and", anys)] if anys else [])])


def _either(part: Condition | ItemFilter, catalogue: Catalogue, *, wanted: bool) -> Where | bool:
    if isinstance(part, ItemFilter):
        return _rule(part, catalogue, wanted=wanted)
    spec = field_spec(catalogue, part.field)
    part.check(spec)
    if not _sayable(part.field):
        return True
    if spec.kind is FieldKind.number:
        return _number(part, catalogue, wanted=wanted)
    if spec.kind is FieldKind.flag:
        return {part.field: {"$eq" if wanted else "$ne": part.value}}
    return _text(part, catalogue, is_tags=spec.kind is FieldKind.tags, wanted=wanted)


def _join(operator: str, parts: list[Where | bool]) -> Where | bool:
    """Conjunction or disjunction with constants worked out; Chroma wants at least two operands."""
    neutral = operator == "$and"
    if (not neutral) in parts:
        return not neutral
    kept = [part for part in parts if isinstance(part, dict)]
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else {operator: kept}


def _text(condition: Condition, catalogue: Catalogue, *, is_tags: bool, wanted: bool) -> Where | bool:
    spellings = catalogue.postings(condition.field).spellings
    values = condition.value if isinstance(condition.value, list) else [condition.value]
    folded = dict.fromkeys(fold(str(value)) for value in values)
    known = [spelling for value in folded for spelling in spellings.get(value, [])]
    if not known:
        return not wanted
    if len(known) > MAX_LISTED:
        return True
    if is_tags:
        operator = "$contains" if wanted else "$not_contains"
        return _join("$or" if wanted else "$and", [{condition.field: {operator: value}} for value in known])
    return {condition.field: {"$in" if wanted else "$nin": known}}


def _number(condition: Condition, catalogue: Catalogue, *, wanted: bool) -> Where | bool:
    field = condition.field
    if condition.op == "range" and wanted and isinstance(condition.value, list):
        low, high = condition.value
        bounds: list[Where | bool] = []
        if low is not None:
            bounds.append({field: {"$gte": float(low)}})
        if high is not None:
            bounds.append({field: {"$lte": float(high)}})
        # Without bounds the condition still asks for a value to be there.
        return _join("$and", bounds) if bounds else {field: {"$gte": -float(np.finfo(np.float64).max)}}
    # "Outside a range or missing" can be said only by naming the values inside it.
    numbers = catalogue.numbers(field)
    values = np.unique(numbers[condition.mask(catalogue)])
    if not len(values):
        return not wanted
    if len(values) > MAX_LISTED:
        return True
    return {field: {"$in" if wanted else "$nin": values.tolist()}}
