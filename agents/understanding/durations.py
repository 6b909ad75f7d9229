"""Lengths of time in a message: "under two hours", "between 90 minutes and two hours", "1h40", "a two-hour film"."""

from __future__ import annotations

import re

from agents.intent import Wish
from agents.understanding.bounds import bound, span_wish, turned
from agents.understanding.negation import is_negative
from agents.understanding.text import NUMBER, Span, Utterance, to_number

LESS = (
    r"(?:under|less than|shorter than|below|at most|max(?:imum)?(?: of)?|up to|no longer than|"
    r"not longer than|no more than|not more than|not over|within|fewer than|only have|have only|"
    r"i(?:'ve)? (?:only )?(?:have|got)|"
    r"we(?:'ve)? (?:only )?(?:have|got))"
)
"""Pattern: an upper bound follows."""
MORE = (
    r"(?:over|more than|longer than|above|at least|min(?:imum)?(?: of)?|no shorter than|no less than|"
    r"not under|not less than)"
)
"""Pattern: a lower bound follows."""
_UNIT = r"(?:hours?|hrs?|minutes?|mins?|(?<=\d)\s*h|(?<=\d)\s*m)\b"
_CLOCK = r"\d\s*(?:h|:)\s*[0-5]\d(?:\s*m(?:in)?)?\b"
_TIME = (
    rf"(?:{_CLOCK}|(?:{NUMBER})(?: and a half)?[\s-]*{_UNIT}"
    rf"(?:[\s-]*(?:and )?(?:a half|a quarter|{NUMBER})(?:[\s-]*(?:minutes?|mins?|min|m\b))?)?)"
)
_RANGE = re.compile(
    rf"\b(?:between |from )?(?P<first>{_TIME}|{NUMBER})\s*(?:-|to|and|until)\s*(?:about |"
    rf"around )?(?P<second>{_TIME})(?: long)?"
)
_ONE = re.compile(
    rf"(?:\b(?P<less>{LESS})|\b(?P<more>{MORE})|\b(?P<about>about|around|roughly|approximately|circa|"
    rf"some))?\s*(?:the |a |an |like |about )?"
    rf"\b(?P<time>{_TIME})(?P<after>\s*(?:max(?:imum)?|tops|or less|or shorter|at most|or more|or longer|plus|"
    rf"minimum))?"
    r"(?: long)?(?P<fine>\s+(?:is|are|would be|works?)\s+(?:also |just )?(?:fine|ok(?:ay)?|alright|good)\b)?"
)
_PARTS = re.compile(
    rf"(?P<n>{NUMBER})(?P<half> and a half)?[\s-]*(?P<unit>h|m)[a-z]*(?:[\s-]*(?:and )?(?P<tail>a half|a quarter|"
    rf"{NUMBER}))?"
)


def minutes_of(text: str) -> float:
    """How many minutes a piece of text like "an hour and a half" or "1h40" means."""
    text = text.strip()
    clock = re.match(r"(\d)\s*(?:h|:)\s*([0-5]\d)", text)
    if clock:
        return float(clock[1]) * 60 + float(clock[2])
    parts = _PARTS.match(text)
    if parts is None:
        return to_number(text)
    hours = parts["unit"] == "h"
    minutes = (to_number(parts["n"]) + (0.5 if parts["half"] else 0.0)) * (60 if hours else 1)
    if parts["tail"]:
        minutes += {"a half": 30.0, "a quarter": 15.0}.get(parts["tail"]) or to_number(parts["tail"])
    return minutes


def read_durations(utterance: Utterance, negative: list[Span], field: str) -> list[Wish]:
    """Take every length of time out of a message.

    Args:
        utterance: the message.
        negative: what is ruled out.
        field: the catalogue's field of minutes.
    """
    found: list[Wish] = []
    if not re.search(r"\bh(?:ou)?rs?\b|min|\d\s*[hm:]", utterance.low):
        return found
    for m in utterance.pop_all(_RANGE):
        second = minutes_of(m["second"])
        first = minutes_of(m["first"])
        if not re.search(r"[a-z:]", re.sub(NUMBER, "", m["first"])):
            # "one to two hours", "90 to 120 minutes": the first takes the second's unit
            first *= 60 if re.search(r"h(?:ou)?rs?\b", m["second"]) and first <= 5 else 1
        least, most = sorted((first, second))
        found.append(
            span_wish(field, least, most, f"{least:.0f} to {most:.0f} minutes long", is_negative(negative, m.start()))
        )
    for m in utterance.pop_all(_ONE):
        minutes = minutes_of(m["time"])
        less, more = m["less"], m["more"]
        if m["fine"] and not more:
            less = m["fine"]  # what is fine too is the most that is
        if m["after"]:
            more, less = (m["after"], None) if re.search("more|longer|plus|minimum", m["after"]) else (None, m["after"])
        ruled_out = is_negative(negative, m.start()) and not (less or more)
        if more or less:
            low, high = (minutes, None) if more else (None, minutes)
            found.append(bound(field, low, high, "{side} {value:.0f} minutes long", ruled_out=turned(negative, m)))
            continue
        room = 15 if m["about"] else 10
        found.append(span_wish(field, minutes - room, minutes + room, f"about {minutes:.0f} minutes long", ruled_out))
    return found
