"""What a model may say of a slate, sentence by sentence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.grounding import Facts, SentenceFilter
from agents.state import SlateCard
from recsys_core.catalog.catalogue import Catalogue
from tools.titles import TitleIndex


@pytest.fixture(scope="module")
def facts(films: Catalogue) -> Facts:
    cards = [
        SlateCard(
            slot=1,
            item_id="8",
            title="Raising Arizona",
            facts={"year": 1987, "genre": ["Comedy", "Crime"], "director": ["Joel Coen"]},
        ),
        SlateCard(
            slot=2,
            item_id="9",
            title="The Big Lebowski",
            facts={"year": 1998, "runtime": 117, "country": ["United States"]},
        ),
        SlateCard(slot=3, item_id="10", title="Ladykillers, The (1955)", facts={"year": 1955}),
    ]
    return Facts(cards, "funny, like Fargo", TitleIndex(films.titles).forms)


@pytest.mark.parametrize(
    "sentence",
    [
        "These three lean to crime with a laugh.",
        "[1] is a comedy from 1987 by Joel Coen.",
        "Start with [2], 117 minutes long and from the United States.",
        "Like Fargo, [1] mixes crime and comedy.",
        "Most are from the 1980s and 90s.",
        "These 3 fit well.",
        "Big laughs await in [2].",
        "It is a French kind of humour.",
    ],
)
def test_grounded_sentences_pass(facts: Facts, sentence: str) -> None:
    assert facts.objection(sentence) == ""


@pytest.mark.parametrize(
    "sentence",
    [
        "Try [4] too.",
        "[0] is great.",
        "You might also like Groundhog Day.",
        "Some Like It Hot is better.",
        "It stars Nicolas Cage.",
        "[1] was made in 1985.",
        "[2] runs for 120 minutes.",
        "It won 7 prizes.",
        "“The Hudsucker Proxy” comes to mind.",
        "*Barton Fink* comes to mind.",
        "See https://example.invalid for more.",
        "<b>[1]</b> is great.",
        "![x](http://example.invalid/x.png) look.",
        "Watch Vertigo tonight.",
    ],
)
def test_ungrounded_sentences_are_dropped(facts: Facts, sentence: str) -> None:
    assert facts.objection(sentence)


def run(facts: Facts, text: str, size: int) -> tuple[list[str], list[str]]:
    filtering = SentenceFilter(facts)
    out: list[str] = []
    for start in range(0, len(text), size):
        out += filtering.push(text[start : start + size])
    out += filtering.close()
    return out, filtering.dropped


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_slots_become_titles_however_the_text_is_cut(facts: Facts, size: int) -> None:
    text = "All three are funny. [1] is by Joel Coen. Try Vertigo instead! [3] is the oldest, from 1955. And then"
    out, dropped = run(facts, text, size)
    assert out == [
        "All three are funny.",
        "Raising Arizona is by Joel Coen.",
        "The Ladykillers is the oldest, from 1955.",
    ]
    assert len(dropped) == 1


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab [1]249.!?\"'<>VRertigo\n", max_size=80), st.integers(1, 9))
def test_nothing_ungrounded_ever_passes(facts: Facts, text: str, size: int) -> None:
    out, _ = run(facts, text, size)
    for sentence in out:
        assert "<" not in sentence
        assert "[1]" not in sentence
        assert "Vertigo" not in sentence
