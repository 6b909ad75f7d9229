"""Item cards: poster of initials, facts, reason, thumbs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, Protocol

import streamlit as st

from app.ui import style
from app.visible import visible_deep

Card = dict[str, Any]
Vote = Callable[[Card, int], None]


class Reader(Protocol):
    """Knows the texts of cards as the visitor gets to read them."""

    def titled(self, card: Card) -> Card:
        """The card under the title to show."""
        ...

    def draw(self, card: Card, key: str) -> None:
        """Draw its text below the card; `key` is unique on the page."""
        ...


_MOST_COLUMNS = 5
_MOST_CHIPS = 4
_MOST_NAMES = 2
_MOST_LINES = 3
# What people look for first, in catalogues of many kinds; all other facts follow in the catalogue's order.
_TELLING = ("director", "author", "artist", "brand", "maker", "country", "runtime", "price", "certificate")


def card_html(card: Mapping[str, Any], vote: int = 0) -> str:
    """One card's picture and text; everything from outside is escaped, and nothing hidden in it is drawn."""
    card = visible_deep(dict(card))
    facts: dict[str, Any] = dict(card.get("facts") or {})
    title = str(card["title"])
    when = facts.pop("year", None)
    chips = _take_chips(facts)
    first, second = style.colours(title)
    parts = [
        f'<div class="sidra-card{" sidra-down" if vote < 0 else ""}">',
        f'<div class="sidra-poster" style="background:linear-gradient(150deg,{first},{second})">',
        f'<span class="slot">{int(card["slot"])}</span>',
        f'<span class="when">{escape(_plain(when))}</span>' if when is not None else "",
        f'<span class="initials">{escape(style.initials(title))}</span></div>',
        f'<div class="sidra-title" dir="auto">{escape(title)}</div>',
    ]
    if chips:
        parts.append('<div class="sidra-chips">' + "".join(f"<span>{escape(c)}</span>" for c in chips) + "</div>")
    parts.append(_facts_html(facts))
    if card.get("reason"):
        parts.append(f'<div class="sidra-reason" dir="auto">{escape(str(card["reason"]))}</div>')
    parts.append("</div>")
    return "".join(parts)


def draw_cards(
    cards: Sequence[Card], votes: Mapping[str, int], *, place: str, on_vote: Vote | None, reader: Reader | None = None
) -> None:
    """A grid of cards.

    Args:
        cards: as the API sent them.
        votes: thumbs by item id.
        place: prefix of the widgets' keys, unique on the page.
        on_vote: called with card and thumb; None draws no buttons, while the answer is still coming.
        reader: knows the texts of the cards; None draws none.
    """
    wide = _columns(len(cards))
    for begin in range(0, len(cards), wide):
        for column, card in zip(st.columns(wide, gap="small"), cards[begin : begin + wide], strict=False):
            item = str(card["item_id"])
            vote = votes.get(item, 0)
            with column, st.container(border=True, height="stretch", key=f"card-{place}-{card['slot']}"):
                with st.container(height="stretch"):
                    st.html(card_html(reader.titled(card) if reader else card, vote))
                    if reader is not None:
                        reader.draw(card, f"{place}-{card['slot']}")
                if on_vote is not None:
                    _thumbs(card, vote, f"{place}-{card['slot']}", on_vote)


def _facts_html(facts: dict[str, Any]) -> str:
    names = [name for name in _TELLING if name in facts] + [name for name in facts if name not in _TELLING]
    lines = [f"<b>{escape(_label(name))}</b> {escape(_plain(facts[name]))}" for name in names if _plain(facts[name])]
    if not lines:
        return ""
    shown, rest = "<br>".join(lines[:_MOST_LINES]), "<br>".join(lines[_MOST_LINES:])
    more = f"<details><summary>More</summary>{rest}</details>" if rest else ""
    return f'<div class="sidra-facts">{shown}{more}</div>'


def _thumbs(card: Card, vote: int, key: str, on_vote: Vote) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for value, icon, says in ((1, "thumb_up", "More like this"), (-1, "thumb_down", "Not for me")):
            pressed = vote == value
            st.button(
                f":material/{icon}:",
                key=f"{icon}-{key}",
                type="primary" if pressed else "tertiary",
                help=f"{says} (press again to take it back)" if pressed else says,
                on_click=on_vote,
                args=(card, 0 if pressed else value),
            )
        if vote:
            st.html(style.note("Liked" if vote > 0 else "Not for you"))


def _columns(count: int) -> int:
    if count <= _MOST_COLUMNS:
        return max(3, count)
    return 4 if count in {7, 8} else _MOST_COLUMNS


def _take_chips(facts: dict[str, Any]) -> list[str]:
    """The first list of tags becomes chips; the rest stay lines."""
    for name, value in facts.items():
        if isinstance(value, list):
            del facts[name]
            return [str(tag) for tag in value[:_MOST_CHIPS]]
    return []


def _plain(value: Any) -> str:
    if isinstance(value, list):
        more = f" +{len(value) - _MOST_NAMES}" if len(value) > _MOST_NAMES else ""
        return ", ".join(str(v) for v in value[:_MOST_NAMES]) + more
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()
