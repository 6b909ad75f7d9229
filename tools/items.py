"""Tools that read the catalogue and the log."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.catalog.filters import ItemFilter
from recsys_core.catalog.items import FieldSpec, Item
from tools.context import ToolContext
from tools.registry import registry


class SearchArguments(BaseModel):
    """What to look for."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=500)
    """Words."""
    k: int = Field(default=10, ge=1, le=100)
    """How many hits."""
    where: ItemFilter | None = None
    """Rule that every hit must satisfy."""


class Hit(BaseModel):
    """One item found."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    """Catalogue id."""
    title: str
    """Its title."""
    similarity: float
    """Cosine similarity or link confidence, at most 1."""


class Hits(BaseModel):
    """Items found, best first."""

    model_config = ConfigDict(extra="forbid")

    hits: list[Hit]
    """Best first."""


class ItemArguments(BaseModel):
    """One item."""

    model_config = ConfigDict(extra="forbid")

    item_id: str = Field(max_length=200)
    """Catalogue id."""


class SimilarArguments(ItemArguments):
    """One item and how many like it."""

    k: int = Field(default=10, ge=1, le=100)
    """How many."""


class HistoryArguments(BaseModel):
    """How much of the user's history."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1, le=1000)
    """The newest so many."""


class History(BaseModel):
    """What a user interacted with."""

    model_config = ConfigDict(extra="forbid")

    known: bool
    """False when the log has no such user."""
    item_ids: list[str]
    """Newest last."""


class LinkArguments(BaseModel):
    """What somebody called an item."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=300)
    """A title, perhaps misspelt."""
    limit: int = Field(default=3, ge=1, le=20)
    """How many candidates."""


class FactsArguments(BaseModel):
    """Nothing to set."""

    model_config = ConfigDict(extra="forbid")


class CatalogueFacts(BaseModel):
    """What can be asked of this catalogue."""

    model_config = ConfigDict(extra="forbid")

    item_noun: str
    """What the items are called."""
    items: int
    """How many there are."""
    fields: list[FieldSpec]
    """Fields that filters may use."""


class CountArguments(BaseModel):
    """A rule to count under."""

    model_config = ConfigDict(extra="forbid")

    filter: ItemFilter | None = None
    """Rule; None counts everything."""
    exclude: list[str] = Field(default_factory=list, max_length=100_000)
    """Item ids not to count."""


class Count(BaseModel):
    """How many items."""

    model_config = ConfigDict(extra="forbid")

    count: int
    """Items that satisfy the rule and are not excluded."""


@registry.tool
def search_items(args: SearchArguments, context: ToolContext) -> Hits:
    """Find catalogue items by words, nearest in meaning first."""
    found = context.recommender.search(args.text, args.k, args.where)
    return Hits(hits=[Hit(item_id=h.item_id, title=h.title, similarity=h.similarity) for h in found])


@registry.tool
def item_details(args: ItemArguments, context: ToolContext) -> Item:
    """Everything the catalogue holds about one item."""
    return context.recommender.catalogue.get(args.item_id)


@registry.tool
def similar_items(args: SimilarArguments, context: ToolContext) -> Hits:
    """Items whose vectors are nearest to one item's."""
    context.recommender.catalogue.index(args.item_id)
    found = context.recommender.similar(args.item_id, args.k)
    return Hits(hits=[Hit(item_id=h.item_id, title=h.title, similarity=h.similarity) for h in found])


@registry.tool
def user_history(args: HistoryArguments, context: ToolContext) -> History:
    """What the user interacted with lately, newest last."""
    history = context.recommender.history(context.user_id, args.limit)
    return History(known=history is not None, item_ids=(history or [])[-args.limit :])


@registry.tool
def link_title(args: LinkArguments, context: ToolContext) -> Hits:
    """Items that a (misspelt) title may mean, with confidence; below 0.8 it is a suggestion, not a link.

    Spelling decides the confidence; items near in meaning only fill the list up, at no more than 0.5.
    """
    catalogue = context.recommender.catalogue
    hits = [
        Hit(item_id=catalogue.ids[m.index], title=m.title, similarity=m.confidence)
        for m in context.titles.link(args.text, args.limit)
    ]
    if not hits:
        near = context.recommender.search(args.text, args.limit, None)
        hits = [Hit(item_id=h.item_id, title=h.title, similarity=min(0.5, max(0.0, h.similarity))) for h in near]
    return Hits(hits=hits[: args.limit])


@registry.tool
def catalogue_facts(args: FactsArguments, context: ToolContext) -> CatalogueFacts:
    """Fields of the catalogue with their kinds, ranges and most frequent values."""
    catalogue = context.recommender.catalogue
    items = int(np.count_nonzero(catalogue.offered))
    return CatalogueFacts(item_noun=catalogue.item_noun, items=items, fields=list(catalogue.fields.values()))


@registry.tool
def count_items(args: CountArguments, context: ToolContext) -> Count:
    """How many items a rule leaves."""
    catalogue = context.recommender.catalogue
    allowed = args.filter.mask(catalogue) if args.filter else catalogue.offered
    if args.exclude:
        allowed = allowed.copy()
        allowed[catalogue.indices(args.exclude)] = False
    return Count(count=int(allowed.sum()))
