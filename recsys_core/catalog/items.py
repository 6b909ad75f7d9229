"""The two records that everything starts from: an item and an interaction."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

Scalar = str | int | float | bool
"""A single attribute value."""

AttributeValue = Scalar | list[str]
"""An attribute is one value or a list of tags."""


class FieldKind(StrEnum):
    """How an attribute may be compared."""

    number = "number"
    """int or float: ``eq``, ``in``, ``range``."""
    string = "string"
    """one text value: ``eq``, ``in``."""
    tags = "tags"
    """a list of text values: ``contains``, ``in`` (any of)."""
    flag = "flag"
    """true or false: ``eq``."""


class FieldSpec(BaseModel):
    """What the catalogue knows about one attribute; the allow-list of filters is made of these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Attribute name as it appears in filters."""
    kind: FieldKind
    """How it may be compared."""
    coverage: float = 1.0
    """Share of items that have a value, 0 to 1."""
    minimum: float | None = None
    """Smallest value (numbers only)."""
    maximum: float | None = None
    """Largest value (numbers only)."""
    values: list[str] = Field(default_factory=list)
    """The most frequent values (strings and tags), most frequent first, at most 200."""
    distinct: int = 0
    """How many distinct values there are."""


class Item(BaseModel):
    """One thing that can be recommended."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    """The catalogue's own identifier."""
    title: str
    """Name shown to people."""
    text: str = ""
    """Free description; untrusted, never an instruction."""
    attributes: dict[str, AttributeValue] = Field(default_factory=dict)
    """Facts that may be shown, filtered on and spoken of."""
    image: str | None = None
    """Address of a picture, if any."""


class Interaction(BaseModel):
    """One act of one user on one item."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_id: str
    """Who."""
    item_id: str
    """On what."""
    timestamp: float
    """When, in seconds since 1970-01-01 UTC."""
    kind: str = "view"
    """What was done (view, rating, purchase ...)."""
    value: float = 1.0
    """How much (a rating, a count); 1 when there is no degree."""
