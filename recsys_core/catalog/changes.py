"""Changes of a catalogue between two builds: items withdrawn, offered again, re-tagged, added.

A change names items by id, so that it means the same on every release of a data set. Applying changes never touches a
catalogue; it makes another one. Withdrawn items keep their place: histories name them, answers don't.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field

from recsys_core.catalog.catalogue import ATTRIBUTE_PREFIX, Catalogue
from recsys_core.catalog.items import AttributeValue, FieldKind, FieldSpec, Item
from recsys_core.errors import DataError, TakenItemError, UnknownItemError

MAX_ITEMS = 10_000
"""How many items one change may withdraw or offer again."""

MAX_ADDED = 1_000
"""How many items one change may add."""


def _visible(text: str) -> str:
    if any(unicodedata.category(char).startswith("C") for char in text) or not text.strip():
        raise ValueError("may hold only visible characters")
    return text


ItemId = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_visible)]
"""An id as a catalogue may have it."""


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewItem(_Change):
    """An item that the catalogue doesn't have yet."""

    id: ItemId
    """The catalogue's own identifier."""
    title: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_visible)]
    """Name shown to people."""
    text: str = Field(default="", max_length=20_000)
    """Free description; untrusted, never an instruction."""
    attributes: dict[str, AttributeValue] = Field(default_factory=dict, max_length=200)
    """Values of fields that the catalogue has."""
    image: str | None = Field(default=None, max_length=2_000)
    """Address of a picture."""


class Withdraw(_Change):
    """Items that must not be shown from now on."""

    kind: Literal["withdraw"] = "withdraw"
    items: list[ItemId] = Field(min_length=1, max_length=MAX_ITEMS)
    """Their ids."""


class Restore(_Change):
    """Withdrawn items that may be shown again."""

    kind: Literal["restore"] = "restore"
    items: list[ItemId] = Field(min_length=1, max_length=MAX_ITEMS)
    """Their ids."""


class Retag(_Change):
    """Other facts of one item."""

    kind: Literal["retag"] = "retag"
    item: ItemId
    """Its id."""
    attributes: dict[str, AttributeValue | None] = Field(min_length=1, max_length=200)
    """Field -> new value; None takes the value away. Fields that aren't named stay as they are."""


class Add(_Change):
    """New items."""

    kind: Literal["add"] = "add"
    items: list[NewItem] = Field(min_length=1, max_length=MAX_ADDED)
    """In the order in which they join."""


Change = Annotated[Withdraw | Restore | Retag | Add, Discriminator("kind")]
"""One change, in force wholly or not at all."""


class Applied(BaseModel):
    """A change that is in force."""

    model_config = ConfigDict(extra="forbid")

    number: int
    """Number of the change; answers with this number or a larger one know it."""
    release: str
    """Release that it is laid over."""
    items: int
    """Items that may be shown now."""
    withdrawn: int
    """Items that may not."""
    pending: int
    """New items and re-tagged ones that the release doesn't hold itself yet."""


@dataclass(frozen=True)
class CatalogueChanges:
    """What many changes come to.

    Attributes:
        number: of the last change; 0 when there was none.
        withdrawn: ids that must not be shown.
        retags: item id -> field -> value (None takes it away).
        added: new items, in the order in which they joined.
    """

    number: int = 0
    withdrawn: frozenset[str] = frozenset()
    retags: Mapping[str, Mapping[str, AttributeValue | None]] = field(default_factory=dict)
    added: tuple[NewItem, ...] = ()

    def then(self, number: int, change: Change, *, merged: bool = False) -> CatalogueChanges:
        """These and one more.

        Args:
            number: of the change.
            change: comes after all of these.
            merged: the release has the change's facts and items already; only what may be shown is still to say.
        """
        withdrawn, retags, added = self.withdrawn, self.retags, self.added
        if isinstance(change, Withdraw):
            withdrawn = withdrawn | set(change.items)
        elif isinstance(change, Restore):
            withdrawn = withdrawn - set(change.items)
        elif isinstance(change, Retag) and not merged:
            retags = {**retags, change.item: {**retags.get(change.item, {}), **change.attributes}}
        elif isinstance(change, Add):
            known = {item.id for item in added}
            added = (*added, *(item for item in change.items if item.id not in known))
        return CatalogueChanges(number, withdrawn, retags, added)

    def missing(self, catalogue: Catalogue) -> list[NewItem]:
        """Added items that a catalogue doesn't have."""
        return [item for item in self.added if not catalogue.knows(item.id)]

    def has(self, item_id: str) -> bool:
        """Whether an item was added."""
        return any(item.id == item_id for item in self.added)


