"""The scorer: perfect is 1, nothing is 0, order doesn't matter, and each kind of pair is compared as documented."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.intent import Wish
from agents.understood import NamedItem, Understood
from eval.intent_score import Pair, figures, label_pairs, match, mood_name, score_turn
from eval.labels import IntentLabel

TABLE = {1: "Silent River", 2: "Golden River"}
words = st.sampled_from(["comedy", "drama", "war", "france", "1"])
pairs = st.one_of(
    st.builds(Pair, st.sampled_from(["want", "avoid"]), st.sampled_from(["genre", "genre|kind"]), words),
    st.builds(Pair, st.just("range"), st.just("year"), low=st.sampled_from([None, 1990.0, ">1990"]), high=st.none()),
    st.builds(Pair, st.sampled_from(["k", "mood", "seen", "act"]), value=words),
)


def wish(field="genre", *values, low=None, high=None, negative=False, hard=True, said="x"):
    return Wish(field=field, values=list(values), low=low, high=high, negative=negative, hard=hard, words=said)


def score(label, **heard):
    return score_turn(IntentLabel.model_validate(label), Understood(act=heard.pop("act", "recommend"), **heard), TABLE)


def told(found):
    return {name: [str(pair) for pair in getattr(found, name)] for name in ("missed", "extra")}


@settings(max_examples=60, deadline=None)
@given(st.lists(pairs, max_size=8))
def test_a_perfect_reading_scores_one_and_an_empty_one_zero(meant):
    exact = [Pair(p.slot, p.field.split("|")[0], p.value, low=float(str(p.low)[1:]) if isinstance(p.low, str) else p.low)
             for p in meant]  # fmt: skip
    hits, missed, extra = match(meant, exact)
    if len(set(exact)) == len(set(meant)):
        assert (missed, extra) == ([], [])
    hits, missed, extra = match(meant, [])
    assert (hits, extra) == ([], [])
    assert len(missed) == len(set(meant))
    hits, missed, extra = match([], exact)
    assert (hits, missed) == ([], [])
    assert len(extra) == len(set(exact))


@settings(max_examples=60, deadline=None)
@given(st.lists(pairs, max_size=8), st.lists(pairs, max_size=8), st.randoms(use_true_random=False))
def test_order_does_not_matter(meant, found, rng: random.Random):
    plain_found = [p for p in found if "|" not in p.field and not isinstance(p.low, str)]
    before = match(meant, plain_found)
    rng.shuffle(meant)
    rng.shuffle(plain_found)
    assert match(meant, plain_found) == before
    hits, missed, extra = before
    assert len(hits) + len(missed) == len(set(meant))
    assert len(hits) + len(extra) == len(set(plain_found))


def test_figures_of_perfect_half_and_nothing():
    label = {"want": {"genre": ["Comedy", "Drama"]}, "k": 3}
    right = score(label, wishes=[wish("genre", "Comedy", "Drama")], k=3)
    nothing = score_turn(IntentLabel.model_validate(label), None, TABLE)
    half = score(label, wishes=[wish("genre", "Comedy", "War")])
    assert figures([right])["intent_f1"] == 1.0
    assert figures([nothing])["intent_f1"] == 0.0
    found = figures([half])
    # act and Comedy are right, Drama and 3 are missed, War is extra
    assert found["intent_f1"] == pytest.approx(4 / (4 + 2 + 1))
    assert found["intent_f1_wishes"] == pytest.approx(2 / (2 + 2 + 1))
    assert found["intent_f1.want"] == pytest.approx(0.5)
    assert found["intent_f1.act"] == 1.0
    assert found["explicit_constraints_accuracy"] == 0.0
    both = figures([right, half])
    assert both["intent_f1"] == pytest.approx(2 * 6 / (2 * 6 + 2 + 1))
    assert both["explicit_constraints_accuracy"] == 0.5


def test_either_field_of_an_open_label_will_do_but_only_once():
    label = {"want": {"director|cast": "Woody Allen"}}
    assert told(score(label, wishes=[wish("cast", "Woody Allen")])) == {"missed": [], "extra": []}
    twice = score(label, wishes=[wish("cast", "Woody Allen"), wish("director", "Woody Allen")])
    assert told(twice)["extra"] == ["want director woody allen"]
    assert twice.explicit is False


def test_ranges_need_both_ends_and_directions_need_none():
    years = {"ranges": {"year": [1990, 1999]}}
    assert score(years, wishes=[wish("year", low=1990, high=1999)]).explicit is True
    assert score(years, wishes=[wish("year", low=1990)]).explicit is False
    newer = {"moves": {"year": "up"}}
    assert told(score(newer, wishes=[wish("year", low=1987)])) == {"missed": [], "extra": []}
    assert told(score(newer, wishes=[wish("year", high=1987)])) == {
        "missed": ["move year up"],
        "extra": ["move year down"],
    }
    # without a label that speaks of a direction, an invented number is one too many
    assert told(score({}, wishes=[wish("year", low=1987)]))["extra"] == ["range year 1987.0.."]


def test_what_is_ruled_out_on_one_side_is_asked_for_on_the_other():
    since = {"ranges": {"year": [1990, None]}}
    assert score(since, wishes=[wish("year", high=1989, negative=True)]).explicit is True
    assert score(
        {"avoid_ranges": {"year": [1990, 1999]}}, wishes=[wish("year", low=1990, high=1999, negative=True)]
    ).explicit


def test_a_mood_is_no_kind_and_its_forms_are_one():
    funny = wish("genre", "Comedy", hard=False, said="funny")
    assert told(score({"mood": "hilarious"}, wishes=[funny])) == {"missed": [], "extra": []}
    assert told(score({"want": {"genre": "Comedy"}}, wishes=[funny])) == {
        "missed": ["want genre comedy"],
        "extra": ["mood funny"],
    }
    violent = wish("genre", "Action", "War", negative=True, said="nothing violent")
    assert told(score({"no_mood": "bloody"}, wishes=[violent])) == {"missed": [], "extra": []}
    assert mood_name("relaxing") == mood_name("cosy") != mood_name("scary")
    # said twice, as a mood and as its preference, it counts once
    assert len(score({"mood": "funny"}, wishes=[funny], mood="funny").hits) == 2


def test_a_preference_for_a_kind_that_was_said_is_a_want():
    soft = wish("genre", "Comedy", hard=False, said="comedy")
    assert told(score({"want": {"genre": "Comedy"}}, wishes=[soft])) == {"missed": [], "extra": []}


def test_slots_stand_for_the_titles_on_the_table():
    river = NamedItem(item_id="7", title="Silent River")
    assert told(score({"seen": [1]}, seen=[river])) == {"missed": [], "extra": []}
    assert told(score({"seen": [2]}, seen=[river]))["missed"] == ["seen golden river"]
    assert score({"act": "why", "items": [9]}, act="why", slots=[9]).explicit is True
    assert told(score({"act": "why", "items": [9]}, act="why"))["missed"] == ["slot 9"]


def test_pronouns_are_not_explicit_when_the_label_says_so():
    river = NamedItem(item_id="7", title="Silent River")
    assert score({"seen": [1], "explicit": False}, seen=[river]).explicit is None
    assert score({"mood": "funny"}).explicit is None


def test_topic_counts_only_where_the_label_speaks_of_it():
    assert told(score({}, fresh=True)) == {"missed": [], "extra": []}
    assert told(score({"topic": "refine"}, fresh=True)) == {"missed": ["topic refine"], "extra": ["topic new"]}
    assert told(score({"topic": "refine"}, act="why"))["missed"] == ["act recommend", "topic refine"]


def test_lasting_statements_hold_now_as_well():
    label = IntentLabel.model_validate({"lasting": {"avoid": {"genre": "Horror"}}})
    assert {str(p) for p in label_pairs(label, {})} == {
        "act recommend",
        "avoid genre horror",
        "lasting genre avoid horror",
    }
    never = wish("genre", "Horror", negative=True)
    assert told(score(label.model_dump(), wishes=[never], lasting=[never])) == {"missed": [], "extra": []}


def test_a_question_and_a_clarification_both_ask_back():
    assert told(score({"asks_back": True}, question="What kind?")) == {"missed": [], "extra": []}
    assert told(score({"asks_back": True}, act="clarify"))["missed"] == ["act recommend"]
    assert told(score({"act": "clarify"}, act="clarify")) == {"missed": [], "extra": []}
    # tasks that only say how the generator is asked are nobody's wish
    assert told(score({}, task="query")) == {"missed": [], "extra": []}
    assert told(score({}, task="holiday"))["extra"] == ["task holiday"]
