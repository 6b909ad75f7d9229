""" "Forget me": nothing that a user said is left, in answers or in the bytes of the files; others keep theirs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agents.conversation import ConversationService
from agents.llm.none import NoChatModel
from agents.profile import corrections
from agents.store import DiaryEntry
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue

CANARIES = ("zanzibar-canary", "quetzal@example.org", "4929-1827-1827-4400")


def traces(folder: Path, words: tuple[str, ...] = CANARIES) -> list[tuple[str, str]]:
    """Which files hold which words, as bytes."""
    return [
        (path.name, word)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for word in words
        if word.encode() in path.read_bytes()
    ]


async def say_canaries(service: ConversationService, user: str = "ann") -> Talk:
    talk = Talk(service, user)
    await talk.say(f"a comedy, says {CANARIES[0]}")
    await talk.say(f"remember that my address is {CANARIES[1]}")
    await talk.say("I've seen the first one")
    await talk.say(f"something with {CANARIES[2]}")
    await talk.say("I love horror")
    await talk.say("I never watch horror")
    service.memory.add(user, f"remember that my card is {CANARIES[2]}", service.view().understanding)
    service.feedback.set(user, "7", 1, talk.thread_id)
    service.profiles.correct(user, lambda before: corrections.added(before, f"I am {CANARIES[0]}"), "")
    service.profiles.correct(user, lambda before: corrections.added(before, f"My card: {CANARIES[2]}"), "")
    reading = service.readings.store
    reading.switch(user, True)
    reading.write(user, DiaryEntry("7", reading.today(), "cool", CANARIES[0], (0.1,) * 6))
    reading.choose(user, str(talk.thread_id), CANARIES[1], "cool")
    reading.learn(user, [CANARIES[2]], "card", "cool")
    return talk


async def test_nothing_is_left_in_the_files(tmp_path: Path) -> None:
    async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path) as service:
        talk = await say_canaries(service)
        await say_canaries(service)
        other = Talk(service, "bob")
        await other.say("a thriller for bob-the-bystander")
        assert {word for _, word in traces(tmp_path)} == set(CANARIES), "the canaries were there"
        # a branch of the thread, as Studio or an edit would leave one
        config = {"configurable": {"thread_id": talk.thread_id, "checkpoint_ns": "branch"}}
        saver = service._stored().saver
        newest = await saver.aget_tuple({"configurable": {"thread_id": talk.thread_id}})
        assert newest is not None
        await saver.aput(config, newest.checkpoint, newest.metadata, {})
        await service.forget("ann")
        assert await service.threads("ann") == []
        assert service.profiles.versions("ann") == []
        assert (service.memory.of("ann"), service.feedback.of("ann"), service.feedback.seen("ann")) == ([], {}, [])
        reading = service.readings.store
        assert (reading.since("ann"), reading.diary("ann"), reading.evidence("ann")) == (None, [], [])
        assert reading.choices("ann", str(talk.thread_id)) == {}
        assert traces(tmp_path) == []
        assert [c async for c in saver.alist(config)] == []
        history = await service.history(other.thread_id, "bob")
        assert "bob-the-bystander" in history.messages[0].content
    assert traces(tmp_path) == []


async def test_a_deleted_fact_and_a_deleted_thread_leave_the_file_too(tmp_path: Path) -> None:
    async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path) as service:
        talk = await say_canaries(service)
        for fact in service.memory.of("ann"):
            service.memory.remove("ann", fact.id)
        for line in service.profiles.versions("ann")[0].lines:
            service.profiles.delete_line("ann", line.id, service.recommender)
        await service.delete_thread(talk.thread_id, "ann")
        service.readings.store.switch("ann", False)
        service.readings.store.unlearn("ann")
    # closing empties the write-ahead log
    assert traces(tmp_path) == []


async def test_a_turn_that_is_running_ends_first(tmp_path: Path) -> None:
    async with ConversationService(PlainRecommender(film_catalogue()), NoChatModel(), tmp_path) as service:
        talk = Talk(service)
        await talk.say("a comedy")

        async def speak() -> None:
            await talk.say(f"remember that I am {CANARIES[0]}")

        turn = asyncio.create_task(speak())
        await asyncio.sleep(0)
        await service.forget("ann")
        await asyncio.gather(turn, return_exceptions=True)
        await service.forget("ann")
        assert await service.threads("ann") == []
        assert traces(tmp_path) == []
