"""The verifier's eye for facts: what was lost, what was invented, and what may change."""

import pytest

from agents.calm.facts import facts_of
from agents.calm.soften import drafts
from agents.calm.verify import Judged, fact_problems, problems

FINE = [
    ("Furious fans slam the plan!", "Fans criticise the plan."),
    ("Oil Prices Soar to Record, Posing Menace", "Oil prices rise to record, posing risk"),
    ("You won't believe what Rita did", "Here is what Rita did"),
    ("Shares plunged 12 percent on Tuesday", "Shares fell 12 percent on Tuesday"),
    ("BREAKING: SHOCKING ATTACK IN PARIS", "Breaking: notable attack in Paris"),
]
WRONG = [
    ("Shares fell 12 percent", "Shares fell 21 percent", "number"),
    ("Shares fell 12 percent", "Shares fell 12 points", "number"),
    ("It cost $4.2 million", "It cost $4.2 billion", "number"),
    ("Three men died on Monday", "Three men died", "date"),
    ("Three men died", "Two men died", "number"),
    ("Kim Clijsters beat Venus Williams", "Kim Clijsters beat Williams", "name"),
    ("The coach left", "The coach of Arsenal left", "name"),
    ("He did not sign", "He did sign", "negation"),
    ("He signed", "He never signed", "negation"),
    ("The firm denies fraud", "The firm commits fraud", "negation"),
    ("He may have left", "He has left", "may"),
    ("He allegedly stole it", "He stole it", "allegedly"),
    ("Prices rose", "Prices fell", "directions"),
    ("Reds beat Blues", "Reds lost to Blues", "directions"),
    ('He said "no way"', "He said no way", "quotation"),
    ("The plan was rejected by workers", "The plan was approved by workers", "approv"),
    ("Fans criticise the plan", "Fans criticise the plan of the wealthy owner", "wealthy"),
    ("The minister opened a hospital, a school and a bridge", "The minister opened", "left out"),
]


@pytest.mark.parametrize(("before", "after"), FINE)
def test_calmer_words_alone_are_fine(before, after):
    assert fact_problems(before, after) == []


@pytest.mark.parametrize(("before", "after", "told"), WRONG)
def test_a_lost_or_invented_fact_is_told(before, after, told):
    assert any(told in problem for problem in fact_problems(before, after))


def test_a_version_must_be_calmer_alike_and_something():
    good = Judged(before=0.8, after=0.2, similarity=0.9)
    assert problems("Furious fans slam it", "Fans criticise it", good) == []
    for worse in (good._replace(after=0.8), good._replace(similarity=0.2)):
        assert problems("Furious fans slam it", "Fans criticise it", worse)
    assert problems("Furious!", "...", good)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Furious fans SLAM a dangerous plan!!!", "Critical fans criticise a risky plan."),
        ("Fears for T N pension after talks", "Concerns for T N pension after talks"),
        ("Oil Prices Soar to Record", "Oil Prices Climb to Record"),
        ("It was an amazing day", "It was a notable day"),
        ("The film Panic Room won", None),
        ("The presidential race is on", None),
        ("He called it “a shocking disaster” on Tuesday", None),
        ("See https://shock.example/rage and `panic()`", None),
        ("NASA and the FBI met", None),
        ("Insurers Eye Ivan the Terrible", None),
        ("Gates: US Need Not Fear Overseas Tech", None),
        ("Hurricane slams the coast", None),
    ],
)
def test_the_lexicon_writes_english_and_spares_names_quotes_and_code(before, after):
    made = drafts(before)
    assert (made[0].text if made else None) == after


def test_facts_are_read_with_their_units_and_without_headline_capitals():
    facts = facts_of("Acme Cuts 300 Jobs After 2.5 Percent Fall on Friday")
    assert facts.numbers["2.5 percent"] == 1
    assert facts.dates["friday"] == 1
    assert "down" in facts.directions
    assert "friday" not in facts.names
