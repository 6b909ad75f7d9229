"""Shorthand written out, so that every reader sees the long form: "-romance", "'74", "nineteen ninety-four"."""

from __future__ import annotations

import re

_UNITS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
_TEENS = {
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_OUT = re.compile(r"(?<!\S)-(?=[^\W\d_]{3})")
_SHORT_YEAR = re.compile(
    r"(?<![\w\N{RIGHT SINGLE QUOTATION MARK}'])['\N{RIGHT SINGLE QUOTATION MARK}](?P<n>\d\d)(?![\w'])"
)
_YEAR_IN_WORDS = re.compile(
    r"\b(?P<century>nineteen|twenty)[\s-]+(?:(?P<tens>"
    + "|".join(_TENS)
    + r")(?:[\s-]+(?P<unit>"
    + "|".join(_UNITS)
    + r"))?|"
    r"(?P<teen>"
    + "|".join(_TEENS)
    + r")|(?:oh|o)[\s-]+(?P<oh>"
    + "|".join(_UNITS)
    + r"))\b(?!\s*(?:minutes?|mins?|films?|movies?))",
    re.IGNORECASE,
)
_PIVOT = 30
"""A year of two digits below this is of this century."""


def spelled_out(message: str) -> str:
    """The message with shorthand replaced; everything else stays to the letter."""
    message = _OUT.sub("no ", message)
    message = _SHORT_YEAR.sub(lambda m: str((2000 if int(m["n"]) < _PIVOT else 1900) + int(m["n"])), message)
    return _YEAR_IN_WORDS.sub(_year, message)


def _year(match: re.Match[str]) -> str:
    low = {name: (value or "").lower() for name, value in match.groupdict().items()}
    century = 1900 if low["century"] == "nineteen" else 2000
    rest = (
        _TENS.get(low["tens"], 0) + _UNITS.get(low["unit"], 0) + _TEENS.get(low["teen"], 0) + _UNITS.get(low["oh"], 0)
    )
    return str(century + rest)
