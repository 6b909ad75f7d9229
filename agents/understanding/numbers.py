"""Numbers in a message: years, decades, durations, prices, stars, counts. They override what a model makes of them."""

from __future__ import annotations

import re

import numpy as np

from agents.intent import Wish
from agents.understanding.negation import is_negative
from agents.understanding.roles import Roles
from agents.understanding.text import NUMBER, NUMBER_WORDS, Span, Utterance, to_number
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
_PART = r"(?:(?P<part>early|mid|late)[\s-]+(?:the )?)?"
_LEAD = r"(?:\b(?:from|in|of|during|made in|set in)\s+)?(?:the\s+)?"

_BETWEEN = re.compile(rf"(?:\b(?:between|from)\s+)?{_YEAR}{_AND}{_YEAR}\b")
_AFTER = re.compile(
    rf"\b(?:made |released |from )?(?:after|later than|newer than|more recent than|post)[\s-]+{_YEAR}\b"
)
_SINCE = re.compile(
    rf"\b(?:since|no (?:older|earlier) than|starting (?:in|from)|not (?:older|earlier) than|not before)\s+{_YEAR}\b|"
    rf"\b(?:from\s+)?{_YEAR}\s*(?:\+|onwards?|and (?:later|newer|after|up)|or (?:later|newer)|on\b)"
)
_BEFORE = re.compile(rf"\b(?:made |released |from )?(?:before|prior to|earlier than|older than|pre)[\s-]+{_YEAR}\b")
_UNTIL = re.compile(
    rf"\b(?:until|till|up to|no (?:later|newer) than|not (?:after|later than|newer than))\s+{_YEAR}\b|"
    rf"\b{_YEAR}\s+(?:or|and) (?:earlier|older|before)\b"
)
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
_LAST_YEARS = re.compile(
    rf"\b(?:from |in |of )?(?:the )?(?:last|past)\s+(?P<n>{NUMBER}\s+)?(?P<unit>years?|decades?)\b"
)

_UNIT = r"(?P<unit>hours?|hrs?|minutes?|mins?|(?<=\d)\s*h|(?<=\d)\s*m)\b"
_LESS = (
    r"(?:under|less than|shorter than|below|at most|max(?:imum)?(?: of)?|up to|no longer than|"
    r"not longer than|no more than|not more than|within|fewer than|only have|have only|i have)"
)
_MORE = r"(?:over|more than|longer than|above|at least|min(?:imum)?(?: of)?|no shorter than|no less than)"
_ABOUT = r"(?:about|around|roughly|approximately|circa|some)"
_TIME = (
    rf"\b(?P<n>{NUMBER})(?P<half> and a half)?[\s-]*{_UNIT}(?:[\s-]*(?:and )?(?P<tail>a half|"
    rf"\d+)\s*(?:minutes?|mins?|min|m\b)?)?"
)
_DURATION = re.compile(
    rf"(?:(?P<less>{_LESS})|(?P<more>{_MORE})|(?P<about>{_ABOUT}))?\s*(?:the |a |an "
    rf")?{_TIME}(?P<after>\s*(?:max|tops|or less|or shorter|at most|or more|or longer|plus))?"
)

_MONEY = re.compile(
    rf"\b(?P<side>{_LESS}|cheaper than|{_MORE}|around|"
    rf"about)\s*(?P<sign>[$€£])?\s*(?P<n>\d+(?:[.,]\d+)?)\s*(?P<word>dollars?|euros?|pounds?|"
    rf"bucks|usd|eur|gbp)?"
)
_STARS = re.compile(
    r"\b(?:rated |with )?(?P<side>at least|over|above|more than|"
    r"min(?:imum)?)\s*(?P<n>\d+(?:[.,]\d+)?)\s*(?:stars?|points?|rating|out of \d+)|"
    r"\brated\s+(?P<side2>at least|over|above|higher than|more than)\s+(?P<n2>\d+(?:[.,"
    r"]\d+)?)|\b(?P<n3>\d+(?:[.,]\d+)?)\+?\s*stars?(?: or (?:more|better|up))"
)
_COUNT_NOUN = (
    r"(?:films?|movies?|books?|albums?|songs?|games?|items?|ones|suggestions?|"
    r"recommendations?|options?|picks?|titles?|ideas?|things?|results?|more|of them|others?|"
    r"shows?|series|products?)"
)
_COUNT = re.compile(
    rf"\b(?:(?:give|show|find|recommend|suggest|list|send|tell|name|get)(?: me| us)?|i (?:want|"
    rf"need|would like)|i'd like|just|only|top|want|exactly|make it|make that)"
    rf"\s+(?:just |only |the |top |a list of |exactly )*(?P<n>\d{{1,3}}|"
    rf"{'|'.join(list(NUMBER_WORDS)[1:])}|a couple(?: of)?)\b(?!\s*(?:hours?|hrs?|minutes?|"
    rf"mins?|stars?|years?|decades?|dollars|euros))"
    rf"(?!\s*[-.,]?\d)(?:\s+(?:good |great |nice |more |other |new )*{_COUNT_NOUN}\b)?"
)
_COUNT_BARE = re.compile(
    rf"(?:^|\b(?:for|with|about)\s+)(?P<n>\d{{1,2}}|"
    rf"{'|'.join(list(NUMBER_WORDS)[2:])})\s+(?!hours?|minutes?|mins?|stars?|years?)"
    rf"(?=(?:[a-z'-]+\s+){{0,2}}(?:{_COUNT_NOUN}|[a-z]+(?:ies|llers|dramas|rns|cals))\b)"
)


