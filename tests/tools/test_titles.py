"""Linking what people write to catalogue titles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.titles import LIKELY, SURE, TitleIndex, plain

TITLES = [
    "Fargo (1996)",
    "Godfather, The (1972)",
    "Postino, Il (1994)",
    "Star Wars: Episode IV - A New Hope (1977)",
    "Empire Strikes Back, The (1980)",
    "Shanghai Triad (Yao a yao yao dao waipo qiao) (1995)",
    "Sabrina (1954)",
    "Sabrina (1995)",
    "2001: A Space Odyssey (1968)",
    "Amélie (2001)",
    "It (1927)",
    "A (1998)",
    "M*A*S*H (1970)",
    "Batman & Robin (1997)",
]
YEARS = np.array([1996, 1972, 1994, 1977, 1980, 1995, 1954, 1995, 1968, 2001, 1927, 1998, 1970, 1997], dtype=float)


@pytest.fixture(scope="module")
def index() -> TitleIndex:
    return TitleIndex(TITLES, YEARS, np.arange(14)[::-1].copy())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("fargo", 0),
        ("Fargo (1996)", 0),
        ("the godfather", 1),
        ("Godfather", 1),
        ("GODFATHER, THE", 1),
        ("il postino", 2),
        ("Star Wars", 3),
        ("the empire strikes back", 4),
        ("yao a yao yao dao waipo qiao", 5),
        ("sabrina", 6),
        ("Sabrina 1995", 7),
        ("Sabrina (1954)", 6),
        ("2001 a space odyssey", 8),
        ("amelie", 9),
        ("“Fargo”", 0),
        ("batman and robin", 13),
    ],
)
def test_sure_links(index: TitleIndex, text: str, wanted: int) -> None:
    best = index.link(text)[0]
    assert best.index == wanted
    assert best.confidence >= SURE


@pytest.mark.parametrize(("text", "wanted"), [("the godfahter", 1), ("empire strikes back", 4), ("shanghai triat", 5)])
def test_typos_are_likely(index: TitleIndex, text: str, wanted: int) -> None:
    best = index.link(text)[0]
    assert best.index == wanted
    assert best.confidence >= LIKELY


@pytest.mark.parametrize("text", ["the hudsucker proxy", "barton fink", "x", "", "!!!", "🍿", "space", "robin hood"])
def test_no_guesses(index: TitleIndex, text: str) -> None:
    assert all(match.confidence < LIKELY for match in index.link(text))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_survived(index: TitleIndex, text: str) -> None:
    matches = index.link(text)
    assert all(0 <= match.confidence <= 1 for match in matches)
    assert [m.confidence for m in matches] == sorted((m.confidence for m in matches), reverse=True)
    assert len({m.index for m in matches}) == len(matches)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_plain_is_stable(text: str) -> None:
    assert plain(plain(text)) == plain(text)


def test_an_empty_catalogue_title_does_no_harm() -> None:
    index = TitleIndex(["", "  ", "Fargo"])
    assert index.link("fargo")[0].index == 2
