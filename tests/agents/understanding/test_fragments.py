"""Fragments, bare names and slips that a person says in passing."""

from __future__ import annotations

import pytest

from agents.merging import merge
from agents.understanding.rules import RuleUnderstanding
from agents.understanding.scene import Scene
from agents.view import View
from recsys_core.catalog.catalogue import Catalogue
from tests.agents.conftest import PlainRecommender, film_catalogue


@pytest.fixture(scope="module")
def rules() -> RuleUnderstanding:
    return View.of(PlainRecommender(film_catalogue())).understanding


def said(rules: RuleUnderstanding, first: str, then: str) -> tuple[bool, list[str]]:
    """Whether the second message is a new request, and the words of what is wished after it."""
    before = merge(None, rules.understand(first, Scene()), [], first, rules.roles)
    intent = rules.understand(then, Scene(request=before))
    after = merge(before, intent, [], then, rules.roles)
    return intent.fresh, [wish.words for wish in after.wishes]


@pytest.mark.parametrize(
    ("first", "then", "kept"),
    [
        ("a comedy", "two hours max", "Comedy"),
        ("a comedy", "older than 1985", "Comedy"),
        ("a comedy", "Jean-Pierre Jeunet directing", "Comedy"),
        ("french films", "I wouldn't mind a thriller", "from France"),
        ("french films", "romance would be a plus", "from France"),
        ("a thriller", "not before '74", "Thriller"),
        ("a thriller", "form Frnace maybe?", "Thriller"),
    ],
)
def test_a_fragment_goes_on_with_the_request(rules: RuleUnderstanding, first: str, then: str, kept: str) -> None:
    fresh, words = said(rules, first, then)
    assert not fresh
    assert kept in words


def test_a_whole_request_is_a_new_one(rules: RuleUnderstanding) -> None:
    assert said(rules, "a comedy", "show me films by Hitchcock")[0]
    assert said(rules, "a comedy", "I want a thriller")[0]


def test_a_bare_last_name_of_a_known_maker(rules: RuleUnderstanding) -> None:
    assert [w.values for w in rules.understand("hm, rather Coen", Scene()).wishes] == []  # four letters may be anything
    named = rules.understand("hm, rather Wilder", Scene()).wishes
    assert named == []  # two films do not make him the one who is meant


def test_a_mood_does_not_soften_what_is_demanded(rules: RuleUnderstanding) -> None:
    message = "scary horror"
    request = merge(None, rules.understand(message, Scene()), [], message, rules.roles)
    assert any(wish.hard and wish.values == ["Horror"] for wish in request.wishes)


def test_who_made_three_films_is_meant_by_the_last_name() -> None:
    extra = [
        (str(200 + n), f"Film {n} (1990)", 1990, ["Drama"], ["Agnes Varda"], ["Y"], ["France"], ["French"], 90)
        for n in range(3)
    ]
    catalogue: Catalogue = film_catalogue(extra)
    rules = View.of(PlainRecommender(catalogue)).understanding
    assert [w.values for w in rules.understand("hm, rather Varda", Scene()).wishes] == [["Agnes Varda"]]
    assert [w.values for w in rules.understand("hm, rather varda", Scene()).wishes] == []
