"""Fifty conversations at the same time: nothing of one in another's; and a guard that breaks lets nothing through."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import agents.guard
import agents.turn
from agents.conversation import ConversationConfig, ConversationService
from agents.errors import GuardFailed, ThreadNotFound
from agents.events import EndEvent, ErrorEvent
from agents.llm.scripted import ScriptedChatModel, ScriptEntry
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue

USERS = 50
GENRES = ("Horror", "Musical", "Romance", "Sci-Fi", "War")


def scripted() -> ScriptedChatModel:
    entries = [
        {"call": "intent", "json": {"act": "recommend", "want": ["Crime"]}, "delay": 0.01},
        {"call": "respond", "text": "These should do. [1] comes first. ", "delay": 0.01},
    ]
    return ScriptedChatModel([ScriptEntry.model_validate(entry) for entry in entries])


async def test_fifty_interleaved_conversations_share_nothing(tmp_path: Path) -> None:
    config = ConversationConfig(llm_seconds=120, refine_seconds=60, first_words_seconds=60)
    async with ConversationService(PlainRecommender(film_catalogue()), scripted(), tmp_path, config) as service:

        async def converse(number: int) -> tuple[Talk, list[str]]:
            talk = Talk(service, f"user-{number}", k=3)
            said = []
            for message in (
                f"I never watch {GENRES[number % len(GENRES)]}",
                f"remember that my word is canary{number}x",
                "I've seen the first one" if number % 2 else "I loved the first one",
                "what do you know about me?",
            ):
                end = await talk.say(message)
                assert isinstance(end, EndEvent), end
                barred = GENRES[number % len(GENRES)]
                assert not any(barred in card.facts["genre"] for card in end.cards)
                said.append(end.text + " ".join(card.reason for card in end.cards))
            return talk, said

        talks = await asyncio.gather(*(converse(number) for number in range(USERS)))
        for number, (talk, said) in enumerate(talks):
            user = f"user-{number}"
            everything = " ".join(said) + str(await service.history(talk.thread_id, user))
            everything += str(service.memory.of(user)) + str(await service.threads(user))
            foreign = [n for n in range(USERS) if n != number and f"canary{n}x" in everything]
            assert foreign == [], f"{user} hears of {foreign}"
            assert f"canary{number}x" in said[-1]
            assert f"no {GENRES[number % len(GENRES)]}" in said[-1]
            assert [f.sentence for f in service.memory.of(user)] == [
                f"no {GENRES[number % len(GENRES)]}", f"my word is canary{number}x",
            ]  # fmt: skip
            seen, thumbs = service.feedback.seen(user), service.feedback.of(user)
            assert (len(seen), len(thumbs)) == ((1, 0) if number % 2 else (0, 1))
            stranger = f"user-{(number + 1) % USERS}"
            for attempt in (
                service.history(talk.thread_id, stranger),
                service.delete_thread(talk.thread_id, stranger),
                service.resume(talk.thread_id, stranger),
                anext(service.turn(message="hi", user_id=stranger, thread_id=talk.thread_id)),
            ):
                with pytest.raises(ThreadNotFound):
                    await attempt


class Spy(PlainRecommender):
    def recommend(self, *args: object, **more: object) -> list:
        raise AssertionError("the recommender was asked")


@pytest.mark.parametrize("broken_at", ["the door", "the node"])
async def test_a_guard_that_breaks_refuses_and_nothing_else_runs(
    tmp_path: Path, broken_at: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with ConversationService(Spy(film_catalogue()), scripted(), tmp_path) as service:
        calls = 0
        clean = agents.guard.clean_message

        def broken(text: str, limit: int) -> str:
            nonlocal calls
            calls += 1
            if broken_at == "the door" or calls > 1:
                raise RuntimeError(f"cannot look at {text}")
            return clean(text, limit)

        monkeypatch.setattr(agents.guard, "clean_message", broken)
        talk = Talk(service)
        if broken_at == "the door":
            with pytest.raises(GuardFailed):
                await talk.say("I never watch canary horror")
            assert await service.threads("ann") == []
        else:
            end = await talk.say("I never watch canary horror")
            assert isinstance(end, ErrorEvent)
            assert end.code == "guard_failed"
            assert {e.node for e in talk.events if e.type == "step"} == {"guard"}
        assert service.memory.of("ann") == []
        assert "canary" not in caplog.text
        assert "RuntimeError" in caplog.text


async def test_a_turn_passes_a_limited_number_of_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents.turn, "MAX_STEPS", 3)
    async with ConversationService(PlainRecommender(film_catalogue()), scripted(), tmp_path) as service:
        talk = Talk(service)
        end = await talk.say("a comedy")
        assert isinstance(end, ErrorEvent)
        monkeypatch.setattr(agents.turn, "MAX_STEPS", 20)
        assert isinstance(await talk.say("a comedy"), EndEvent), "the thread goes on"
