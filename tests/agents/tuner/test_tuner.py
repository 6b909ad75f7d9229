"""The tuner: a model's proposals count only as proposals, the report says what happened, a person decides."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from agents.llm.scripted import ScriptedChatModel, ScriptEntry
from agents.tuner.adviser import AdviserConfig, LanguageModelAdviser, told_stages
from agents.tuner.graph import Decision, Steps, TunerAgent
from agents.tuner.report import TuningReport, effects_of, make_report
from recsys_core.errors import ConfigError
from recsys_core.releases.release import MANIFEST, Release
from recsys_core.serving.plan import ServingPlan
from recsys_core.tuning.cache import Cache
from recsys_core.tuning.methods import make_method
from recsys_core.tuning.promotion import Promotion, in_force, promote
from recsys_core.tuning.score import Gates
from recsys_core.tuning.study import Budget, Outcome, run_study
from tests.recsys_core.tuning.toy import Toy

GOOD = {"change": [{"knob": "width", "value": "8"}, {"knob": "depth", "value": 8}], "reason": "narrower reads less"}
BAD = {"change": [{"knob": "warp", "value": 9}], "reason": "faster than light"}
PROMOTION = Promotion(plan=ServingPlan(beam=4), study="s", speed=2.0, quality=0.98, lower=0.96, changes={"beam": 4})


def advised_study(tmp_path: Path, entries: list[dict[str, Any]], trials: int = 12) -> tuple[Outcome, Any]:
    toy, gates = Toy(), Gates(floor=0.9)
    method = make_method("sidra", toy.space, trials, 0)
    llm = ScriptedChatModel([ScriptEntry.model_validate(entry) for entry in entries])
    with LanguageModelAdviser(llm, toy.space, 0.9, method.phase, method.optimiser, AdviserConfig(every=2)) as adviser:
        outcome = run_study(Cache(tmp_path, toy), method, gates, Budget(trials=trials), advisers=[adviser])
    return outcome, adviser


def test_proposals_are_measured_with_their_reason_and_foolish_ones_refused(tmp_path: Path) -> None:
    outcome, adviser = advised_study(tmp_path, [{"call": "tune", "json": {"proposals": [BAD, GOOD]}}])
    taken = [trial for trial in outcome.history.trials if trial.proposed_by == "llm"]
    assert [(t.config["width"], t.config["depth"], t.reason) for t in taken] in (
        [(8, 8, "narrower reads less")],
        [],  # its own candidates were expected to do better every time
    )
    assert outcome.history.refused["outside the space"] == adviser.asked
    assert len(outcome.history.trials) == 12


def test_a_model_that_fails_stops_nothing_and_is_told(tmp_path: Path) -> None:
    outcome, adviser = advised_study(tmp_path, [{"call": "tune", "error": "unavailable"}])
    assert len(outcome.history.trials) == 12
    assert adviser.asked == len(adviser.failures) > 0
    report = make_report("s", "r", Toy().space, outcome.history, None, asked=adviser.asked, failures=adviser.failures)
    assert any("it gave no answer" in sentence for sentence in report.sentences)


def test_it_is_told_knobs_stages_and_trials_and_nothing_else(tmp_path: Path) -> None:
    asked: list[Any] = []

    class Listening(ScriptedChatModel):
        async def complete_json(self, messages: Any, *rest: Any, **options: Any) -> Any:
            asked.append(messages)
            return await super().complete_json(messages, *rest, **options)

    toy = Toy()
    method = make_method("sidra", toy.space, 8, 0)
    llm = Listening([ScriptEntry.model_validate({"json": {"proposals": []}})])
    with LanguageModelAdviser(llm, toy.space, 0.9, method.phase, method.optimiser) as adviser:
        run_study(Cache(tmp_path, toy), method, Gates(floor=0.9), Budget(trials=8), advisers=[adviser])
    user = asked[0][-1]["content"]
    assert "width: 16; 2, 4, 8, 32; " in user
    assert "only with engine graph" in user
    assert "as served now; 1.00; " in user
    assert "not tried: " in user
    assert "Where the time goes: all 100%." in user
    assert told_stages({"b": 1.0, "a": 3.0, "none": 0.0}) == "a 75%, b 25%"


def test_the_report_says_what_is_proposed_and_what_each_change_gives(tmp_path: Path) -> None:
    toy = Toy()
    method = make_method("sidra", toy.space, 16, 0)
    outcome = run_study(Cache(tmp_path, toy), method, Gates(floor=0.9), Budget(trials=16))
    best = outcome.history.best()
    assert best is not None
    effects = effects_of(toy.space, best.config, outcome.history, method.optimiser.predict)
    assert {effect.knob for effect in effects} <= set(best.changes)
    assert max(effect.speed for effect in effects) > 1
    told = make_report("s", "r1", toy.space, outcome.history, PROMOTION, effects=effects)
    page = told.markdown()
    assert "answers 2.00 times as many requests" in page
    assert "at least 96.0% by those queries alone; the floor, proven on two other sets, is 95%" in page
    assert page.count("\n|") == len(effects) + 2
    nothing = make_report("s", "r1", toy.space, outcome.history, None, advice="Take more queries.", stopped="seconds")
    assert nothing.sentences[0].startswith("Nothing is proposed")
    assert "ended early: seconds" in nothing.sentences[1]
    assert TuningReport.model_validate_json(told.model_dump_json()) == told


@pytest.fixture
def release(tiny_release: Release, tmp_path: Path) -> Release:
    folder = tmp_path / "releases" / tiny_release.id
    folder.mkdir(parents=True)
    shutil.copy(tiny_release.path / MANIFEST, folder)
    return Release(folder)


def agent(folder: Path, release: Release, report: TuningReport, searched: list[str] | None = None) -> TunerAgent:
    def search() -> TuningReport:
        if searched is not None:
            searched.append("x")
        return report

    return TunerAgent(folder, Steps(search=search, release=lambda _: release))


REPORT = TuningReport(study="s", release="r", sentences=["Proposed: beam=4."], promotion=PROMOTION)


def test_nothing_is_served_differently_before_a_person_says_so(release: Release, tmp_path: Path) -> None:
    first = agent(tmp_path / "t", release, REPORT)
    assert first.run("s", release.id)["where"] == "waiting"
    assert in_force(release).entries == []
    first.close()
    # another process, later
    searched: list[str] = []
    second = agent(tmp_path / "t", release, REPORT, searched)
    assert second.run("s", release.id)["where"] == "waiting"
    assert [state["study"] for state in second.waiting()] == ["s"]
    assert second.decide("s", Decision(approve=True, by="page"))["where"] == "promoted"
    assert searched == []
    assert in_force(release).promotion == PROMOTION
    assert in_force(release).entries[0].by == "page"
    with pytest.raises(ConfigError, match="waits for no answer"):
        second.decide("s", Decision(approve=True))
    second.close()


def test_a_refused_proposal_and_one_that_is_not_there_change_nothing(release: Release, tmp_path: Path) -> None:
    tuner = agent(tmp_path / "t", release, REPORT)
    tuner.run("s", release.id)
    assert tuner.decide("s", Decision(approve=False))["where"] == "refused"
    assert in_force(release).entries == []
    assert tuner.waiting() == []
    none = agent(tmp_path / "u", release, REPORT.model_copy(update={"promotion": None}))
    assert none.run("t", release.id)["where"] == "nothing"
    with pytest.raises(ConfigError, match="waits for no answer"):
        none.decide("t", Decision(approve=True))
    with pytest.raises(ConfigError, match="waits for no answer"):
        none.decide("never begun", Decision(approve=True))


def test_an_answer_that_could_not_be_carried_out_can_be_given_again(release: Release, tmp_path: Path) -> None:
    promote(release, PROMOTION, "somebody else")
    tuner = agent(tmp_path / "t", release, REPORT)
    tuner.run("s", release.id)
    with pytest.raises(ConfigError, match="in force already"):
        tuner.decide("s", Decision(approve=True))
    assert [state["study"] for state in tuner.waiting()] == ["s"]
    assert tuner.decide("s", Decision(approve=False))["where"] == "refused"


def test_a_study_without_a_proposal_goes_on_when_more_trials_are_asked_for(release: Release, tmp_path: Path) -> None:
    searched: list[str] = []
    nothing = REPORT.model_copy(update={"promotion": None, "trials": 10})
    tuner = agent(tmp_path / "t", release, nothing, searched)
    tuner.run("s", release.id, 10)
    tuner.run("s", release.id, 10)
    assert len(searched) == 1
    tuner.run("s", release.id, 20)
    assert len(searched) == 2
