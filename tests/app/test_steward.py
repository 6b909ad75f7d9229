"""A promoted plan is served by a running API within a look, and taken back when it breaks its promises."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.runtime import Runtime
from app.settings import Settings
from recsys_core.errors import ReleaseError
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.serving.plan import AS_BUILT, ServingPlan, plan_path
from recsys_core.tuning.promotion import Promotion, in_force, promote, roll_back

PLAN = ServingPlan(beam=3)


@pytest.fixture
async def runtime(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    shutil.copytree(tiny_home / "releases", tmp_path / "releases")
    monkeypatch.setattr("app.steward.PERIOD_S", 3600.0)  # looks when it is told to
    runtime = Runtime(Settings(home=tmp_path, llm="none", _env_file=None))  # type: ignore[call-arg]
    runtime.start()
    await runtime.wait()
    assert runtime.ready
    yield runtime
    await runtime.close()


async def test_a_promotion_is_served_and_taken_back_again(runtime: Runtime) -> None:
    release = runtime.recommender.release
    await runtime.steward.look()
    before = runtime.recommender
    promote(release, Promotion(plan=PLAN), "test")
    await runtime.steward.look()
    assert runtime.recommender.scorer.plan == PLAN
    # who took the former state keeps it, and it still answers
    assert before.recommend([GenerateRequest(history=before.catalogue.ids[:3], k=3)])[0].items
    roll_back(release, "test")
    await runtime.steward.look()
    assert runtime.recommender.scorer.plan == AS_BUILT


async def test_late_answers_take_the_plan_back(runtime: Runtime) -> None:
    release = runtime.recommender.release
    promote(release, Promotion(plan=PLAN, latency_ms=50.0), "test")
    await runtime.steward.look()
    for _ in range(200):
        runtime.steward.served(None, 0.2)
    await runtime.steward.look()
    found = in_force(release)
    assert found.plan == AS_BUILT
    assert found.entries[-1].why.startswith("latency:")
    await runtime.steward.look()
    assert runtime.recommender.scorer.plan == AS_BUILT
    assert runtime.steward.figures == {}


async def test_quality_in_use_is_sampled_from_people_who_were_served(runtime: Runtime) -> None:
    release = runtime.recommender.release
    promote(release, Promotion(plan=PLAN), "test")
    await runtime.steward.look()
    users = runtime.recommender.log.users[:3]
    for user in (*users, "nobody knows me"):
        runtime.steward.served(user)
    for _ in range(5):
        await runtime.steward.look()
    figures = runtime.steward.figures
    assert figures["samples"] == len(users)
    assert "p95_ms" not in figures


async def test_a_plan_that_cannot_be_read_leaves_what_is_served(runtime: Runtime) -> None:
    release = runtime.recommender.release
    await runtime.steward.look()
    plan_path(release).write_text("{")
    with pytest.raises(ReleaseError, match=r"plan\.json can't be read"):
        await runtime.steward.look()
    assert runtime.recommender.scorer.plan == AS_BUILT
    assert runtime.recommender.recommend([GenerateRequest(history=runtime.recommender.catalogue.ids[:3], k=3)])
