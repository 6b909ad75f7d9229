"""Why an item was recommended, found by intervention: take a history item away and see what the score loses."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.folding import fold
from recsys_core.catalog.items import AttributeValue, FieldKind


class Cause(BaseModel):
    """One history item that the recommendation rests on."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    """The history item."""
    title: str
    """Its title."""
    drop: float
    """How much the recommended item's score (nats) falls without it."""


class Evidence(BaseModel):
    """What can truthfully be said about why."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    """The recommended item."""
    because_of: list[Cause] = Field(default_factory=list)
    """History items with the largest drop, at most three, only real drops."""
    matched_attributes: dict[str, AttributeValue] = Field(default_factory=dict)
    """Facts of the item that the instruction or the filter named."""
    instruction_gain: float = 0.0
    """How much the instruction raised the item's log-probability (nats); 0 without an instruction."""
    degraded_reason: str = ""
    """Why another engine measured than the one that recommends; empty when none did."""


def matched_attributes(
    catalogue: Catalogue, index: int, instruction: str, filter_fields: set[str]
) -> dict[str, AttributeValue]:
    """Facts of an item that the words of an instruction name, or that a filter is about."""
    words = f" {fold(instruction)} "
    matched: dict[str, AttributeValue] = {}
    for name, value in catalogue.item(index).attributes.items():
        spec = catalogue.fields[name]
        if name in filter_fields:
            matched[name] = value
        elif spec.kind is FieldKind.tags and isinstance(value, list):
            named = [v for v in value if _named(v, words)]
            if named:
                matched[name] = named
        elif (spec.kind is FieldKind.string and _named(str(value), words)) or (
            spec.kind is FieldKind.number and re.search(rf"\b{int(float(str(value))) // 10}\ds?\b", words)
        ):
            matched[name] = value
    return matched


def _named(value: str, words: str) -> bool:
    folded = fold(value)
    return f" {folded} " in words or f" {folded}s " in words
