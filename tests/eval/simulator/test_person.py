"""Simulated people tell what is true, bit by bit, and can't give the title away."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.understanding.roles import Roles
from eval.simulator import leak, words
from eval.simulator.attributes import attributes_of
from eval.simulator.leak import LeakError, leaks
from eval.simulator.person import Person
from recsys_core.catalog.items import Item
from recsys_core.catalog.synth import synthetic

CATALOGUE, _ = synthetic(n_items=120, n_users=5, seed=2)
ROLES = Roles.of(CATALOGUE)
ITEMS = [CATALOGUE.item(i) for i in range(len(CATALOGUE))]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 119), st.integers(0, 2**31), st.lists(st.lists(st.integers(0, 119), max_size=10), max_size=4),
       st.sampled_from(["", "Which genre do you feel like?", "How old may it be?", "Anything else?"]))  # fmt: skip
def test_no_message_gives_the_title_away_whatever_is_shown(target, seed, slates, question):
    item = ITEMS[target]
    person = Person(item, CATALOGUE, ROLES, seed)
    said = [person.open()]
    said += [person.react([ITEMS[i] for i in cards if i != target], question) for cards in slates]
    for message in said:
        assert message.strip()
        assert not leaks(message, item.title)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 119))
def test_everything_told_is_true_of_the_target(target):
    assert all(attribute.holds(ITEMS[target]) for attribute in attributes_of(ITEMS[target], CATALOGUE, ROLES))


def test_the_same_seed_says_the_same_and_other_seeds_vary():
    def talk(seed):
        person = Person(ITEMS[3], CATALOGUE, ROLES, seed)
        return [person.open(), *(person.react(ITEMS[10:20]) for _ in range(3))]

    assert talk(5) == talk(5)
    assert len({tuple(talk(seed)) for seed in range(8)}) >= 5


def test_a_planted_leak_fails_the_run(monkeypatch):
    item = Item(id="x", title="Crimson Harbour", attributes={"genre": ["Drama"]})
    monkeypatch.setitem(words.SAYING, "genre", ("{0} like Crimson Harbour",))
    monkeypatch.setattr(words, "OPENING", ("{said}",))
    with pytest.raises(LeakError, match="gives away the title"):
        Person(item, CATALOGUE, ROLES, 1).open()


@pytest.mark.parametrize(
    ("message", "title", "found"),
    [
        ("something like crimson harbour", "Crimson Harbour", "crimson harbour"),
        ("it should be crimson", "The Crimson", "crimson"),
        ("a drama from the 90s", "The Drama of the Gifted Child", "drama"),
        ("a film from 2001", "2001: A Space Odyssey", "2001"),
        ("is it long?", "It", ""),
        ('maybe "It"?', "It", '"'),
        ("a comedy from France", "The Orchard", ""),
    ],
)
def test_what_counts_as_a_leak(message, title, found):
    assert (leaks(message, title) == found) if found != '"' else leaks(message, title)


def test_facts_that_hold_a_word_of_the_title_are_kept_back():
    item = Item(id="x", title="Drama in Kenya", attributes={"genre": ["Drama", "Comedy"], "country": ["Kenya"]})
    person = Person(item, CATALOGUE, ROLES, 3)
    said = " ".join([person.open(), *(person.react([]) for _ in range(4))]).lower()
    assert "comedy" in said
    assert "drama" not in said
    assert "kenya" not in said


def test_critique_names_what_most_cards_go_against():
    target = Item(id="x", title="Q", attributes={"genre": ["Comedy"], "year": 1985, "country": ["Kenya"]})
    wrong = [i for i in ITEMS if i.attributes["year"] >= 1995 and i.attributes["country"] != ["Kenya"]][:10]
    said = set()
    for seed in range(12):
        person = Person(target, CATALOGUE, ROLES, seed)
        person.open()
        said.add(person.react(wrong))
    assert any("80s" in message or "Kenya" in message for message in said)
    # once everything is told, others are asked for
    person = Person(target, CATALOGUE, ROLES, 1)
    person.open()
    assert [person.react([target]) for _ in range(5)][-1] in words.OTHERS


def test_names_come_late_and_questions_are_answered():
    target = Item(id="x", title="Q", attributes={"genre": ["Comedy"], "year": 1985, "maker": "Meridian"})
    for seed in range(6):
        person = Person(target, CATALOGUE, ROLES, seed)
        assert "Meridian" not in person.open()
    person = Person(target, CATALOGUE, ROLES, 2)
    person.open()
    assert "80s" in person.react([], "From which years may it be?")
    assert person.accepts([ITEMS[0], target])
    assert not person.accepts(ITEMS[:3])
    assert leak.check("fine", "Q") == "fine"
