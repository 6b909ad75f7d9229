"""Rules over catalogue fields: one JSON object that becomes a boolean vector over items.

An item without a value for a field satisfies no condition on it; so it passes every ``none_of`` on that field.
Text is compared without regard to case. An empty rule allows everything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from recsys_core.catalog.folding import fold
from recsys_core.catalog.items import FieldKind, FieldSpec
from recsys_core.errors import FilterError

if TYPE_CHECKING:
    from recsys_core.catalog.catalogue import Catalogue

MAX_DEPTH = 5
"""How deep rules may be nested, the outermost one counted."""

MAX_CONDITIONS = 100
"""How many conditions one rule may hold in all."""

MAX_VALUES = 10_000
"""How many values one ``in`` may list."""

ALLOWED_OPS: dict[FieldKind, tuple[str, ...]] = {
    FieldKind.number: ("eq", "in", "range"),
    FieldKind.string: ("eq", "in"),
    FieldKind.tags: ("contains", "in"),
    FieldKind.flag: ("eq",),
}
"""Which comparisons each kind of field can answer."""

FilterValue = Annotated[
    bool
    | Annotated[int, Field(ge=-(2**63), le=2**63)]
    | Annotated[float, Field(allow_inf_nan=False)]
    | Annotated[str, Field(max_length=1000)],
    Field(union_mode="smart"),
]


class Condition(BaseModel):
    """One comparison of one field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = Field(max_length=200)
    """Attribute name, spelled as in the catalogue."""
    op: Literal["eq", "in", "range", "contains"]
    """``eq`` same value; ``in`` one of a list; ``range`` inclusive ``[low, high]``; ``contains`` has this tag."""
    value: FilterValue | Annotated[list[FilterValue | None], Field(max_length=MAX_VALUES)]
    """What to compare with; for ``range`` two numbers of which either may be null."""

    @model_validator(mode="after")
    def _shape(self) -> Condition:
        if self.op == "range":
            if not isinstance(self.value, list) or len(self.value) != 2:
                raise ValueError(f"range on {self.field!r} takes [low, high]; either may be null")
            low, high = self.value
            if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
                raise ValueError(f"range on {self.field!r} has its low end {low} above its high end {high}")
        elif self.op == "in":
            if not isinstance(self.value, list):
                raise ValueError(f"in on {self.field!r} takes a list of values")
            if any(v is None for v in self.value):
                raise ValueError(
                    f"in on {self.field!r} can't list null; an item without a value satisfies no condition"
                )
        elif isinstance(self.value, list):
            raise ValueError(f"{self.op} on {self.field!r} takes one value, not a list; use in for several")
        return self

    def check(self, spec: FieldSpec) -> None:
        """Refuse a comparison that the field's kind can't answer.

        Raises:
            FilterError: the operation or the type of a value doesn't suit ``spec.kind``.
        """
        allowed = ALLOWED_OPS[spec.kind]
        if self.op not in allowed:
            raise FilterError(
                f"{self.op!r} can't be used on {self.field!r}, which is a {spec.kind.value} field; "
                f"use {' or '.join(allowed)}"
            )
        for value in self.value if isinstance(self.value, list) else [self.value]:
            if value is None:
                continue
            if not _suits(value, spec.kind):
                raise FilterError(
                    f"{value!r} can't be compared with {self.field!r}, which is a {spec.kind.value} field; "
                    f"give {_WANTED[spec.kind]}"
                )

    def mask(self, catalogue: Catalogue) -> NDArray[np.bool_]:
        """Which items satisfy the condition, bool[n_items].

        Raises:
            FilterError: unknown field, or a comparison that its kind doesn't allow.
        """
        spec = field_spec(catalogue, self.field)
        self.check(spec)
        if spec.kind is FieldKind.number:
            return self._number_mask(catalogue.numbers(self.field))
        if spec.kind is FieldKind.flag:
            flagged: NDArray[np.bool_] = catalogue.flags(self.field) == (1 if self.value else 0)
            return flagged
        result = np.zeros(len(catalogue), dtype=np.bool_)
        postings = catalogue.postings(self.field)
        for value in self.value if isinstance(self.value, list) else [self.value]:
            rows = postings.rows.get(fold(str(value)))
            if rows is not None:
                result[rows] = True
        return result

    def _number_mask(self, numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
        if self.op == "range" and isinstance(self.value, list):
            low, high = (None if v is None else float(v) for v in self.value)
            result = ~np.isnan(numbers)
            if low is not None:
                result &= numbers >= low
            if high is not None:
                result &= numbers <= high
            return result
        wanted = self.value if isinstance(self.value, list) else [self.value]
        found: NDArray[np.bool_] = np.isin(numbers, np.array([float(v) for v in wanted if v is not None]))
        return found

    def canonical(self) -> dict[str, Any]:
        """The condition with everything taken out that doesn't change its meaning."""
        if self.op == "range" and isinstance(self.value, list):
            return {"field": self.field, "op": "range", "value": [_canonical_value(v) for v in self.value]}
        if isinstance(self.value, list):
            distinct = {json.dumps(_canonical_value(v)) for v in self.value}
            return {"field": self.field, "op": "in", "value": sorted(distinct)}
        return {"field": self.field, "op": self.op, "value": _canonical_value(self.value)}


_WANTED = {
    FieldKind.number: "a number",
    FieldKind.string: "text",
    FieldKind.tags: "text",
    FieldKind.flag: "true or false",
}


def _suits(value: object, kind: FieldKind) -> bool:
    if kind is FieldKind.flag:
        return isinstance(value, bool)
    if kind is FieldKind.number:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str)