def read_numbers(
    utterance: Utterance, negative: list[Span], catalogue: Catalogue, roles: Roles
) -> tuple[list[Wish], int | None]:
    """Take every number with a meaning out of a message.

    Args:
        utterance: the message.
        negative: what is ruled out.
        catalogue: for what "the last ten years" and a bare "20s" refer to.
        roles: its fields by part; a number about a field that isn't there is left alone.

    Returns:
        Wishes on number fields, and how many items are wanted (None when not said).
    """
    wishes = _named_fields(utterance, negative, roles)
    if roles.stars:
        wishes += _stars(utterance, roles.stars)
    if roles.duration:
        wishes += _durations(utterance, negative, roles.duration)
    if roles.price:
        wishes += _prices(utterance, negative, roles.price)
    if roles.year:
        wishes += _years(utterance, negative, roles.year, catalogue)
    return wishes, _count(utterance)


def _wish(field: str, low: float | None, high: float | None, words: str, negative: bool = False) -> Wish:
    return Wish(field=field, low=low, high=high, negative=negative, words=f"not {words}" if negative else words)


def _turned(negative: list[Span], match: re.Match[str]) -> bool:
    """True when a bound is ruled out from outside ("nothing before 1990"), not by its own words ("no older than")."""
    return is_negative(negative, match.start()) and re.match(r"\s*(?:no|not)\b", match[0]) is None


def _bound(field: str, low: float | None, high: float | None, said: str, *, turned: bool, step: float = 0.0) -> Wish:
    """A one-sided range; when it is ruled out, the other side of it.

    Args:
        field: name of the field.
        low: lower bound, or None.
        high: upper bound, or None.
        said: pattern of its words with {side} and {value}; sides are "at least" and "at most".
        turned: whether it is ruled out.
        step: the smallest difference of two values.
    """
    if turned:
        low, high = (None, low - step) if low is not None else (None if high is None else high + step, None)
    value = low if low is not None else high
    return Wish(
        field=field, low=low, high=high, words=said.format(side="at least" if high is None else "at most", value=value)
    )


def _years(utterance: Utterance, negative: list[Span], field: str, catalogue: Catalogue) -> list[Wish]:
    found: list[Wish] = []

    def add(start: int, low: float | None, high: float | None, words: str) -> None:
        found.append(_wish(field, low, high, words, is_negative(negative, start)))

    newest = catalogue.fields[field].maximum or 0.0
    for m in utterance.pop_all(_LAST_YEARS):
        years = to_number(m["n"] or "1") * (10 if m["unit"].startswith("decade") else 1)
        add(m.start(), newest - years + 1, None, f"from {newest - years + 1:.0f} on")
    for m in utterance.pop_all(_DECADE_SIDE):
        first = _decade(m["first"], catalogue, field)
        low, high = (
            ((first, None) if m["side"] == "since" else (first + 10, None))
            if re.search("after|since|newer", m["side"])
            else (None, first - 1)
        )
        if _turned(negative, m):
            low, high = (None, low - 1) if low is not None else (first, None)
        words = f"from {low:.0f} on" if low is not None else f"up to {high:.0f}"
        found.append(_wish(field, low, high, words))
    for m in utterance.pop_all(_DECADES):
        found += _decade_wishes(m, field, catalogue, is_negative(negative, m.start()))
    for m in utterance.pop_all(_BETWEEN):
        low, high = sorted((float(m[1]), float(m[2])))
        add(m.start(), low, high, f"from {low:.0f} to {high:.0f}")
    # "not after 1990" before "after 1990": the longer reading wins
    for pattern, shift in ((_UNTIL, 0), (_SINCE, 0), (_AFTER, 1), (_BEFORE, -1), (_EXACT, 0)):
        for m in utterance.pop_all(pattern):
            year = float(next(g for g in m.groups() if g))
            if pattern is _EXACT:
                add(m.start(), year, year, f"from {year:.0f}")
                continue
            from_then_on = (pattern is _SINCE or pattern is _AFTER) != _turned(negative, m)
            edge = year + shift if not _turned(negative, m) else year + shift + (1 if from_then_on else -1)
            if from_then_on:
                found.append(_wish(field, edge, None, f"from {edge:.0f} on"))
            else:
                found.append(_wish(field, None, edge, f"up to {edge:.0f}"))
    return found


