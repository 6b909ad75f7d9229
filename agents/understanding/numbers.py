"""Numbers in a message: durations, prices, stars, counts and any number field; a model never overrides them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from agents.intent import Wish
from agents.understanding.bounds import bound, span_wish, turned
from agents.understanding.durations import LESS, MORE, read_durations
from agents.understanding.negation import is_negative
from agents.understanding.roles import Roles
from agents.understanding.text import NUMBER_WORDS, Span, Utterance, to_number
from agents.understanding.years import read_years
from recsys_core.catalog.catalogue import Catalogue

_SMALL = "|".join(list(NUMBER_WORDS)[1:])
_N = rf"(?:\d+(?:[.,]\d+)?|{_SMALL}|a couple(?: of)?)"
_CURRENCY = r"(?:dollars?|euros?|pounds?|bucks|usd|eur|gbp)"
_MONEY_RANGE = re.compile(
    rf"\b(?:between |from )?[$€£]?\s*(?P<low>\d+(?:[.,]\d+)?)\s*(?:{_CURRENCY}\s*)?(?:-|to|and)\s*"
    rf"(?:(?P<sign>[$€£])\s*(?P<high>\d+(?:[.,]\d+)?)|(?P<high2>\d+(?:[.,]\d+)?)\s*{_CURRENCY})"
)
_MONEY = re.compile(
    rf"\b(?P<side>{LESS}|cheaper than|{MORE}|around|"
    rf"about)\s*(?P<sign>[$€£])?\s*(?P<n>\d+(?:[.,]\d+)?)\s*(?P<word>{_CURRENCY})?"
)
_RATED = r"(?:stars?|points?|rating|out of (?:\d+|five|ten))"
_STARS = re.compile(
    rf"\b(?:with (?:a )?rating (?:of )?|rated |with |rating (?:of )?|score (?:of )?)?(?P<side>at least|over|above|"
    rf"higher than|more than|"
    rf"better than|min(?:imum)?(?: of)?|at most|under|below|less than|no more than)\s*(?P<n>{_N})(?P<unit>\s*{_RATED})?"
    rf"(?!\s*(?:\w*dollars?|euros?|bucks|[$€£]))"
    rf"|\b(?P<n2>{_N})\+?\s*stars?(?: or (?:more|better|up|above|higher))|\brated (?P<n3>{_N})(?: or (?:more|"
    rf"better|up|above|higher)|\+)"
    rf"|\b(?P<n4>\d+(?:[.,]\d+)?)\+\s*{_RATED}"
)
_BETWEEN_STARS = re.compile(rf"\b(?:rated )?between\s*(?P<low>{_N})\s*and\s*(?P<high>{_N})\s*{_RATED}")
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
    rf"\b(?P<a>{'|'.join(list(NUMBER_WORDS)[1:])}|\d{{1,2}}) of them\b|\b(?P<b>one|1) (?:film|movie|"
    rf"book|album|song|game|item|one) only\b|"
    rf"(?:^\W*|\b(?:for|with|about)\s+)(?:(?:one|two|three|four|five|\d) or )?(?P<n>\d{{1,2}}|a couple of|"
    rf"{'|'.join(list(NUMBER_WORDS)[2:])})\s+(?!hours?|minutes?|mins?|stars?|years?)"
    rf"(?=(?:[a-z'-]+\s+){{0,2}}(?:{_COUNT_NOUN}|[a-z]*(?:ies|llers|dramas|rns|cals))\b)"
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
    if roles.duration:
        wishes += read_durations(utterance, negative, roles.duration)
    if roles.stars:
        wishes += _stars(utterance, negative, roles.stars, bare=roles.price is None)
    if roles.price:
        wishes += _prices(utterance, negative, roles.price)
    if roles.year:
        wishes += read_years(utterance, negative, roles.year, catalogue)
    return wishes, _count(utterance)


def _prices(utterance: Utterance, negative: list[Span], field: str) -> list[Wish]:
    found = []
    for m in utterance.pop_all(_MONEY_RANGE):
        least, most = sorted((to_number(m["low"]), to_number(m["high"] or m["high2"])))
        found.append(span_wish(field, least, most, f"for {least:g} to {most:g}", is_negative(negative, m.start())))
    for m in utterance.pop_all(_MONEY):
        amount = to_number(m["n"])
        if m["side"] in {"around", "about"}:
            found.append(span_wish(field, amount * 0.8, amount * 1.2, f"for about {amount:g}"))
            continue
        low, high = (amount, None) if re.fullmatch(MORE, m["side"]) else (None, amount)
        found.append(bound(field, low, high, "for {side} {value:g}", ruled_out=turned(negative, m)))
    return found


def _stars(utterance: Utterance, negative: list[Span], field: str, *, bare: bool) -> list[Wish]:
    """Ratings; "at least seven" alone is one only where no other field could be meant."""
    found = []
    for m in utterance.pop_all(_BETWEEN_STARS):
        least, most = sorted((to_number(m["low"]), to_number(m["high"])))
        found.append(span_wish(field, least, most, f"rated {least:g} to {most:g}", is_negative(negative, m.start())))
    for m in list(_STARS.finditer(utterance.view)):
        said = m["n"]
        if said and not (m["unit"] or re.match(r"(?:rat|with|score)", m[0]) or bare):
            continue
        utterance.take(*m.span())
        value = to_number(said or m["n2"] or m["n3"] or m["n4"])
        down = bool(m["side"]) and re.match("at most|under|below|less|no more", m["side"]) is not None
        low, high = (None, value) if down else (value, None)
        if turned(negative, m) and m["side"]:
            low, high = high, low
        words = f"rated {value:g} or better" if low is not None else f"rated {value:g} or lower"
        found.append(Wish(field=field, low=low, high=high, words=words))
    return found


def _named_fields(utterance: Utterance, negative: list[Span], roles: Roles) -> list[Wish]:
    """Bounds on any number field by its name ("weight under 500", "at least two oscars", "oscar winners")."""
    found = []
    for field, patterns in _field_patterns(roles.numbers):
        if patterns.stem not in utterance.low:
            continue
        said = field.replace("_", " ").replace("{", "").replace("}", "")
        for m in utterance.pop_all(patterns.between):
            least, most = sorted((to_number(m["a"] or m["c"]), to_number(m["b"] or m["d"])))
            found.append(
                span_wish(field, least, most, f"{said} {least:g} to {most:g}", is_negative(negative, m.start()))
            )
        for m in utterance.pop_all(patterns.bounds):
            value = to_number(m["n"] or m["n2"])
            cue = m["less"] or m["less2"] or m["more"] or m["more2"]
            low, high = (None, value) if m["less"] or m["less2"] else (value, None)
            if low is not None and re.match("more|over|above", cue) and patterns.counts and value.is_integer():
                low += 1
            found.append(bound(field, low, high, said + " {side} {value:g}", ruled_out=turned(negative, m)))
        for m in utterance.pop_all(patterns.some):
            if is_negative(negative, m.start()) or re.match(r"\s*(?:no|without)\b", m[0]):
                found.append(Wish(field=field, high=0, words=f"without {said}"))
            else:
                low = to_number(m["n"]) if m["n"] else 1
                found.append(
                    Wish(field=field, low=low, words=f"with {said}" if low == 1 else f"with at least {low:g} {said}")
                )
    return found


class _Patterns(NamedTuple):
    stem: str
    between: re.Pattern[str]
    bounds: re.Pattern[str]
    some: re.Pattern[str]
    counts: bool


@lru_cache(maxsize=16)
def _field_patterns(fields: tuple[str, ...]) -> list[tuple[str, _Patterns]]:
    """Patterns for each number field's own name; a plural name ("oscars") counts things, so "more than one" is two."""
    made = []
    for field in fields:
        stem = field.replace("_", " ").rstrip("s").casefold()
        if len(stem) < 2:
            continue
        name = rf"{re.escape(stem)}s?"
        made.append(
            (
                field,
                _Patterns(
                    stem,
                    re.compile(
                        rf"\b(?:between|from) (?P<a>{_N}) (?:and|to) (?P<b>{_N}) {name}\b|"
                        rf"\b{name} (?:of )?(?:between|from) (?P<c>{_N}) (?:and|to) (?P<d>{_N})\b"
                    ),
                    re.compile(
                        rf"\b(?:(?:with|won|having|has|got) )?(?:(?P<less>{LESS})|"
                        rf"(?P<more>{MORE}))\s*(?P<n>{_N})\s*{name}\b|"
                        rf"\b{name}\s*(?:of )?(?:(?P<less2>{LESS})|(?P<more2>{MORE}))\s*(?P<n2>{_N})\b"
                    ),
                    re.compile(
                        rf"\b(?:with|without|no|won|winning|has|have|got)\s+(?:an? |some |many |any |"
                        rf"the )?(?:(?P<n>{_N}) )?{name}\b|"
                        rf"\b(?:an? )?{name}[\s-](?:winn(?:er|ing)s?|awarded)\b"
                    ),
                    field.endswith("s"),
                ),
            )
        )
    return made


def _count(utterance: Utterance) -> int | None:
    match = utterance.pop(_COUNT) or utterance.pop(_COUNT_BARE)
    if match is None:
        return None
    said = next(word for word in match.groupdict().values() if word)
    return max(1, min(50, int(to_number(said))))
