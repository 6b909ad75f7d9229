"""Shorthand is written out, and nothing else is touched."""

from __future__ import annotations

import pytest

from agents.understanding.spelled import spelled_out


@pytest.mark.parametrize(
    ("message", "written_out"),
    [
        ("-romance", "no romance"),
        ("comedy -musicals please", "comedy no musicals please"),
        ("not before '74", "not before 1974"),
        ("since \N{RIGHT SINGLE QUOTATION MARK}05", "since 2005"),
        ("make that nineteen ninety-four", "make that 1994"),
        ("Nineteen eighty", "1980"),
        ("twenty oh three", "2003"),
        ("nineteen fifteen or so", "1915 or so"),
        ("the '80s", "the '80s"),
        ("sci-fi, half-hour long", "sci-fi, half-hour long"),
        ("- a - b", "- a - b"),
        ("don't 'quote' me", "don't 'quote' me"),
        ("twenty five films", "twenty five films"),
        ("at -5 degrees", "at -5 degrees"),
    ],
)
def test_shorthand(message: str, written_out: str) -> None:
    assert spelled_out(message) == written_out
    assert spelled_out(written_out) == written_out
