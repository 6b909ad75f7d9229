"""A plan is promoted in one step, taken back to what was before, and watched in use."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from recsys_core.errors import ConfigError, ReleaseError
from recsys_core.releases.release import MANIFEST, Release
from recsys_core.serving.plan import AS_BUILT, ServingPlan, plan_path, read_plan
from recsys_core.tuning.in_use import InUse, InUseConfig
from recsys_core.tuning.promotion import Promotion, in_force, promote, roll_back, stamp

FAST = Promotion(plan=ServingPlan(beam=4), study="s", speed=2.0, changes={"beam": 4})
FASTER = Promotion(plan=ServingPlan(beam=2), study="t", speed=3.0, changes={"beam": 2})


@pytest.fixture
def release(tiny_release: Release, tmp_path: Path) -> Release:
    folder = tmp_path / "releases" / tiny_release.id
    folder.mkdir(parents=True)
    shutil.copy(tiny_release.path / MANIFEST, folder)
    return Release(folder)


def test_a_promoted_plan_is_what_is_read_and_its_case_is_kept(release: Release) -> None:
    before = stamp(release)
    promote(release, FAST, "command line")
    assert stamp(release) != before
    assert read_plan(release, "compact") == FAST.plan
    found = in_force(release)
    assert (found.promotion, [e.event for e in found.entries]) == (FAST, ["promoted"])
    with pytest.raises(ConfigError, match="in force already"):
        promote(release, FAST, "command line")


def test_rolling_back_goes_one_promotion_back_each_time(release: Release) -> None:
    promote(release, FAST, "page")
    promote(release, FASTER, "page")
    assert roll_back(release, "page", "too bold").promotion == FASTER
    assert in_force(release).promotion == FAST
    roll_back(release, "page")
    assert in_force(release).plan == AS_BUILT
    assert not plan_path(release).exists()
    with pytest.raises(ConfigError, match="nothing to roll back"):
        roll_back(release, "page")
    assert [e.event for e in in_force(release).entries] == ["promoted", "promoted", "rolled_back", "rolled_back"]


def test_a_watch_takes_back_only_what_it_watched(release: Release) -> None:
    promote(release, FASTER, "page")
    with pytest.raises(ConfigError, match="another plan"):
        roll_back(release, "watch", "late", expected=FAST.plan)
    assert in_force(release).plan == FASTER.plan


def test_a_plan_that_nobody_promoted_is_told_apart_and_can_be_taken_back(release: Release) -> None:
    # as a process killed between plan and record leaves it
    promote(release, FAST, "page")
    plan_path(release).write_text(json.dumps({"beam": 7}))
    assert in_force(release).promotion is None
    roll_back(release, "page")
    assert in_force(release).plan == AS_BUILT


def test_damaged_files_name_themselves(release: Release) -> None:
    plan_path(release).write_text("{")
    with pytest.raises(ReleaseError, match=r"plan\.json can't be read"):
        in_force(release)
    plan_path(release).unlink()
    promote(release, FAST, "page")
    (release.path / "promotions.json").write_text("[{}]")
    with pytest.raises(ReleaseError, match=r"promotions\.json can't be read"):
        in_force(release)


def test_many_at_once_lose_no_entry(release: Release) -> None:
    plans = [Promotion(plan=ServingPlan(beam=n)) for n in range(1, 13)]
    threads = [threading.Thread(target=promote, args=(release, plan, "x")) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = in_force(release).entries
    assert sorted(e.promotion.plan.beam or 0 for e in entries) == list(range(1, 13))
    for earlier, later in itertools.pairwise(entries):
        assert later.before == earlier.promotion.plan


SMALL = InUseConfig(window=20, samples=30, every=1)


def test_late_answers_break_the_promise_and_a_few_slow_ones_do_not() -> None:
    use = InUse(Promotion(plan=FAST.plan, latency_ms=100), SMALL)
    for n in range(19):
        use.served(500.0)
        assert use.breach() == "", f"{n + 1} answers say nothing yet"
    use.served(500.0)
    assert use.breach().startswith("latency: 19 of 20 of the last 20 answers take up to 500 ms")
    fine = InUse(Promotion(plan=FAST.plan, latency_ms=100), SMALL)
    for n in range(400):
        fine.served(500.0 if n % 40 == 0 else 10.0)
    assert fine.breach() == ""


@pytest.mark.parametrize(("kept", "broken"), [(0.5, True), (0.97, False), (1.1, False)])
def test_quality_under_the_floor_breaks_the_promise(kept: float, broken: bool) -> None:
    rng = np.random.default_rng(0)
    use = InUse(Promotion(plan=FAST.plan, floor=0.95), SMALL)
    for _ in range(600):
        built = float(rng.random() < 0.6)
        use.sampled(built * float(rng.random() < kept) if kept <= 1 else built * kept, built)
    assert use.breach().startswith("quality:") is broken
    assert use.figures()["quality_kept"] == pytest.approx(kept, abs=0.06)


def test_chance_alone_seldom_breaks_a_promise() -> None:
    # looked at after every sample, where the plan keeps exactly what it promised
    broken = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        use = InUse(Promotion(plan=FAST.plan, floor=0.9), InUseConfig(samples=100, every=25))
        for _ in range(500):
            built = float(rng.random() < 0.5)
            use.sampled(built * float(rng.random() < 0.95), built)
        broken += bool(use.breach())
    assert broken <= 2