def _decade_wishes(m: re.Match[str], field: str, catalogue: Catalogue, ruled_out: bool) -> list[Wish]:
    first = _decade(m["first"], catalogue, field)
    last = _decade(m["second"] or m["other"] or m["first"], catalogue, field)
    first, last = min(first, last), max(first, last)
    low, high = {"early": (first, first + 3), "mid": (first + 3, first + 6), "late": (first + 6, first + 9)}.get(
        m["part"] or "", (first, last + 9)
    )
    if m["part"]:
        words = f"from the {m['part']} {first:.0f}s"
    else:
        words = f"from the {first:.0f}s" if first == last else f"from the {first:.0f}s to the {last:.0f}s"
    return [_wish(field, low, high, words, ruled_out)]


def _decade(text: str, catalogue: Catalogue, field: str) -> float:
    if text in {"two thousands", "noughties"}:
        return 2000.0
    digits = re.sub(r"\D", "", text)
    if len(digits) == 4:
        return float(digits)
    short = _DECADE_WORDS.get(text, int(digits) if digits else 0)
    years = catalogue.numbers(field)
    candidates = (1900.0 + short, 2000.0 + short)
    return max(candidates, key=lambda d: (int(np.sum((years >= d) & (years <= d + 9))), -d))


def _durations(utterance: Utterance, negative: list[Span], field: str) -> list[Wish]:
    found = []
    for m in utterance.pop_all(_DURATION):
        hours = m["unit"].strip().startswith("h")
        minutes = to_number(m["n"]) * (60 if hours else 1) + (30 if hours and m["half"] else 0)
        if hours and m["tail"]:
            minutes += 30 if m["tail"] == "a half" else float(m["tail"])
        less, more = m["less"], m["more"]
        if m["after"]:
            more, less = (m["after"], None) if re.search("more|longer|plus", m["after"]) else (None, m["after"])
        ruled_out = is_negative(negative, m.start()) and not (less or more)
        if m["about"]:
            found.append(_wish(field, minutes - 15, minutes + 15, f"about {minutes:.0f} minutes long", ruled_out))
        elif more or less:
            low, high = (minutes, None) if more else (None, minutes)
            said = "{side} {value:.0f} minutes long"
            found.append(_bound(field, low, high, said, turned=_turned(negative, m)))
        else:
            found.append(_wish(field, minutes - 10, minutes + 10, f"about {minutes:.0f} minutes long", ruled_out))
    return found


def _prices(utterance: Utterance, negative: list[Span], field: str) -> list[Wish]:
    found = []
    for m in utterance.pop_all(_MONEY):
        amount = to_number(m["n"])
        if m["side"] in {"around", "about"}:
            found.append(_wish(field, amount * 0.8, amount * 1.2, f"for about {amount:g}"))
            continue
        low, high = (amount, None) if re.fullmatch(_MORE, m["side"]) else (None, amount)
        found.append(_bound(field, low, high, "for {side} {value:g}", turned=_turned(negative, m)))
    return found


def _stars(utterance: Utterance, field: str) -> list[Wish]:
    found = []
    for m in utterance.pop_all(_STARS):
        value = to_number(m["n"] or m["n2"] or m["n3"])
        found.append(_wish(field, value, None, f"rated {value:g} or better"))
    return found


def _named_fields(utterance: Utterance, negative: list[Span], roles: Roles) -> list[Wish]:
    found = []
    for field in roles.numbers:
        name = re.escape(field.replace("_", " ").rstrip("s"))
        pattern = re.compile(
            rf"\b(?:(?P<less>{_LESS})|(?P<more>{_MORE}))\s*(?P<n>\d+(?:[.,]\d+)?)\s*{name}s?\b|"
            rf"\b{name}s?\s*(?:(?P<less2>{_LESS})|(?P<more2>{_MORE}))\s*(?P<n2>\d+(?:[.,]\d+)?)"
        )
        for m in utterance.pop_all(pattern):
            value = to_number(m["n"] or m["n2"])
            low, high = (None, value) if m["less"] or m["less2"] else (value, None)
            said = field.replace("_", " ").replace("{", "").replace("}", "") + " {side} {value:g}"
            found.append(_bound(field, low, high, said, turned=_turned(negative, m)))
        if utterance.pop(
            re.compile(
                rf"\b(?:with|won|winning|has|have|got)\s+(?:an? |some |many )?{name}s?\b|"
                rf"\b{name}s?[\s-]winn(?:er|ing)s?\b"
            )
        ):
            found.append(_wish(field, 1, None, f"with {field.replace('_', ' ')}"))
    return found


def _count(utterance: Utterance) -> int | None:
    match = utterance.pop(_COUNT) or utterance.pop(_COUNT_BARE)
    if match is None:
        return None
    return max(1, min(50, int(to_number(match["n"]))))
