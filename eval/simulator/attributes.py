"""What a simulated person may say of the thing they have in mind, and which cards go against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agents.understanding.roles import Roles
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.folding import fold
from recsys_core.catalog.items import Item

Kind = Literal["genre", "decade", "length", "country", "language", "maker", "performer"]
BROAD: tuple[Kind, ...] = ("genre", "decade", "length", "country", "language")
"""What people say first; the other kinds come later, when those didn't help."""
PERFORMERS = 2
"""How many of those who play in it are remembered."""
COMMON = 0.6
"""A country or language that more of the catalogue has is nothing to mention."""


@dataclass(frozen=True)
class Attribute:
    """One thing that is true of the target.

    Attributes:
        kind: what it is about.
        field: field of the catalogue.
        value: as in the catalogue; empty for ranges.
        low: lower end of a range, inclusive.
        high: upper end of a range, inclusive.
        words: how it is said.
    """

    kind: Kind
    field: str
    value: str = ""
    low: float | None = None
    high: float | None = None
    words: str = ""

    def holds(self, item: Item) -> bool:
        """Whether it is true of an item."""
        found = item.attributes.get(self.field)
        if self.value:
            values = found if isinstance(found, list) else [found]
            return self.value in values
        if isinstance(found, bool) or not isinstance(found, int | float):
            return False
        return (self.low is None or found >= self.low) and (self.high is None or found <= self.high)


def attributes_of(item: Item, catalogue: Catalogue, roles: Roles) -> list[Attribute]:
    """Everything that may be said of an item, broad things first; empty for an item without facts."""
    found: list[Attribute] = []
    for name in roles.genres[:1]:
        found += [Attribute("genre", name, value, words=value.lower()) for value in _values(item, name)]
    if roles.year and isinstance(year := item.attributes.get(roles.year), int | float):
        decade = int(year) // 10 * 10
        found.append(Attribute("decade", roles.year, low=decade, high=decade + 9, words=f"the {_decade_words(decade)}"))
    if roles.duration and isinstance(minutes := item.attributes.get(roles.duration), int | float):
        found.append(_length(roles.duration, float(minutes)))
    places: tuple[tuple[Kind, str | None], ...] = (("country", roles.country), ("language", roles.language))
    for kind, place in places:
        if place is not None:
            rare = [v for v in _values(item, place)[:1] if _share(catalogue, place, v) <= COMMON]
            found += [Attribute(kind, place, value, words=value) for value in rare]
    for name in roles.makers[:1]:
        found += [Attribute("maker", name, value, words=value) for value in _values(item, name)[:1]]
    for name in roles.performers[:1]:
        found += [Attribute("performer", name, value, words=value) for value in _values(item, name)[:PERFORMERS]]
    return found


def _length(field: str, minutes: float) -> Attribute:
    for bound, words in ((90, "no longer than 90 minutes"), (120, "at most two hours")):
        if minutes <= bound:
            return Attribute("length", field, high=bound, words=words)
    bound, words = (150, "at least two and a half hours") if minutes >= 150 else (120, "at least two hours")
    return Attribute("length", field, low=bound, words=words)


def _decade_words(decade: int) -> str:
    return f"{decade % 100}s" if 1920 <= decade < 2000 else f"{decade}s"


def _values(item: Item, field: str) -> list[str]:
    value = item.attributes.get(field)
    if value is None:
        return []
    return [str(v) for v in value] if isinstance(value, list) else [str(value)]


def _share(catalogue: Catalogue, field: str, value: str) -> float:
    found = catalogue.postings(field).rows.get(fold(value))
    return len(found) / len(catalogue) if found is not None else 0.0
