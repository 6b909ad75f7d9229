"""Years in a message: a year, a span of years, a decade or a part of one, "the last ten years", "this century"."""

from __future__ import annotations

import re

import numpy as np

from agents.intent import Wish
from agents.understanding.bounds import span_wish, turned
from agents.understanding.negation import is_negative
from agents.understanding.text import NUMBER, Span, Utterance, to_number
from recsys_core.catalog.catalogue import Catalogue

_YEAR = r"(1[5-9]\d\d|20\d\d)"
_AND = r"\s*(?:-|to|and|until|till|through)\s*(?:the )?"
_DECADE_WORDS = {
    "twenties": 20,
    "thirties": 30,
    "forties": 40,
    "fifties": 50,
    "sixties": 60,
    "seventies": 70,
    "eighties": 80,
    "nineties": 90,
}
_DECADE = r"(?:'?\d0'?s|(?:1[5-9]|20)\d0'?s|" + "|".join(_DECADE_WORDS) + r"|two thousands|noughties)"
_PART = r"(?:(?P<part>early|mid(?:dle)?|late|beginning of|start of|end of)[\s-]+(?:the )?)?"
_LEAD = r"(?:\b(?:from|in|of|during|made in|set in)\s+)?(?:the\s+)?(?:good old |swinging |roaring |golden )?"
# "before my birth year 1985", "since I was born in 1985"
_OWN = (
    r"(?:(?:my (?:birth ?year|year of birth|birth|time)|(?:the year )?(?:i|we) (?:was|were|got) (?:born|married)|"
    r"the year|about|around)(?: in| of|,)? ?)?"
)

_BETWEEN = re.compile(rf"(?:\b(?:between|from)\s+)?{_YEAR}{_AND}{_YEAR}\b")
_AFTER = re.compile(
    rf"\b(?:made |released |from )?(?:after|later than|newer than|more recent than|post)[\s-]+{_OWN}{_YEAR}\b"
)
_SINCE = re.compile(
    rf"\b(?:since|no (?:older|earlier) than|starting (?:in|from)|not (?:older|earlier) than|"
    rf"not before)\s+{_OWN}{_YEAR}\b|"
    rf"\b(?:from\s+)?{_YEAR}\s*(?:\+|onwards?|and (?:later|newer|after|up)|or (?:later|newer)|on\b)"
)
_BEFORE = re.compile(
    rf"\b(?:made |released |from )?(?:before|prior to|earlier than|older than|pre)[\s-]+{_OWN}{_YEAR}\b"
)
_UNTIL = re.compile(
    rf"\b(?:until|till|up to|no (?:later|newer) than|not (?:after|later than|newer than))\s+{_OWN}{_YEAR}\b|"
    rf"\b{_YEAR}\s+(?:or|and) (?:earlier|older|before)\b"
)
_ABOUT = re.compile(rf"\b(?:about|around|circa|ca\.?|roughly)\s+(?:the year )?{_YEAR}\b(?!\s*(?:minutes|min|pages))")
_EXACT = re.compile(
    rf"(?:\b(?:from|in|of|made in|released in|the year)\s+)?\b{_YEAR}\b(?!\s*(?:minutes|min|pages|dollars|euros))"
)
_DECADES = re.compile(
    rf"{_LEAD}{_PART}(?P<first>{_DECADE})(?:{_AND}(?P<second>{_DECADE})|\s*(?:or|/)\s*(?:the "
    rf")?(?P<other>{_DECADE}))?(?![\w])"
)
_DECADE_SIDE = re.compile(
    rf"\b(?P<side>after|since|before|until|pre|older than|newer than|from before|from "
    rf"after)[\s-]+(?:the\s+)?(?P<first>{_DECADE})(?![\w])"
)
_CENTURY = re.compile(
    r"\b(?:(?P<since>since|after|from) (?:the )?(?:turn of the )?(?:new )?(?:millenn?ium|century|y2k)|"
    r"(?P<before>before|until|pre) ?-?(?:the )?(?:turn of the )?(?:new )?(?:millenn?ium|century)|"
    r"(?:from |of |in )?(?P<this>(?:this|the (?:current|present|new|21st|twenty-first)) (?:century|millenn?ium))|"
    r"(?:from |of |in )?(?P<last>(?:the )?(?:last|20th|twentieth|previous) century))\b"
)
_HALF = re.compile(
    r"\b(?:from |in )?(?:the )?(?P<half>first|second|latter|early|last|other) half of "
    rf"(?:(?P<century>(?:the )?(?:last|20th|twentieth|previous) century)|(?:the )?(?P<decade>{_DECADE})|"
    r"(?P<it>it|that))(?![\w])"
)
_LAST_YEARS = re.compile(
    rf"\b(?:from |in |of )?(?:the )?(?:last|past)\s+(?P<n>{NUMBER}\s+)?(?P<unit>years?|decades?)\b"
)
_PARTS = {
    "early": (0, 3), "beginning of": (0, 3), "start of": (0, 3),
    "mid": (3, 6), "middle": (3, 6), "late": (6, 9), "end of": (6, 9),
}  # fmt: skip


def read_years(utterance: Utterance, negative: list[Span], field: str, catalogue: Catalogue) -> list[Wish]:
    """Take every year out of a message.

    Args:
        utterance: the message.
        negative: what is ruled out.
        field: the catalogue's year field.
        catalogue: for what "the last ten years" and a bare "20s" refer to.
    """
    if not re.search(
        rf"\d|years?\b|decade|century|mill|y2k|ties\b|two thousands|{'|'.join(_DECADE_WORDS)}", utterance.low
    ):
        return []
    return [
        *_periods(utterance, negative, field, catalogue),
        *_decades(utterance, negative, field, catalogue),
        *_single(utterance, negative, field),
    ]


