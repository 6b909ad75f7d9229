"""Ungrounded answers are caught, grounded ones are left alone."""

import pytest

from eval.grounding import Grounding, candidates, card_sources, plain

TITLES = ["Fargo", "Heat", "The Big Lebowski", "Toy Story", "2001: A Space Odyssey", "Comedy Night", "Amélie"]
CARD = {
    "slot": 1,
    "item_id": "7",
    "title": "The Big Lebowski",
    "facts": {"year": 1998, "genre": ["Comedy", "Crime"], "country": ["United States"], "runtime": 117},
    "reason": "Because you liked Toy Story.",
}


@pytest.fixture
def grounding():
    return Grounding(lambda text: [t for t in TITLES if set(plain(t).split()) & set(plain(text).split())])


def faults(grounding, text, said="something like Fargo but funnier"):
    return grounding.faults(text, [said, *card_sources(CARD)], [CARD])


@pytest.mark.parametrize(
    "text",
    [
        "The Big Lebowski (1998) is a crime comedy, funnier than Fargo.",
        "Try Big Lebowski: a United States film of the 1990s that runs 117 minutes.",
        "Here are 5 films. Since you liked Toy Story, number 1 may suit you.",
        "A Crime story told as a Comedy.",
        "Heating up? Nothing else fits. Try fewer conditions.",
        "",
    ],
)
def test_grounded_texts_pass(grounding, text):
    assert faults(grounding, text) == []


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("You could also watch Heat tonight.", "Heat"),
        ("I would add “2001: A Space Odyssey”.", "2001: A Space Odyssey"),
        ("Or take Amelie, a sweet one.", "Amélie"),
        ("Try Comedy Night instead.", "Comedy Night"),
    ],
)
def test_titles_from_elsewhere_are_caught(grounding, text, title):
    assert any(title in fault for fault in faults(grounding, text))


@pytest.mark.parametrize("text", ["It runs 128 minutes.", "A film from 1987.", "It won 45 prizes."])
def test_numbers_from_elsewhere_are_caught(grounding, text):
    assert len(faults(grounding, text)) == 1


def test_plain_and_candidates():
    assert plain("The Big Lebowski (1998)") == "big lebowski"
    assert plain("Amélie!") == "amelie"
    assert "Story of the Weeping Camel" in candidates("We saw Story of the Weeping Camel there.")
    assert "Heat" not in candidates("Heat is rising.")
    assert "Heat" in candidates("We saw Heat.")
