"""From item ids to cards: which facts are shown, and the reason that facts alone can give."""

from __future__ import annotations

import re

from agents.intent import Wish
from agents.state import Fact, SlateCard, WorkingRequest
from agents.understanding.roles import Roles
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.filters import ItemFilter
from recsys_core.catalog.items import AttributeValue
from tools.inert import inert
from tools.recommend import Recommendation

MAX_TAGS = 4
"""How many values of one field a card shows."""
MAX_VALUE_CHARS = 60
"""Longer values are no facts but texts."""


def make_cards(
    items: list[Recommendation], request: WorkingRequest, catalogue: Catalogue, roles: Roles
) -> list[SlateCard]:
    """Numbered cards with facts and first reasons."""
    fitting = {
        wish.words: ItemFilter(all_of=[wish.condition(catalogue.fields[wish.field].kind.value)]).mask(catalogue)
        for wish in request.wishes
        if not wish.negative
    }
    cards = []
    for slot, item in enumerate(items, start=1):
        index = catalogue.index(item.item_id)
        fits = [wish for wish in request.wishes if not wish.negative and bool(fitting[wish.words][index])]
        cards.append(
            SlateCard(
                slot=slot,
                item_id=item.item_id,
                title=catalogue.titles[index],
                facts=facts_of(catalogue, item.item_id),
                reason=first_reason(item.item_id, fits, request, catalogue, roles),
                score=round(item.score, 4),
            )
        )
    return cards


def facts_of(catalogue: Catalogue, item_id: str) -> dict[str, Fact]:
    """The attributes of an item that fit on a card."""
    return {
        name: shown for name, value in catalogue.get(item_id).attributes.items() if (shown := _shown(value)) is not None
    }


def shared_values(catalogue: Catalogue, roles: Roles, item_id: str, other_id: str) -> list[str]:
    """What two items have in common: kinds first, then people, then country."""
    one, two = catalogue.get(item_id).attributes, catalogue.get(other_id).attributes
    shared: list[str] = []
    for name in (*roles.genres, *roles.people):
        mine, others = _values(one.get(name)), {v.casefold() for v in _values(two.get(name))}
        shared += [v.lower() if name in roles.genres else v for v in mine if v.casefold() in others]
    return list(dict.fromkeys(shared))[:3]


def first_reason(item_id: str, fits: list[Wish], request: WorkingRequest, catalogue: Catalogue, roles: Roles) -> str:
    """A reason from facts: which wishes it fulfils, and what it shares with the items it should be like."""
    parts = []
    for anchor in request.anchors[:2]:
        shared = shared_values(catalogue, roles, item_id, anchor)
        if shared:
            parts.append(f"shares {join_words(shared)} with {spoken_title(catalogue.get(anchor).title)}")
    if fits:
        parts.append("as asked: " + ", ".join(list(dict.fromkeys(wish.words for wish in fits))[:3]))
    return sentence(inert("; ".join(parts))) if parts else ""


def plain_title(title: str) -> str:
    """A title as text on one line, inert (`tools.inert`), at most 120 characters."""
    return inert(title)[:120].rstrip() or "an untitled item"


def spoken_title(title: str) -> str:
    """A title as it is said: no year behind it, the article in front."""
    shown = re.sub(r"\s*\((?:1[89]|20)\d\d\)$", "", plain_title(title))
    moved = re.fullmatch(r"(?P<rest>.+), (?P<article>The|A|An|Le|La|Les|Il|El|Los|Das|Der|Die|Det)", shown)
    return f"{moved['article']} {moved['rest']}" if moved else shown


def join_words(words: list[str], last: str = "and") -> str:
    """Words as a list in a sentence: one; one and two; one, two and three."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def singular(noun: str) -> str:
    """One of what a plural noun names: film, story, dish, series."""
    for ending, one in (("series", "series"), ("species", "species"), ("ovies", "ovie"), ("ies", "y")):
        if noun.endswith(ending) and len(noun) > len(ending) - 1:
            return noun.removesuffix(ending) + one
    if noun.endswith(("ches", "shes", "xes", "sses", "zes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun


def sentence(text: str) -> str:
    """With a capital in front and a full stop behind."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".") if text else ""


def _shown(value: AttributeValue) -> Fact | None:
    if isinstance(value, list):
        short = [v for v in value if len(v) <= MAX_VALUE_CHARS][:MAX_TAGS]
        return short or None
    if isinstance(value, str):
        return value if 0 < len(value) <= MAX_VALUE_CHARS else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _values(value: AttributeValue | None) -> list[str]:
    if value is None:
        return []
    return value if isinstance(value, list) else [str(value)]
