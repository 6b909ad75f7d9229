"""A language model's profiles in a measurement: kept, counted, and never quietly those of rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.llm.none import NoChatModel
from agents.llm.protocol import LLMError, LLMStatus
from eval.profiles.kinds import facts_of
from eval.profiles.people import draw_people
from eval.profiles.writing import model_session
from recsys_core.catalog.splits import leave_last_out
from recsys_core.catalog.synth import synthetic
from recsys_core.errors import ConfigError
from recsys_core.profiles import Averages


class Writes(NoChatModel):
    """Writes one line that differs by prompt, fails, or isn't there."""

    name = "writes"
    available = True
    status = LLMStatus("ready")

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.calls = 0

    async def complete_json(self, messages: Any, schema: Any, **_: Any) -> Any:
        self.calls += 1
        if self.fails:
            raise LLMError(self.fails, "it failed")  # type: ignore[arg-type]
        return schema(lines=[f"Likes what is number {len(messages[-1]['content'])}"[: 20 + self.calls % 2]])

    async def wait_ready(self, timeout_s: float) -> LLMStatus:
        return self.status


@pytest.fixture(scope="module")
def facts() -> tuple[Any, list[Any]]:
    catalogue, log = synthetic(n_items=120, n_users=40, seed=3)
    people = draw_people(leave_last_out(log), 8, 0)
    averages = Averages(catalogue)
    return catalogue, [facts_of(averages, log, person) for person in people]


def test_replies_are_kept(facts: tuple[Any, list[Any]], tmp_path: Path) -> None:
    """A second run asks for nothing and gives the same candidates, the single one first."""
    catalogue, every = facts
    seen: list[tuple[str, int, int]] = []
    first, again = Writes(), Writes("unavailable")
    with model_session(lambda: first, tmp_path / "r.sqlite", 1, lambda *told: seen.append(told)) as session:
        writer = session.writer(catalogue)
        found = writer.write_many(every, 3)
        assert writer.name == "writes"
        assert writer.counts()["by_rules"] == 0
        assert seen[-1] == ("profiles by the language model", 8, 8)
        alone = [texts[0] for texts in writer.write_many(every, 1)]
    assert [texts[0] for texts in found] == alone
    assert all(1 <= len(texts) <= 3 and len(set(texts)) == len(texts) for texts in found)
    assert first.calls <= 24
    with model_session(lambda: again, tmp_path / "r.sqlite", 1) as session:
        assert session.writer(catalogue).write_many(every, 3) == found
    assert again.calls == 0


def test_a_model_that_is_gone_stops_the_measurement(facts: tuple[Any, list[Any]], tmp_path: Path) -> None:
    """Rules may stand in for a few people, counted, but not for everybody under the model's name."""
    catalogue, every = facts
    with (
        model_session(lambda: Writes("timeout"), tmp_path / "r.sqlite", 1) as session,
        pytest.raises(ConfigError, match="nothing usable for 5 people in a row"),
    ):
        session.writer(catalogue).write_many(every, 2)
    with model_session(lambda: Writes("timeout"), tmp_path / "r.sqlite", 1) as session:
        writer = session.writer(catalogue)
        assert all(len(texts) == 1 for texts in writer.write_many(every[:3], 2))
        assert writer.counts()["by_rules"] == 3


def test_a_model_that_does_not_start_is_told(tmp_path: Path) -> None:
    """No table without the model that it is about."""

    class Never(Writes):
        status = LLMStatus("failed", "no weights")

    with pytest.raises(ConfigError, match="no weights"), model_session(Never, tmp_path / "r.sqlite", 1):
        pytest.fail("it started")
