"""Words that mean something only beside the cards on the table ("not that old") or the catalogue ("recent")."""

from __future__ import annotations

import re

import numpy as np

from agents.intent import Wish
from agents.understanding.roles import Roles
from agents.understanding.scene import Scene
from agents.understanding.text import Utterance
from recsys_core.catalog.catalogue import Catalogue

_MUCH = r"(?:(?:a (?:bit|little)|slightly|somewhat|much|even|way|something|anything|make (?:it|them)|ones?) )*"
_NOT_TOO = (
    r"(?:not|isn'?t|aren'?t|less|nothing|nothing that|no|don'?t want (?:anything|"
    r"something)?)\s*(?:that|too|so|as|very|quite|really|which is|these)?\s*"
)
_THEY = r"(?:these|they|those|that|it|this|all)(?:'re|'s| are| is| look| looks| seem| seems| feel| feels)?"
_TOO = (
    rf"(?:(?:{_THEY} )?(?:all )?(?:a (?:bit|little) |way |far |much )?too|"
    rf"{_THEY} (?:all )?(?:so|very|pretty|rather|quite|really|a bit|a little|kind of))\s+"
)

_NEWER = re.compile(
    rf"\b{_MUCH}(?:newer|more (?:recent|modern|current|contemporary))(?: (?:ones?|films?|"
    rf"movies?))?\b|\b{_NOT_TOO}(?:old|dated|ancient|old-fashioned)\b|\b{_TOO}(?:old|dated|ancient|old-fashioned)\b"
)
_OLDER = re.compile(
    rf"\b{_MUCH}(?:older|earlier|more (?:classic|vintage))(?: (?:ones?|films?|movies?))?\b|"
    rf"\b{_NOT_TOO}(?:new|recent|modern)\b|\b{_TOO}(?:new|recent|modern)\b"
)
_SHORTER = re.compile(rf"\b{_MUCH}shorter(?: (?:ones?|films?|movies?))?\b|\b{_NOT_TOO}long\b|\b{_TOO}long\b")
_LONGER = re.compile(rf"\b{_MUCH}longer(?: (?:ones?|films?|movies?))?\b|\b{_NOT_TOO}short\b|\b{_TOO}short\b")
_CHEAPER = re.compile(
    rf"\b{_MUCH}(?:cheaper|less expensive)\b|\b{_NOT_TOO}(?:expensive|dear|pricey)\b|"
    rf"\b{_TOO}(?:expensive|dear|pricey)\b"
)
_RECENT = re.compile(
    r"\b(?:recent(?:ly made)?|modern|contemporary|(?:brand )?new(?= (?:films?|movies?|"
    r"releases?|ones?|books?|albums?|stuff|french|italian|british))|new releases?|latest|"
    r"newest)\b"
)
_OLD = re.compile(
    r"\b(?:(?:old |all-time |great )?classics?|old(?:ies|ie)?(?: (?:school|time))?|vintage|golden age|old-fashioned)\b"
)
_SHORT = re.compile(r"\b(?:short|quick)\b(?! stor)")
_LONG = re.compile(r"\b(?:long|epic length)\b")
_CHEAP = re.compile(r"\b(?:cheap|inexpensive|affordable|budget)\b")


def read_relative(
    utterance: Utterance, scene: Scene, anchors: list[str], catalogue: Catalogue, roles: Roles
) -> tuple[list[Wish], list[str], bool]:
    """Take comparing words out of a message.

    Args:
        utterance: the message.
        scene: the cards that "newer" is compared with.
        anchors: item ids that the message itself names as examples; "like Fargo but newer" is newer than Fargo.
        catalogue: what "recent" is compared with, and "newer" where there are neither.
        roles: its fields by part.

    Returns:
        Wishes, sentences about what was assumed, and whether the message compares with the slate (so it refines).
    """
    wishes: list[Wish] = []
    notes: list[str] = []
    compares = False
    for name, down, up in (
        (roles.year, _OLDER, _NEWER),
        (roles.duration, _SHORTER, _LONGER),
        (roles.price, _CHEAPER, None),
    ):
        for pattern, direction in ((up, 1), (down, -1)):
            if name is None or pattern is None or utterance.pop(pattern) is None:
                continue
            wish = _beside(name, direction, anchors or [card.item_id for card in scene.slate], catalogue, roles)
            if wish is not None:
                wishes.append(wish)
                compares = compares or bool(scene.slate)
    for name, pattern, share, direction in (
        (roles.year, _RECENT, 0.75, 1),
        (roles.year, _OLD, 0.25, -1),
        (roles.duration, _SHORT, 0.25, -1),
        (roles.duration, _LONG, 0.75, 1),
        (roles.price, _CHEAP, 0.25, -1),
    ):
        if name is None:
            continue
        match = utterance.pop(pattern)
        if match is not None:
            wish = _in_catalogue(name, share, direction, catalogue, roles)
            wishes.append(wish)
            notes.append(
                f"I read \N{LEFT DOUBLE QUOTATION MARK}{match[0]}\N{RIGHT DOUBLE QUOTATION MARK} as {wish.words}."
            )
    return wishes, notes, compares


def _beside(name: str, direction: int, items: list[str], catalogue: Catalogue, roles: Roles) -> Wish | None:
    """A bound beside the median of some items, or of the catalogue without any."""
    values = catalogue.numbers(name)
    shown = values[catalogue.indices(items)] if items else values
    shown = shown[~np.isnan(shown)]
    if not len(shown):
        return None
    middle = float(np.median(shown))
    step = 1.0 if name in {roles.year, roles.duration} else 0.01
    if direction > 0:
        low = float(np.floor(middle)) + step
        return Wish(field=name, low=low, words=_words(name, low, None, roles))
    high = float(np.ceil(middle)) - step
    return Wish(field=name, high=high, words=_words(name, None, high, roles))


def _in_catalogue(name: str, share: float, direction: int, catalogue: Catalogue, roles: Roles) -> Wish:
    values = catalogue.numbers(name)
    edge = float(np.quantile(values[~np.isnan(values)], share)) if not np.isnan(values).all() else 0.0
    edge = float(round(edge)) if name in {roles.year, roles.duration} else edge
    low, high = (edge, None) if direction > 0 else (None, edge)
    return Wish(field=name, low=low, high=high, words=_words(name, low, high, roles))


def _words(name: str, low: float | None, high: float | None, roles: Roles) -> str:
    if name == roles.year:
        return f"from {low:.0f} or later" if low is not None else f"from {high:.0f} or earlier"
    if name == roles.duration:
        return f"at least {low:.0f} minutes long" if low is not None else f"at most {high:.0f} minutes long"
    return f"for at least {low:g}" if low is not None else f"for at most {high:g}"
