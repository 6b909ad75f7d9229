"""German, French, Spanish and Italian requests against their English twins; English ones are left alone."""

from __future__ import annotations

import pytest

from agents.understanding.language_words import LANGUAGES
from agents.understanding.languages import in_english
from agents.understanding.rules import RuleUnderstanding
from agents.understanding.scene import Scene
from agents.understanding.text import same_length_fold
from recsys_core.catalog.catalogue import Catalogue
from tests.agents.understanding.utterances import FILMS, SHOP
from tools.titles import TitleIndex

TITLES = {"la femme nikita", "das boot", "die hard", "la vida es bella"}


def read(message: str) -> tuple[str, str]:
    return in_english(message, lambda words: words.lower() in TITLES)


@pytest.mark.parametrize(
    ("message", "english", "language"),
    [
        ("Ich hätte gern eine Komödie aus den 90ern", "a comedy from the 90s", "German"),
        ("Filme mit Tom Hanks nach 1990 ohne Krieg", "film with Tom Hanks after 1990 without war", "German"),
        ("Etwas wie Das Boot, höchstens 100 Minuten", "something like Das Boot, at most 100 minutes", "German"),
        ("une comédie française sans Gérard Depardieu", "a comedy french without Gérard Depardieu", "French"),
        ("quelque chose comme La Femme Nikita", "something like La Femme Nikita", "French"),
        ("plus court", "shorter", "French"),
        ("quiero algo divertido, menos de dos horas", "something funny, less than two hours", "Spanish"),
        ("una película de terror de 1980", "a film horror from 1980", "Spanish"),
        ('algo como "Todo sobre mi madre"', 'something like "Todo sobre mi madre"', "Spanish"),
        ("un film italiano degli anni 60 con Sophia Loren", "a film italian from the 60s with Sophia Loren", "Italian"),
    ],
)
def test_the_words_of_a_request_are_replaced_and_names_stay(message: str, english: str, language: str) -> None:
    assert read(message) == (english, language)


@pytest.mark.parametrize(
    "message",
    [
        *("La vida es bella", "Das Boot", "something like Das Boot", "a film noir", "die hard", "no no no"),
        *("man in black", "a comedy in French", "non-French films please", "los angeles thriller", "", "1995", "?!"),
        *("Amélie", "\u202e", "comedies", "recent films", "a long film"),
    ],
)
def test_titles_and_english_stay_as_they_are(message: str) -> None:
    assert read(message) == (message, "")


def test_no_english_message_of_the_tests_is_taken_for_another_language() -> None:
    said = [line[2:].partition(" => ")[0] for line in (FILMS + SHOP).strip().splitlines()]
    assert len(said) > 200
    assert [(message, read(message)[1]) for message in said if read(message)[1]] == []


def test_tables_are_folded_and_say_something() -> None:
    for language in LANGUAGES:
        for word in language.words:
            assert word == same_length_fold(word).replace("ß", "s"), (language.name, word)


@pytest.fixture(scope="module")
def rules(films: Catalogue) -> RuleUnderstanding:
    return RuleUnderstanding(films, TitleIndex(films.titles))


@pytest.mark.parametrize(
    ("message", "english"),
    [
        ("etwas aus Frankreich ohne Liebe, keine Komödien", "something from France without Liebe, no comedies"),
        ("eine Komödie, keine Horrorfilme", "a comedy, no horror films"),
    ],
)
def test_a_wish_that_is_ruled_out_is_never_asked_for(rules: RuleUnderstanding, message: str, english: str) -> None:
    found, expected = rules.understand(message, Scene()), rules.understand(english, Scene())
    assert [(w.field, w.values, w.negative) for w in found.wishes] == [
        (w.field, w.values, w.negative) for w in expected.wishes
    ]
    assert found.language == "German"
    assert any("German" in note for note in found.notes)


def test_it_is_said_once(rules: RuleUnderstanding) -> None:
    first = rules.understand("eine Komödie bitte", Scene())
    again = rules.understand("lieber ein Drama bitte", Scene(previous=first))
    assert not any("German" in note for note in again.notes)