def _periods(utterance: Utterance, negative: list[Span], field: str, catalogue: Catalogue) -> list[Wish]:
    found: list[Wish] = []
    newest = catalogue.fields[field].maximum or 0.0
    for m in utterance.pop_all(_LAST_YEARS):
        years = to_number(m["n"] or "1") * (10 if m["unit"].startswith("decade") else 1)
        low = newest - years + 1
        found.append(span_wish(field, low, None, f"from {low:.0f} on", is_negative(negative, m.start())))
    for m in utterance.pop_all(_HALF):
        later = m["half"] not in {"first", "early"}
        whole = utterance.pop(_CENTURY) if m["it"] else None
        if m["decade"]:
            first, length = _decade(m["decade"], field, catalogue), 5
        elif m["century"] or (whole is not None and whole["last"]):
            first, length = 1900.0, 50
        else:
            continue
        low = first + length if later else first
        words = f"from {low:.0f} to {low + length - 1:.0f}"
        found.append(span_wish(field, low, low + length - 1, words, is_negative(negative, m.start())))
    for m in utterance.pop_all(_CENTURY):
        on = bool(m["since"] or m["this"]) != (is_negative(negative, m.start()))
        found.append(
            span_wish(field, 2000.0, None, "from 2000 on") if on else span_wish(field, None, 1999.0, "up to 1999")
        )
    return found


def _decades(utterance: Utterance, negative: list[Span], field: str, catalogue: Catalogue) -> list[Wish]:
    found: list[Wish] = []
    for m in utterance.pop_all(_DECADE_SIDE):
        first = _decade(m["first"], field, catalogue)
        low, high = (
            ((first, None) if m["side"] == "since" else (first + 10, None))
            if re.search("after|since|newer", m["side"])
            else (None, first - 1)
        )
        if turned(negative, m):
            low, high = (None, low - 1) if low is not None else (first, None)
        words = f"from {low:.0f} on" if low is not None else f"up to {high:.0f}"
        found.append(span_wish(field, low, high, words))
    for m in utterance.pop_all(_DECADES):
        found.append(_decade_wish(m, field, catalogue, is_negative(negative, m.start())))
    return found


def _single(utterance: Utterance, negative: list[Span], field: str) -> list[Wish]:
    """Single years and spans between two."""
    found: list[Wish] = []

    def add(start: int, low: float | None, high: float | None, words: str) -> None:
        found.append(span_wish(field, low, high, words, is_negative(negative, start)))

    for m in utterance.pop_all(_BETWEEN):
        low, high = sorted((float(m[1]), float(m[2])))
        add(m.start(), low, high, f"from {low:.0f} to {high:.0f}")
    for m in utterance.pop_all(_ABOUT):
        add(m.start(), float(m[1]) - 2, float(m[1]) + 2, f"from about {m[1]}")
    # "not after 1990" before "after 1990": the longer reading wins
    for pattern, shift in ((_UNTIL, 0), (_SINCE, 0), (_AFTER, 1), (_BEFORE, -1), (_EXACT, 0)):
        for m in utterance.pop_all(pattern):
            year = float(next(g for g in m.groups() if g))
            if pattern is _EXACT:
                add(m.start(), year, year, f"from {year:.0f}")
                continue
            from_then_on = (pattern is _SINCE or pattern is _AFTER) != turned(negative, m)
            edge = year + shift if not turned(negative, m) else year + shift + (1 if from_then_on else -1)
            if from_then_on:
                found.append(span_wish(field, edge, None, f"from {edge:.0f} on"))
            else:
                found.append(span_wish(field, None, edge, f"up to {edge:.0f}"))
    return found


def _decade_wish(m: re.Match[str], field: str, catalogue: Catalogue, ruled_out: bool) -> Wish:
    first = _decade(m["first"], field, catalogue)
    last = _decade(m["second"] or m["other"] or m["first"], field, catalogue)
    first, last = min(first, last), max(first, last)
    if m["part"]:
        begin, end = _PARTS[m["part"]]
        spoken = "early" if begin == 0 else "mid" if begin == 3 else "late"
        # "from the late eighties to the nineties" begins late and ends with the second decade
        return span_wish(
            field,
            first + begin,
            first + end if first == last else last + 9,
            f"from the {spoken} {first:.0f}s" + ("" if first == last else f" to the {last:.0f}s"),
            ruled_out,
        )
    words = f"from the {first:.0f}s" if first == last else f"from the {first:.0f}s to the {last:.0f}s"
    return span_wish(field, first, last + 9, words, ruled_out)


def _decade(text: str, field: str, catalogue: Catalogue) -> float:
    if text in {"two thousands", "noughties"}:
        return 2000.0
    digits = re.sub(r"\D", "", text)
    if len(digits) == 4:
        return float(digits)
    return _fuller(_DECADE_WORDS.get(text, int(digits) if digits else 0), field, catalogue)


def _fuller(short: int, field: str, catalogue: Catalogue) -> float:
    """Of two centuries' decades the one that holds more of the catalogue; the older when they hold the same."""
    years = catalogue.numbers(field)
    return max((1900.0 + short, 2000.0 + short), key=lambda d: (int(np.sum((years >= d) & (years <= d + 9))), -d))
