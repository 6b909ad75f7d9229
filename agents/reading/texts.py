"""The texts of a catalogue's items: which of them may be reworded, what they are about, what stands near them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.calm.types import Source
from agents.understanding.roles import Roles
from recsys_core.catalog.catalogue import Catalogue
from tools.context import Recommends

MOST_CHARS = 20_000
"""Longer texts are cut for a card; the whole one is the item's own."""
_HEADLINE_WORDS = 5
_NEWS = frozenset({"news", "article", "articles", "stories", "story", "headlines", "posts", "papers", "reports"})
_SECTION = re.compile(r"^(?:section|desk|channel|topic|theme|department|label|class)s?$")
RELATED = 5
"""Of so many articles nearest to an article, those of its category may lend it a sentence of background."""
LEAST_NEAR = 0.4
"""And only those at least this near (cosine)."""


@dataclass(frozen=True)
class ItemText:
    """One item's title and text."""

    item_id: str
    """Catalogue id."""
    title: str
    """Title; untrusted."""
    text: str
    """Text, at most `MOST_CHARS` characters; untrusted, may be empty."""
    category: str
    """What kind of thing it is; empty when the catalogue doesn't say."""
    headline: bool
    """The title is a sentence about the item and may be reworded; otherwise it is its name."""

    @property
    def whole(self) -> str:
        """Title and text as they are measured together."""
        return f"{self.title}\n{self.text}" if self.text else self.title


class Texts:
    """The texts of one catalogue.

    Args:
        catalogue: the items.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        roles = Roles.of(catalogue)
        sections = [name for name in catalogue.fields if _SECTION.match(name.casefold())]
        self._category = next(iter([*roles.genres, *sections]), None)
        titles: Sequence[str] = catalogue.titles[:500]
        words = float(np.median([len(title.split()) for title in titles])) if len(titles) else 0.0
        named = set(catalogue.item_noun.casefold().split()) & _NEWS
        # people and running times belong to works, whose titles are names whatever their length
        works = bool(roles.performers or roles.duration or roles.price)
        self.headlines = bool(named) or (words >= _HEADLINE_WORDS and not works)
        self._cache: dict[str, ItemText] = {}

    def now(self, catalogue: Catalogue) -> Texts:
        """The same over a catalogue with the same items, of which others may be withdrawn."""
        self._catalogue = catalogue
        return self

    def sources(self, item: ItemText, recommender: Recommends) -> list[Source]:
        """Records that COOL's background may be drawn from: of news, articles near it; of works, their own facts."""
        if not item.headline:
            facts = self._facts(item)
            return [Source(item_id=item.item_id, text=facts)] if facts else []
        near = [hit.item_id for hit in recommender.similar(item.item_id, RELATED) if hit.similarity >= LEAST_NEAR]
        found = [self.of(other) for other in near if other in self._catalogue and other != item.item_id]
        same = [other for other in found if other.category == item.category and other.text]
        return [Source(item_id=other.item_id, text=other.text) for other in same]

    def _facts(self, item: ItemText) -> str:
        """The item's attributes that its text doesn't tell, as sentences."""
        told = []
        for name, value in self._catalogue.get(item.item_id).attributes.items():
            values = [str(v) for v in (value if isinstance(value, list) else [value]) if not isinstance(v, bool)]
            if values and not any(v.casefold() in item.whole.casefold() for v in values):
                told.append(f"{name.replace('_', ' ').capitalize()}: {', '.join(values[:3])}.")
        return " ".join(told[:3])

    def of(self, item_id: str) -> ItemText:
        """One item's.

        Raises:
            UnknownItemError: there is no such item.
        """
        found = self._cache.get(item_id)
        if found is None:
            item = self._catalogue.get(item_id)
            value = item.attributes.get(self._category) if self._category else None
            kind = value[0] if isinstance(value, list) and value else value
            text = item.text if len(item.text) <= MOST_CHARS else item.text[:MOST_CHARS].rsplit(" ", 1)[0]
            found = ItemText(
                item_id=item.id,
                title=item.title,
                text=text.strip(),
                category="" if kind is None or isinstance(kind, list) else str(kind)[:80],
                headline=self.headlines,
            )
            if len(self._cache) > MOST_CHARS:
                self._cache.clear()
            self._cache[item_id] = found
        return found
