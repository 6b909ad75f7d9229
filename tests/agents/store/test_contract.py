"""What both databases must do alike: tables, order, isolation, going back, and whole conversations on top."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.conversation import ConversationService
from agents.errors import FactNotFound, MemoryFull, ThreadNotFound
from agents.intent import Wish
from agents.llm.none import NoChatModel
from agents.store import Database, DatabaseConfig, FactStore, FeedbackStore, NewFact, ThreadRegistry, open_database
from agents.store.facts import MAX_FACTS
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue


@pytest.fixture
def database(config: DatabaseConfig) -> Iterator[Database]:
    opened = open_database(config)
    yield opened
    opened.close()


def fact(value: str, *, negative: bool = True) -> NewFact:
    wish = Wish(field="genre", values=[value], negative=negative, words=f"no {value}")
    return NewFact(wish=wish, sentence=wish.words, said=f"I never watch {value}")


def said(store: FactStore, user: str = "ann") -> list[str]:
    return [each.sentence for each in store.of(user)]


def test_threads_belong_to_one_user(database: Database) -> None:
    registry = ThreadRegistry(database)
    first, second = registry.create("ann", "one"), registry.create("ann", "two")
    registry.touch(first, 3)
    registry.touch(first, 2)
    assert [(info.id, info.turns) for info in registry.of("ann")] == [(first, 3), (second, 0)]
    assert registry.of("bob") == []
    with pytest.raises(ThreadNotFound):
        registry.check(first, "bob")
    registry.delete(first)
    with pytest.raises(ThreadNotFound):
        registry.check(first, "ann")


def test_the_last_thumb_counts_and_order_stays(database: Database) -> None:
    store = FeedbackStore(database)
    for item, value in (("b", 1), ("a", -1), ("c", 1), ("b", -1), ("c", 0)):
        store.set("ann", item, value)
    assert list(store.of("ann").items()) == [("a", -1), ("b", -1)]
    with pytest.raises(ValueError, match="not 2"):
        store.set("ann", "a", 2)
    store.mark_seen("ann", ["z", "y", "x"])
    store.mark_seen("ann", ["y", "w"])
    assert store.seen("ann") == ["z", "y", "x", "w"]
    store.unmark_seen("ann", ["y"])
    assert store.seen("ann") == ["z", "x", "w"]
    store.delete("ann")
    assert (store.of("ann"), store.seen("ann")) == ({}, [])


def test_facts_come_back_as_they_were(database: Database) -> None:
    store = FactStore(database)
    kept = store.add("ann", [fact("Horror"), NewFact(wish=None, sentence="vegan", said="I'm vegan é 🎬")], "t", 2)
    assert store.of("ann") == kept
    assert store.of("bob") == []
    edited = store.edit("ann", kept[0].id, fact("War"))
    assert (edited.id, edited.thread_id, edited.turn, edited.sentence) == (kept[0].id, "t", 2, "no War")
    for user, fact_id in (("bob", kept[0].id), ("ann", "nothing")):
        with pytest.raises(FactNotFound):
            store.edit(user, fact_id, fact("Crime"))
        with pytest.raises(FactNotFound):
            store.remove(user, fact_id)
    store.remove("ann", kept[0].id)
    assert said(store) == ["vegan"]


def test_a_turn_that_runs_again_writes_nothing_twice(database: Database) -> None:
    store = FactStore(database)
    (old,) = store.add("ann", [fact("Horror")])
    for _ in range(2):
        assert [f.id for f in store.before("ann", "t", 4)] == [old.id]
        store.add("ann", [fact("War"), fact("Crime")], "t", 4, ends=[old.id])
        assert said(store) == ["no War", "no Crime"]
    for _ in range(2):
        store.undo("ann", "t", 4)
        assert said(store) == ["no Horror"]


def test_undo_touches_one_turn_of_one_thread_of_one_user(database: Database) -> None:
    store = FactStore(database)
    store.add("ann", [fact("A")], "t", 1)
    store.add("ann", [fact("B")], "t", 2)
    store.add("bob", [fact("C")], "t", 1)
    store.add("ann", [fact("D")], "u", 1)
    store.undo("ann", "t", 1)
    assert (said(store), said(store, "bob")) == (["no B", "no D"], ["no C"])


def test_all_or_nothing(database: Database) -> None:
    store = FactStore(database)
    (first,) = store.add("ann", [fact("X")])
    store.add("ann", [fact(str(n)) for n in range(MAX_FACTS - 1)])
    with pytest.raises(MemoryFull):
        store.add("ann", [fact("Y"), fact("Z")], "t", 1, ends=[first.id])
    assert len(said(store)) == MAX_FACTS
    assert "no X" in said(store), "what the refused facts would have ended still holds"


def test_what_was_ended_in_a_deleted_thread_is_gone_for_good(database: Database) -> None:
    store = FactStore(database)
    (old,) = store.add("ann", [fact("Horror")])
    store.end("ann", [old.id], "t", 3)
    store.forget_ended("ann", "t")
    store.undo("ann", "t", 3)
    assert said(store) == []


def test_text_that_a_database_can_not_hold_breaks_nothing(database: Database) -> None:
    store = FactStore(database)
    note = NewFact(wish=None, sentence="'; DROP TABLE facts; -- ? %s %(x)s", said="\ud800 \x00 ?")
    if "PostgreSQL" in database.place:
        store.add("ann?%s", [note])
        assert said(store, "ann?%s") == [note.sentence]
    else:
        store.add("ann?%s", [note.model_copy(update={"said": "?"})])
        assert said(store, "ann?%s") == [note.sentence]


def test_many_threads_at_once(database: Database) -> None:
    store = FeedbackStore(database)

    def work(number: int) -> None:
        for item in range(10):
            store.set(f"user-{number}", f"i{item}", 1)
            store.mark_seen("shared", [f"i{item}"])

    workers = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert all(len(store.of(f"user-{n}")) == 10 for n in range(6))
    assert sorted(store.seen("shared")) == [f"i{n}" for n in range(10)]


async def test_a_conversation_goes_on_after_a_restart(config: DatabaseConfig, tmp_path: Path) -> None:
    def service() -> ConversationService:
        return ConversationService(
            PlainRecommender(film_catalogue()), NoChatModel(), config.folder, database_url=config.url
        )

    async with service() as opened:
        talk = Talk(opened)
        await talk.say("I never watch horror")
        await talk.say("French comedies")
        await talk.say("I've seen the first one")
    async with service() as opened:
        talk.service = opened
        end = await talk.say("after 2000")
        assert [card.item_id for card in end.cards] == ["5"]
        history = await opened.history(talk.thread_id, "ann")
        assert len(history.messages) == 8
        assert [f.sentence for f in opened.memory.of("ann")] == ["no Horror"]
        with pytest.raises(ThreadNotFound):
            await opened.history(talk.thread_id, "bob")
        await opened.forget("ann")
        assert await opened.threads("ann") == []
        assert opened.memory.of("ann") == []
        state = await opened._ready().aget_state({"configurable": {"thread_id": talk.thread_id}})
        assert state.values == {}


async def test_a_finished_turn_keeps_one_checkpoint(config: DatabaseConfig) -> None:
    service = ConversationService(
        PlainRecommender(film_catalogue()), NoChatModel(), config.folder, database_url=config.url
    )
    async with service:
        talk = Talk(service)
        for message in ("a comedy", "from the 90s", "why the first one?"):
            await talk.say(message)
        saver = service._stored().saver
        found = [c async for c in saver.alist({"configurable": {"thread_id": talk.thread_id}})]
        assert len(found) == 1
