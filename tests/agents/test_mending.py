"""A sentence that can't be checked is asked for once more, then left out; the step says what was dropped."""

from __future__ import annotations

from pathlib import Path

from agents.conversation import ConversationConfig, ConversationService
from agents.events import StepEvent
from agents.llm.scripted import ScriptedChatModel, ScriptEntry
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue

WRONG = "These are funny crime stories. [1] was made in 1971. "


async def say(tmp_path: Path, *entries: dict, **config: float) -> tuple[object, str, ScriptedChatModel]:
    llm = ScriptedChatModel([ScriptEntry.model_validate(entry) for entry in entries])
    made = ConversationConfig(**config)
    async with ConversationService(PlainRecommender(film_catalogue()), llm, tmp_path, made) as service:
        talk = Talk(service)
        end = await talk.say("something like Fargo but funnier")
        step = next(e for e in talk.events if isinstance(e, StepEvent) and (e.node, e.status) == ("respond", "end"))
        return end, step.detail, llm


async def test_a_dropped_sentence_is_written_again(tmp_path: Path) -> None:
    mend = {"call": "mend", "match": "1971 is not among the facts", "text": "[1] was made in 1987."}
    end, detail, _ = await say(tmp_path, {"call": "respond", "text": WRONG}, mend)
    assert end.text.endswith("These are funny crime stories. Raising Arizona was made in 1987.")
    assert "1971" not in end.text
    assert "dropped: the number 1971" in detail
    assert not end.degraded


async def test_it_is_asked_for_once(tmp_path: Path) -> None:
    mend = {"call": "mend", "text": "[1] was made in 1972."}
    end, detail, llm = await say(tmp_path, {"call": "respond", "text": WRONG + "Watch Vertigo. "}, mend)
    assert end.text.endswith("These are funny crime stories.")
    assert sum(llm._used) == 2
    assert "1971" in detail
    assert "1972" in detail


async def test_what_holds_is_not_asked_for_again(tmp_path: Path) -> None:
    end, detail, llm = await say(
        tmp_path, {"call": "respond", "text": "These are funny crime stories. [1] comes first. "}
    )
    assert sum(llm._used) == 1
    assert "dropped" not in detail
    assert end.llm == "scripted"


async def test_without_calls_or_time_left_it_stays_dropped(tmp_path: Path) -> None:
    mend = {"call": "mend", "text": "[1] was made in 1987."}
    end, _, llm = await say(tmp_path / "calls", {"call": "respond", "text": WRONG}, mend, llm_calls=1)
    assert (sum(llm._used), end.degraded) == (1, False)
    _, _, llm = await say(tmp_path / "time", {"call": "respond", "text": WRONG}, mend, llm_seconds=2)
    assert sum(llm._used) == 1


async def test_a_mended_sentence_alone_is_an_answer(tmp_path: Path) -> None:
    mend = {"call": "mend", "text": "[1] was made in 1987."}
    end, _, _ = await say(tmp_path, {"call": "respond", "text": "[1] was made in 1971. "}, mend)
    assert end.llm == "scripted"
    assert end.text.endswith("Raising Arizona was made in 1987.")
    assert not end.degraded