def check(change: Change, catalogue: Catalogue) -> None:
    """Refuse a change that a catalogue can't take.

    Args:
        change: what is wanted.
        catalogue: as it is, changes so far included.

    Raises:
        UnknownItemError: an item that the catalogue doesn't have.
        TakenItemError: an id that is there already.
        DataError: an id that comes twice, a field that the catalogue doesn't have, or a value of the wrong
            kind.
    """
    if isinstance(change, Withdraw | Restore):
        missing = [item for item in dict.fromkeys(change.items) if not catalogue.knows(item)]
        if missing:
            raise UnknownItemError(missing)
    elif isinstance(change, Retag):
        if not catalogue.knows(change.item):
            raise UnknownItemError([change.item])
        _check_values(change.attributes, catalogue, change.item)
    else:
        seen: set[str] = set()
        for item in change.items:
            if catalogue.knows(item.id):
                raise TakenItemError(f"item {item.id!r} is in the catalogue already; change its facts with a re-tag")
            if item.id in seen:
                raise DataError(f"item {item.id!r} comes twice; give every new item an id of its own")
            seen.add(item.id)
            _check_values(item.attributes, catalogue, item.id)


def new_items(items: Sequence[NewItem], catalogue: Catalogue) -> Catalogue:
    """A catalogue of new items alone, with the columns of the one they join.

    Args:
        items: at least one; checked with :func:`check`.
        catalogue: that they join.
    """
    columns: dict[str, pl.Series] = {
        name: pl.Series(name, [getattr(item, name) for item in items], dtype=pl.String)
        for name in ("id", "title", "text", "image")
    }
    for name in catalogue.fields:
        key = f"{ATTRIBUTE_PREFIX}{name}"
        values = [item.attributes.get(name) for item in items]
        columns[key] = _series(key, values, catalogue.frame.schema[key])
    return Catalogue(pl.DataFrame(list(columns.values())), item_noun=catalogue.item_noun)


def retagged(catalogue: Catalogue, retags: Mapping[str, Mapping[str, AttributeValue | None]]) -> Catalogue:
    """A catalogue with other facts; items that it doesn't have and fields that it lost are passed over."""
    by_field: dict[str, dict[int, AttributeValue | None]] = {}
    for item_id, attributes in retags.items():
        if catalogue.knows(item_id):
            for name, value in attributes.items():
                if name in catalogue.fields and (value is None or suits(value, catalogue.fields[name])):
                    by_field.setdefault(name, {})[catalogue.index(item_id)] = value
    if not by_field:
        return catalogue
    frame = catalogue.frame
    for name, values in by_field.items():
        key = f"{ATTRIBUTE_PREFIX}{name}"
        column: list[Any] = frame[key].to_list()
        for row, value in values.items():
            column[row] = value
        frame = frame.with_columns(_series(key, column, frame.schema[key]))
    return Catalogue(frame, item_noun=catalogue.item_noun)


def offering(catalogue: Catalogue, withdrawn: frozenset[str]) -> Catalogue:
    """A catalogue that doesn't show some items; ids that it doesn't have are passed over."""
    rows = [catalogue.index(item_id) for item_id in withdrawn if catalogue.knows(item_id)]
    offered = np.ones(len(catalogue), dtype=np.bool_)
    offered[rows] = False
    return catalogue.offering(offered)


def suits(value: AttributeValue, spec: FieldSpec) -> bool:
    """Whether a field can hold a value."""
    if spec.kind is FieldKind.flag:
        return isinstance(value, bool)
    if spec.kind is FieldKind.number:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if spec.kind is FieldKind.string:
        return isinstance(value, str)
    return isinstance(value, list)


def as_item(item: NewItem) -> Item:
    """A new item as the catalogue would show it."""
    return Item(**item.model_dump())


_WANTED = {
    FieldKind.number: "a number",
    FieldKind.string: "text",
    FieldKind.tags: "a list of text",
    FieldKind.flag: "true or false",
}


def _check_values(attributes: Mapping[str, AttributeValue | None], catalogue: Catalogue, item_id: str) -> None:
    for name, value in attributes.items():
        spec = catalogue.fields.get(name)
        if spec is None:
            fields = ", ".join(catalogue.fields) or "none"
            raise DataError(f"item {item_id!r}: {name!r} is no field of the catalogue; its fields are {fields}")
        if value is not None and not suits(value, spec):
            raise DataError(
                f"item {item_id!r}: {name!r} is a {spec.kind.value} field, {value!r} isn't; give {_WANTED[spec.kind]}"
            )


def _series(name: str, values: list[Any], dtype: pl.DataType) -> pl.Series:
    """A column of the old type, unless whole numbers got a fraction."""
    if dtype.is_integer() and any(isinstance(value, float) and not value.is_integer() for value in values):
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    if dtype.is_integer():
        values = [int(value) if value is not None else None for value in values]
    elif dtype.is_float():
        values = [float(value) if value is not None else None for value in values]
    return pl.Series(name, values, dtype=dtype)
