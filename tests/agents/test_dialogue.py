"""Dialogue through the whole graph, by rules: compare, ask back, take back, go back, several things in one message."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from agents.conversation import ConversationService
from agents.events import EndEvent, TokenEvent
from agents.intent import Act, Intent, OfferKind
from agents.llm.none import NoChatModel
from agents.llm.scripted import ScriptedChatModel, ScriptEntry
from recsys_core.catalog.filters import Condition, ItemFilter
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue


def ids(end: EndEvent) -> list[str]:
    return [card.item_id for card in end.cards]


async def state(talk: Talk) -> dict[str, Any]:
    snapshot = await talk.service._graph.aget_state({"configurable": {"thread_id": talk.thread_id}})
    return snapshot.values


async def understood(talk: Talk) -> Intent:
    return (await state(talk))["intent"]


@pytest.fixture
def guest(service: ConversationService) -> Talk:
    return Talk(service, user_id="nobody")


# comparing


async def test_two_cards_are_compared_by_their_facts(talk: Talk) -> None:
    slate = await talk.say("a crime comedy")
    one, two = slate.cards[0], slate.cards[2]
    end = await talk.say("what's the difference between the first and the third?")
    assert end.cards == []
    assert (await understood(talk)).items == [one.item_id, two.item_id]
    gap = abs(one.facts["runtime"] - two.facts["runtime"])
    assert f"{gap} minutes longer" in end.text
    assert "both comedy and crime" in end.text
    assert "fit what you asked for equally well" in end.text
    assert (await state(talk))["slate"] == slate.cards, "the list stays on the table"


async def test_the_fitting_one_and_the_one_near_the_history_are_named(talk: Talk) -> None:
    await talk.say("a crime comedy")
    text = (await talk.say("Raising Arizona or Vertigo?")).text
    assert "Raising Arizona fits what you asked for best: crime and comedy" in text
    assert "Going by what you know, Vertigo is nearer" in text
    assert "Alfred Hitchcock" in text or "Psycho" in text


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("which is shorter, Fargo or Alien?", "Fargo (98 minutes) is shorter"),
        ("which is newer, Fargo or Alien?", "Fargo (1996) is newer"),
        ("is Alien longer than Fargo?", "Alien (117 minutes) is longer"),
        ("which is funnier, Snatch or Alien?", "By its kinds, Snatch is the funnier choice"),
        ("which is scarier, Snatch or Alien?", "By its kinds, Alien is the scarier choice"),
        ("which is funnier, Fargo or Alien?", "I can't tell"),
        ("which has better music, Fargo or Alien?", "Fargo"),
    ],
)
async def test_one_quality(talk: Talk, question: str, first: str) -> None:
    assert first in (await talk.say(question)).text


async def test_which_of_these_takes_the_whole_list_and_then_the_pair(talk: Talk) -> None:
    slate = await talk.say("a crime comedy")
    shortest = min(slate.cards, key=lambda card: card.facts["runtime"])
    text = (await talk.say("which of these is the shortest?")).text
    assert text.startswith(shortest.title.split(" (")[0].removesuffix(", The").split(",")[0]) or "Ladykillers" in text
    assert "is the shortest" in text
    await talk.say("compare 1 and 2")
    text = (await talk.say("which of these two is newer?")).text
    assert "Big Lebowski" in text
    assert "Ladykillers" not in text


async def test_one_item_or_none_is_asked_back(talk: Talk) -> None:
    assert "no list" in (await talk.say("compare them")).text
    await talk.say("a crime comedy")
    end = await talk.say("compare the first")
    assert end.text == "Which two do you mean? Give me their numbers, from 1 to 5, or their titles."
    assert (await understood(talk)).act is Act.compare
    assert "no number 9" in (await talk.say("compare the first and the ninth")).text


async def test_equal_titles_are_told_apart(talk: Talk) -> None:
    text = (await talk.say("compare Sabrina (1954) and Sabrina (1995)")).text
    assert "Sabrina (1995) is 41 years newer" in text


# asking back


async def test_a_guest_who_says_nothing_gets_cards_and_one_question(guest: Talk) -> None:
    end = await guest.say("recommend me something good")
    assert len(end.cards) == 5
    assert end.text.endswith("?")
    assert end.text.count("?") == 1 + end.text.count("How about")
    intent = await understood(guest)
    assert intent.question
    assert [offer.kind for offer in intent.offers] == [OfferKind.choice] * 2


@pytest.mark.parametrize(
    ("reply", "genres"),
    [
        ("comedy", {"Comedy"}),
        ("the first", {"Comedy"}),
        ("the second one please", {"Crime"}),
        ("the latter", {"Crime"}),
        ("either", {"Comedy", "Crime"}),
        ("I'd prefer the first", {"Comedy"}),
    ],
)
async def test_the_answer_to_the_question_is_understood(guest: Talk, reply: str, genres: set[str]) -> None:
    await guest.say("I'm bored")
    assert [offer.words for offer in (await understood(guest)).offers] == ["Comedy", "Crime"]
    end = await guest.say(reply)
    assert end.cards
    assert all(genres & set(card.facts["genre"]) for card in end.cards)
    assert not (await understood(guest)).fresh


@pytest.mark.parametrize("reply", ["no idea", "whatever", "you choose", "I don't mind"])
async def test_no_answer_is_an_answer_and_nothing_is_asked_again(guest: Talk, reply: str) -> None:
    await guest.say("what should I watch?")
    end = await guest.say(reply)
    assert end.cards
    assert not end.text.endswith("?")
    assert (await state(guest))["request"].wishes == []


async def test_neither_rules_both_out(guest: Talk) -> None:
    await guest.say("what should I watch?")
    end = await guest.say("neither")
    assert end.cards
    assert not any({"Comedy", "Crime"} & set(card.facts["genre"]) for card in end.cards)


async def test_the_question_is_never_asked_twice_running_nor_three_times(guest: Talk) -> None:
    asked = [bool((await guest.say("recommend me something good")).text.endswith("?")) for _ in range(6)]
    assert asked == [True, False, True, False, False, False]


async def test_somebody_known_is_not_asked(talk: Talk, guest: Talk) -> None:
    assert not (await talk.say("recommend me something good")).text.endswith("?")
    guest.service.feedback.set("nobody", "1", 1)
    assert not (await guest.say("recommend me something good")).text.endswith("?")


async def test_what_is_asked_goes_by_what_may_be_recommended(guest: Talk) -> None:
    only = ItemFilter(all_of=[Condition(field="country", op="in", value=["France", "Italy", "Japan"])])
    await guest.say("what should I watch?", filter=only)
    assert "Crime" not in [offer.words for offer in (await understood(guest)).offers]


# unknown names


async def test_a_near_name_is_suggested_and_yes_takes_it(talk: Talk) -> None:
    end = await talk.say("something like Train Spotted")
    assert end.cards == []
    assert "I don't know \N{LEFT DOUBLE QUOTATION MARK}Train Spotted" in end.text
    assert end.text.endswith("Did you mean Trainspotting?")
    taken = await talk.say("yes")
    assert taken.cards
    assert (await state(talk))["request"].anchors == ["18"]


async def test_no_takes_nothing(talk: Talk) -> None:
    await talk.say("something like Train Spotted")
    end = await talk.say("no")
    assert end.cards == []
    assert "Check the spelling" in end.text


async def test_a_far_name_is_said_and_nothing_is_suggested(talk: Talk) -> None:
    end = await talk.say("something like Zorblax Quimby Returns")
    assert "Did you mean" not in end.text
    assert "I don't know" in end.text


# taking back, insisting, going back


async def test_what_was_dropped_can_be_insisted_on(talk: Talk) -> None:
    end = await talk.say("Japanese comedies")
    assert "dropped \N{LEFT DOUBLE QUOTATION MARK}from Japan" in end.text
    kept = await talk.say("no, keep it")
    assert ids(kept) == ["13"]
    assert "dropped \N{LEFT DOUBLE QUOTATION MARK}Comedy" in kept.text


async def test_the_offer_to_drop_can_be_taken_or_refused(talk: Talk) -> None:
    end = await talk.say("French comedies from the 90s")
    assert "without \N{LEFT DOUBLE QUOTATION MARK}from France" in end.text
    refused = await talk.say("no, keep it")
    assert ids(refused) == ["4"]
    assert "without \N{LEFT DOUBLE QUOTATION MARK}from France" not in refused.text
    await talk.say("start over")
    await talk.say("French comedies from the 90s")
    taken = await talk.say("yes, drop it")
    assert len(taken.cards) == 5
    assert all("Comedy" in card.facts["genre"] and 1990 <= card.facts["year"] <= 1999 for card in taken.cards)


@pytest.mark.parametrize(
    ("message", "left"),
    [
        ("doesn't have to be French", ["genre", "year"]),
        ("drop the comedy part", ["country", "year"]),
        ("any year is fine", ["country", "genre"]),
        ("older is ok", ["country", "genre"]),
    ],
)
async def test_relaxing_takes_one_wish_back(talk: Talk, message: str, left: list[str]) -> None:
    await talk.say("a French comedy")
    await talk.say("made after 1995")
    await talk.say(message)
    assert sorted(wish.field for wish in (await state(talk))["request"].wishes) == left


async def test_what_is_ruled_out_can_be_allowed_again(talk: Talk) -> None:
    await talk.say("a thriller, no horror")
    await talk.say("horror is fine after all")
    assert [wish.negative for wish in (await state(talk))["request"].wishes] == [False]


async def test_undo_several_times_and_to_the_beginning(talk: Talk) -> None:
    lists = [ids(await talk.say(m)) for m in ("a comedy", "newer", "shorter", "no romance")]
    assert ids(await talk.say("undo")) == lists[2]
    assert ids(await talk.say("go back to before that")) == lists[1]
    await talk.say("shorter")
    await talk.say("no romance")
    assert ids(await talk.say("undo twice")) == lists[1]
    assert ids(await talk.say("go back to the first list")) == lists[0]
    assert "nothing more to go back to" in (await talk.say("undo")).text


async def test_undo_and_change_in_one_breath(talk: Talk) -> None:
    await talk.say("a comedy")
    await talk.say("from France")
    end = await talk.say("undo that, and make it newer")
    fields = [wish.field for wish in (await state(talk))["request"].wishes]
    assert sorted(fields) == ["genre", "year"]
    assert any("France" not in card.facts["country"] for card in end.cards)


# several things at once


async def test_a_request_and_a_question_are_both_answered(talk: Talk) -> None:
    first = await talk.say("a comedy")
    asked = first.cards[1]
    end = await talk.say("thanks! now something not too long, and why was the second one there?")
    assert end.cards
    title = re.sub(r" \(\d+\)$", "", asked.title)
    assert end.text.startswith(f"{title} fits what you asked for: Comedy")
    middle = sorted(card.facts["runtime"] for card in first.cards)[2]
    assert all(card.facts["runtime"] < middle for card in end.cards)


async def test_the_part_that_cannot_be_served_is_said(talk: Talk) -> None:
    await talk.say("a comedy")
    end = await talk.say("something shorter, and why was the ninth one there?")
    assert end.cards
    assert "no number 9" in end.text


async def test_seen_and_why_in_one_message(talk: Talk) -> None:
    first = await talk.say("a comedy")
    end = await talk.say("I've seen the first one, and why is the third there?")
    assert ids(first)[0] not in ids(end)
    assert talk.service.feedback.seen("ann") == [ids(first)[0]]
    assert "fits what you asked for" in end.text


async def test_a_new_topic_keeps_seen_and_nothing_else(talk: Talk) -> None:
    first = await talk.say("American comedies from the 90s, no horror")
    await talk.say("I've seen the first one")
    await talk.say("now for something completely different: a drama")
    request = (await state(talk))["request"]
    assert [wish.words for wish in request.wishes] == ["Drama"]
    assert request.seen == [ids(first)[0]]
    assert request.exclude == []


async def test_adjectives_stand_before_kinds(talk: Talk) -> None:
    text = (await talk.say("five thrillers, dark and tense")).text
    assert "dark, tense thriller film" in text
    assert "from the United States" in (await talk.say("a comedy from the US")).text


async def test_the_question_is_asked_behind_the_models_words_too(tmp_path: Path) -> None:
    said = {"call": "respond", "text": "These are liked by many. [1] comes first. "}
    llm = ScriptedChatModel([ScriptEntry.model_validate(said)])
    async with ConversationService(PlainRecommender(film_catalogue()), llm, tmp_path) as service:
        guest = Talk(service, user_id="nobody")
        end = await guest.say("recommend me something good")
        assert "Fargo comes first." in end.text
        assert end.text.endswith((await understood(guest)).question)
        assert "".join(event.text for event in guest.events if isinstance(event, TokenEvent)) == end.text


async def test_offers_survive_a_restart(tmp_path: Path) -> None:
    async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path) as service:
        guest = Talk(service, user_id="nobody")
        await guest.say("I'm bored")
    async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path) as service:
        guest.service = service
        end = await guest.say("the second")
        assert all("Crime" in card.facts["genre"] for card in end.cards)
