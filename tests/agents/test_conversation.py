"""Whole turns by rules: the dialogue that must work, what is remembered, and what happens when nothing fits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from agents.conversation import ConversationConfig, ConversationService
from agents.errors import MessageRejected, ThreadBusy, ThreadNotFound
from agents.events import EndEvent, SlateEvent, StartEvent, StepEvent, TokenEvent
from agents.llm.none import NoChatModel
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.filters import Condition, ItemFilter
from recsys_core.errors import FilterError
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue


def ids(end: EndEvent) -> list[str]:
    return [card.item_id for card in end.cards]


async def test_the_dialogue(talk: Talk, films: Catalogue) -> None:
    first = await talk.say("something like Fargo but funnier")
    assert "1" not in ids(first)
    crime_comedies = [card for card in first.cards if {"Comedy", "Crime"} & set(card.facts["genre"])]
    assert len(crime_comedies) >= 4
    median = np.median([card.facts["year"] for card in first.cards])

    second = await talk.say("not that old")
    assert second.cards
    assert all(card.facts["year"] > median for card in second.cards)
    assert "1" not in ids(second)

    why = await talk.say("why the second one?")
    about = second.cards[1]
    assert why.cards == []
    assert films.get(about.item_id).title.split(" (")[0].removesuffix(", The") in why.text
    assert "Fargo" in why.text

    last = await talk.say("I've seen it, more like it")
    assert about.item_id not in ids(last)
    assert "1" not in ids(last)
    assert all(card.facts["year"] > median for card in last.cards)
    assert talk.service.feedback.seen("ann") == [about.item_id]
    request = talk.service.recommender.requests[-1]
    assert request.anchors == [about.item_id]


async def test_events_come_in_order_and_add_up(talk: Talk) -> None:
    end = await talk.say("a comedy")
    events = talk.events
    assert isinstance(events[0], StartEvent)
    assert isinstance(events[-1], EndEvent)
    nodes = [(e.node, e.status) for e in events if isinstance(e, StepEvent)]
    assert nodes == [
        (node, status)
        for node in ("guard", "understand", "recommend", "refine", "explain", "calm", "respond")
        for status in ("start", "end")
    ]
    slates = [e for e in events if isinstance(e, SlateEvent)]
    assert [s.final for s in slates] == [False, True]
    assert slates[-1].cards == end.cards
    assert "".join(e.text for e in events if isinstance(e, TokenEvent)) == end.text
    assert all(card.reason for card in end.cards)
    assert {"first_slate", "first_token", "total", "recommend"} <= set(end.timings_ms)
    assert (end.degraded, end.llm, end.release) == (False, "none", "test-release")
    assert [card.slot for card in end.cards] == [1, 2, 3, 4, 5]


async def test_a_refinement_keeps_and_a_new_topic_drops(talk: Talk) -> None:
    await talk.say("French comedies")
    refined = await talk.say("from the 90s")
    assert ids(refined) == ["4"]
    other = await talk.say("I want a thriller")
    assert all("Thriller" in card.facts["genre"] for card in other.cards)
    assert not any("France" in card.facts["country"] for card in other.cards)


async def test_another_country_takes_the_place_of_the_first(talk: Talk) -> None:
    await talk.say("a French comedy")
    end = await talk.say("from Italy instead")
    assert ids(end) == ["14"]


async def test_show_me_more_brings_nothing_twice(talk: Talk) -> None:
    first = await talk.say("give me three comedies")
    more = await talk.say("show me more")
    assert len(more.cards) == 3
    assert not set(ids(first)) & set(ids(more))


async def test_nothing_fits_then_one_rule_is_dropped_and_said(talk: Talk) -> None:
    end = await talk.say("Japanese comedies")
    assert end.cards
    assert all("Comedy" in card.facts["genre"] for card in end.cards)
    assert "dropped" in end.text
    assert "Japan" in end.text


async def test_what_was_ruled_out_and_the_page_filter_are_never_dropped(talk: Talk) -> None:
    only_1920s = ItemFilter(all_of=[Condition(field="year", op="range", value=[1920, 1929])])
    end = await talk.say("no comedies", filter=only_1920s)
    assert end.cards == []
    assert end.exhausted
    assert "No films fit" in end.text


async def test_too_few_says_what_would_bring_more(talk: Talk) -> None:
    end = await talk.say("French comedies from the 90s")
    assert ids(end) == ["4"]
    assert end.exhausted
    assert "Only 1 film" in end.text
    assert "from France" in end.text


async def test_thumbs_change_the_next_answer(talk: Talk) -> None:
    first = await talk.say("a comedy")
    down, up = ids(first)[0], ids(first)[1]
    talk.service.feedback.set("ann", down, -1)
    talk.service.feedback.set("ann", up, 1)
    again = await talk.say("show me again")
    assert down not in ids(again)
    request = talk.service.recommender.requests[-1]
    assert request.history[-1] == up
    assert down in request.avoid
    talk.service.feedback.set("ann", down, 0)
    assert down in ids(await talk.say("show me again"))


async def test_seen_is_remembered_in_other_threads(service: ConversationService) -> None:
    talk = Talk(service)
    first = await talk.say("a comedy")
    await talk.say("I already saw the first two")
    other = Talk(service)
    assert not set(ids(first)[:2]) & set(ids(await other.say("a comedy")))


async def test_undo_takes_the_change_and_the_seen_items_back(talk: Talk) -> None:
    first = await talk.say("a comedy")
    await talk.say("I've seen the first one")
    assert talk.service.feedback.seen("ann") == [ids(first)[0]]
    back = await talk.say("undo")
    assert ids(back) == ids(first)
    assert talk.service.feedback.seen("ann") == []


async def test_start_over_forgets_the_request_and_keeps_what_was_seen(talk: Talk) -> None:
    first = await talk.say("French comedies")
    await talk.say("I've seen the first one")
    assert (await talk.say("start over")).cards == []
    end = await talk.say("comedies")
    assert ids(first)[0] not in ids(end)
    assert any("France" not in card.facts["country"] for card in end.cards)


async def test_small_talk_brings_no_cards_and_keeps_the_slate(talk: Talk) -> None:
    await talk.say("a comedy")
    assert (await talk.say("thanks!")).cards == []
    assert (await talk.say("why the third one?")).text
    assert (await talk.say("why the ninth one?")).text == "There is no number 9 on the list; it goes from 1 to 5."


async def test_pointing_before_there_is_a_slate(talk: Talk) -> None:
    assert "no list on the table" in (await talk.say("why the second one?")).text


async def test_unknown_user_is_a_cold_start_and_told_so(service: ConversationService) -> None:
    end = await Talk(service, user_id="nobody").say("a comedy")
    assert end.cold_start
    assert "don't know your taste" in end.text
    assert not (await Talk(service, user_id="ann").say("a comedy")).cold_start


async def test_history_threads_and_deletion(talk: Talk, service: ConversationService) -> None:
    end = await talk.say("a comedy")
    await talk.say("thanks")
    history = await service.history(talk.thread_id, "ann")
    assert [m.role for m in history.messages] == ["user", "assistant", "user", "assistant"]
    assert history.messages[1].slate == end.cards
    assert history.messages[1].content == end.text
    assert {s.node for s in history.messages[1].steps} >= {"guard", "understand", "recommend"}
    (info,) = await service.threads("ann")
    assert (info.id, info.title, info.turns) == (talk.thread_id, "a comedy", 2)
    await service.delete_thread(talk.thread_id, "ann")
    assert await service.threads("ann") == []
    with pytest.raises(ThreadNotFound):
        await service.history(talk.thread_id, "ann")


async def test_a_thread_is_its_users_only(talk: Talk, service: ConversationService) -> None:
    await talk.say("a comedy")
    with pytest.raises(ThreadNotFound):
        await service.history(talk.thread_id, "bob")
    with pytest.raises(ThreadNotFound):
        await service.delete_thread(talk.thread_id, "bob")
    with pytest.raises(ThreadNotFound):
        async for _ in service.turn(message="hi", user_id="bob", thread_id=talk.thread_id):
            pass
    assert await service.threads("bob") == []


async def test_forget_removes_everything(talk: Talk, service: ConversationService, tmp_path: Path) -> None:
    await talk.say("a comedy called zebrafish")
    await talk.say("I loved the first one")
    await talk.say("I've seen the second one")
    await service.forget("ann")
    assert await service.threads("ann") == []
    assert service.feedback.of("ann") == {}
    assert service.feedback.seen("ann") == []
    snapshot = await service._graph.aget_state({"configurable": {"thread_id": talk.thread_id}})
    assert snapshot.values == {}


async def test_threads_survive_a_restart(recommender: PlainRecommender, tmp_path: Path) -> None:
    async with ConversationService(recommender, NoChatModel(), tmp_path) as service:
        talk = Talk(service)
        first = await talk.say("comedies")
    async with ConversationService(recommender, NoChatModel(), tmp_path) as service:
        talk.service = service
        newer = await talk.say("newer")
    middle = np.median([card.facts["year"] for card in first.cards])
    assert all(card.facts["year"] > middle and "Comedy" in card.facts["genre"] for card in newer.cards)


async def test_a_release_without_the_old_items_and_fields(recommender: PlainRecommender, tmp_path: Path) -> None:
    async with ConversationService(recommender, NoChatModel(), tmp_path) as service:
        talk = Talk(service)
        await talk.say("something like Fargo, no horror")
    smaller = Catalogue(film_catalogue().frame.tail(12).drop("attr:runtime"), item_noun="films")
    async with ConversationService(PlainRecommender(smaller), NoChatModel(), tmp_path) as service:
        talk.service, talk.user_id = service, "ann"
        service.recommender.history = lambda *_: None
        end = await talk.say("newer")
        assert all(card.item_id in smaller for card in end.cards)


@pytest.mark.parametrize("message", ["", "   ", "\x00\x01\u200b", "x" * 20_000])
async def test_messages_that_are_refused(service: ConversationService, message: str) -> None:
    with pytest.raises(MessageRejected):
        async for _ in service.turn(message=message, user_id="ann"):
            pass
    assert await service.threads("ann") == []


@pytest.mark.parametrize(
    "message",
    [
        "🍿🎉😂",
        "أريد فيلم كوميدي",
        "\u202eemoc ydemoc a\u202c",
        "x" * 4000,
        "'; DROP TABLE threads; --",
        "{{7*7}} {% raw %}",
        "<b>hi</b>",
    ],
)
async def test_odd_messages_are_answered(talk: Talk, message: str) -> None:
    end = await talk.say(message)
    assert end.text
    assert "<" not in end.text
    assert "49" not in end.text


async def test_an_unknown_field_in_the_page_filter_is_refused_first(service: ConversationService) -> None:
    wrong = ItemFilter(all_of=[Condition(field="nope", op="eq", value=1)])
    with pytest.raises(FilterError, match="genre"):
        async for _ in service.turn(message="hi", user_id="ann", filter=wrong):
            pass


async def test_two_turns_of_one_thread_do_not_mix(talk: Talk, service: ConversationService) -> None:
    await talk.say("comedies")

    async def one(message: str) -> EndEvent:
        return [e async for e in service.turn(message=message, user_id="ann", thread_id=talk.thread_id, k=3)][-1]

    ends = await asyncio.gather(*(one(m) for m in ("newer", "no romance", "thanks", "from France")))
    assert all(isinstance(end, EndEvent) for end in ends)
    history = await service.history(talk.thread_id, "ann")
    assert [m.role for m in history.messages] == ["user", "assistant"] * 5


async def test_a_thread_that_stays_busy_is_a_typed_error(recommender: PlainRecommender, tmp_path: Path) -> None:
    config = ConversationConfig(busy_seconds=0.05)
    async with ConversationService(recommender, NoChatModel(), tmp_path, config) as service:
        talk = Talk(service)
        await talk.say("hello")
        lock = await service._lock(talk.thread_id, "ann")
        with pytest.raises(ThreadBusy):
            await talk.say("hello")
        lock.release()
        assert (await talk.say("hello")).text


async def test_many_users_at_once_stay_apart(service: ConversationService) -> None:
    talks = [Talk(service, user_id=f"user{n}", k=3) for n in range(20)]
    await asyncio.gather(*(t.say("French comedies" if n % 2 else "a thriller") for n, t in enumerate(talks)))
    ends = await asyncio.gather(*(t.say("from the 90s") for t in talks))
    for n, end in enumerate(ends):
        wanted = ("country", "France") if n % 2 else ("genre", "Thriller")
        assert all(wanted[1] in card.facts[wanted[0]] for card in end.cards)
    threads = [(await service.threads(t.user_id))[0].id for t in talks]
    assert len(set(threads)) == 20


async def test_a_long_thread_keeps_one_checkpoint(
    talk: Talk, service: ConversationService, caplog: pytest.LogCaptureFixture
) -> None:
    for message in ("a comedy", "newer", "no romance", "thanks"):
        await talk.say(message)
    await asyncio.gather(*service._tasks)
    rows = await (await service._checkpoints.saver.conn.execute("SELECT count(*) FROM checkpoints")).fetchone()
    assert rows == (1,)
    assert len((await service.history(talk.thread_id, "ann")).messages) == 8
    assert (await talk.say("undo")).cards
    assert "Blocked deserialization" not in caplog.text


async def test_clients_without_threads_bring_their_history(service: ConversationService) -> None:
    earlier = [
        {"role": "user", "content": "French comedies"},
        {"role": "assistant", "content": "Here are two ..."},
        {"role": "user", "content": "I've seen the second one"},
    ]
    with_history = await Talk(service).say("why the first one?", earlier=earlier)
    assert "from France" in with_history.text
    assert "no list" in (await Talk(service).say("why the first one?")).text
