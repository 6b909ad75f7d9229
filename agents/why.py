"""Longer answers about one item, made of measured reasons and catalogue facts only."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from agents.cards import facts_of, join_words, sentence, shared_values, spoken_title
from agents.intent import Wish
from agents.state import Fact, WorkingRequest
from agents.understanding.roles import Roles
from agents.understanding.vocabulary import with_article
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import Item
from tools.recommend import Because


def why_text(
    item: Item, because: list[Because], fits: list[Wish], request: WorkingRequest, catalogue: Catalogue, roles: Roles
) -> str:
    """Why an item was recommended.

    Args:
        item: the item.
        because: history items that weighed in, heaviest first.
        fits: wishes it fulfils.
        request: the running request.
        catalogue: for the items it should be like.
        roles: its fields by part.
    """
    title = spoken_title(item.title)
    parts = []
    if fits:
        parts.append(f"{title} fits what you asked for: {join_words(list(dict.fromkeys(w.words for w in fits))[:4])}.")
    for anchor in request.anchors[:2]:
        shared = shared_values(catalogue, roles, item.id, anchor)
        name = spoken_title(catalogue.get(anchor).title)
        parts.append(
            f"It shares {join_words(shared)} with {name}." if shared else f"It is close to {name} in who likes it."
        )
    history = [b for b in because if b.item_id not in request.anchors][:3]
    if history:
        titles = join_words([spoken_title(b.title) for b in history])
        parts.append(
            f"From your history, {titles} weighed most: without "
            f"{'it' if len(history) == 1 else 'them'} {title} would rank lower."
        )
    elif any(b.item_id in request.anchors for b in because):
        parts.append("Measured on the model, that likeness is what lifted it.")
    if not parts:
        parts.append(
            f"{title} is what people with similar tastes tend to choose; no single item of your "
            f"history stands out as the reason."
        )
    if request.words and not fits and not request.anchors:
        parts.append(
            f"It came closest to your words "
            f"\N{LEFT DOUBLE QUOTATION MARK}{request.words}\N{RIGHT DOUBLE QUOTATION MARK}."
        )
    return " ".join(parts)


def about_text(item: Item, catalogue: Catalogue, roles: Roles) -> str:
    """What an item is, in its catalogue's words and facts."""
    title = spoken_title(item.title)
    facts = facts_of(catalogue, item.id)
    if item.text.strip():
        return f"{title}: {plain_text(item.text)}{_length(item, facts, roles)}"
    told = [told_fact(name, value, roles) for name, value in facts.items()]
    return sentence(f"{title}: {'; '.join(told)}" if told else f"the catalogue holds nothing more about {title}")


def _length(item: Item, facts: Mapping[str, Fact], roles: Roles) -> str:
    """A sentence on how long the item is, where its text doesn't say."""
    minutes = facts.get(roles.duration or "")
    if not isinstance(minutes, int | float) or f"{minutes:g}" in item.text:
        return ""
    return f" It is {minutes:g} minutes long."


def plain_text(text: str, width: int = 400) -> str:
    """Untrusted text on one line without control characters or markup brackets, shortened at a word."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    for bracket in "<>`[]":
        shown = shown.replace(bracket, "")
    return sentence(textwrap.shorten(" ".join(shown.split()), width, placeholder=" \N{HORIZONTAL ELLIPSIS}"))


def told_fact(name: str, value: Fact, roles: Roles) -> str:
    """One fact in words."""
    said = join_words([str(v) for v in value]) if isinstance(value, list) else str(value)
    if name in roles.makers or name in roles.writers:
        return f"by {said}"
    if name in roles.performers:
        return f"with {said}"
    if name == roles.country:
        return f"from {join_words([with_article(str(v)) for v in (value if isinstance(value, list) else [value])])}"
    if name == roles.language:
        return f"in {said}"
    if name == roles.duration:
        return f"{said} minutes"
    if name in roles.genres or name == roles.year:
        return said.lower() if name in roles.genres else said
    return f"{name.replace('_', ' ')} {said}"