def _canonical_value(value: object) -> object:
    if isinstance(value, str):
        return fold(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return value


def field_spec(catalogue: Catalogue, field: str) -> FieldSpec:
    """The catalogue's description of ``field``.

    Raises:
        FilterError: no such field; the allowed names are listed.
    """
    spec = catalogue.fields.get(field)
    if spec is None:
        raise FilterError(f"unknown field {field!r}", catalogue.fields)
    return spec


def _is_rule(value: object) -> str:
    if isinstance(value, Condition) or (isinstance(value, dict) and ("field" in value or "op" in value)):
        return "condition"
    return "rule"


Rule = Annotated[
    Annotated[Condition, Tag("condition")] | Annotated["ItemFilter", Tag("rule")],
    Discriminator(_is_rule),
]


class ItemFilter(BaseModel):
    """A rule that every returned item satisfies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    all_of: list[Rule] = Field(default_factory=list)
    """Every one of these must hold."""
    any_of: list[Rule] = Field(default_factory=list)
    """At least one of these must hold, unless the list is empty."""
    none_of: list[Rule] = Field(default_factory=list)
    """None of these may hold."""

    @model_validator(mode="before")
    @classmethod
    def _bounded(cls, data: object) -> object:
        # Checked on the raw value, level by level, so that a hostile nesting never reaches recursive code.
        level, depth = [data], 0
        while level:
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"a filter may be nested at most {MAX_DEPTH} deep")
            level = [child for rule in level for child in _raw_children(rule) if _is_rule(child) == "rule"]
        return data

    @model_validator(mode="after")
    def _counted(self) -> ItemFilter:
        if sum(1 for _ in self.conditions()) > MAX_CONDITIONS:
            raise ValueError(f"a filter may hold at most {MAX_CONDITIONS} conditions; use in for many values")
        return self

    def conditions(self) -> Iterator[Condition]:
        """Every condition, at any depth."""
        for rule in (*self.all_of, *self.any_of, *self.none_of):
            if isinstance(rule, Condition):
                yield rule
            else:
                yield from rule.conditions()

    def fields(self) -> set[str]:
        """Names of all fields that the rule looks at."""
        return {condition.field for condition in self.conditions()}

    def is_empty(self) -> bool:
        """True when the rule holds no condition, so that it allows everything."""
        return next(self.conditions(), None) is None

    def mask(self, catalogue: Catalogue) -> NDArray[np.bool_]:
        """Which items the rule allows, bool[n_items] in item order; withdrawn ones never.

        Raises:
            FilterError: unknown field, or a comparison that its kind doesn't allow.
        """
        result = catalogue.offered.copy()
        for rule in self.all_of:
            result &= rule.mask(catalogue)
        if self.any_of:
            some = np.zeros(len(catalogue), dtype=np.bool_)
            for rule in self.any_of:
                some |= rule.mask(catalogue)
            result &= some
        for rule in self.none_of:
            result &= ~rule.mask(catalogue)
        return result

    def canonical(self) -> dict[str, Any]:
        """The rule with order, case and duplicates taken out."""
        parts = {}
        for name, rules in (("all_of", self.all_of), ("any_of", self.any_of), ("none_of", self.none_of)):
            if rules:
                parts[name] = sorted({json.dumps(rule.canonical(), sort_keys=True) for rule in rules})
        return parts

    def key(self) -> str:
        """A stable hash of the rule's meaning, for caches: 32 hexadecimal digits."""
        text = json.dumps(self.canonical(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def to_chroma(self, catalogue: Catalogue) -> dict[str, Any] | None:
        """The part of the rule that Chroma's ``where`` can express, or None when there is none.

        What comes back never excludes an item that the rule allows, but may let others through (see
        :mod:`recsys_core.catalog.chroma_where`), so check the hits with :meth:`mask`.

        Raises:
            FilterError: unknown field, or a comparison that its kind doesn't allow.
        """
        from recsys_core.catalog.chroma_where import where_of

        return where_of(self, catalogue)


def _raw_children(rule: object) -> list[object]:
    if isinstance(rule, ItemFilter):
        return [*rule.all_of, *rule.any_of, *rule.none_of]
    if not isinstance(rule, dict):
        return []
    children: list[object] = []
    for name in ("all_of", "any_of", "none_of"):
        value = rule.get(name)
        if isinstance(value, (list, tuple)):
            children.extend(value)
    return children


ItemFilter.model_rebuild()
