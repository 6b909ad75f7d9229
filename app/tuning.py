"""What the command line and the API do with the tuner: search with or without a language model, decide, roll back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.tuner.adviser import LanguageModelAdviser
from agents.tuner.graph import Decision, Steps, TunerAgent, TuningState
from agents.tuner.report import KnobEffect, TuningReport, effects_of, make_report
from recsys_core.durable import write_json
from recsys_core.errors import ConfigError
from recsys_core.releases.release import Release
from recsys_core.releases.store import ReleaseStore
from recsys_core.serving.plan import AS_BUILT, ServingPlan
from recsys_core.tuning.promotion import Promotion
from recsys_core.tuning.session import TuneConfig, TuneResult, report_path, study_folder, study_name, tune

if TYPE_CHECKING:
    from agents.llm.protocol import ChatModel
    from app.settings import Settings
    from recsys_core.tuning.history import History, TrialRecord
    from recsys_core.tuning.methods import Method
    from recsys_core.tuning.space import Space
    from recsys_core.tuning.study import Adviser, Watch


class Search:
    """Runs one study and tells what it came to.

    Args:
        home: folder of releases.
        release: its id; the current one when None.
        config: how to search.
        llm: proposes beside the optimiser; None asks nobody.
        watch: told of every trial.
    """

    def __init__(
        self,
        home: Path,
        release: str | None,
        config: TuneConfig,
        llm: ChatModel | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._home, self._release, self._config = home, release, config
        self._llm, self._watch = llm, watch
        self.result: TuneResult | None = None
        """All of it, once it has run."""

    def __call__(self) -> TuningReport:
        """Search, choose and report."""
        release = ReleaseStore(self._home).open(self._release)
        self._name = study_name(release, self._config)
        with ExitStack() as stack:
            spaces: list[Space] = []
            methods: list[Method] = []
            advisers: list[LanguageModelAdviser] = []

            def advise(space: Space, method: Method) -> Sequence[Adviser]:
                spaces.append(space)
                methods.append(method)
                if self._llm is None:
                    return ()
                predicts = getattr(method, "optimiser", None)
                floor, noun = self._config.gates.floor, str(release.manifest.dataset.get("item_noun", "items"))
                adviser = LanguageModelAdviser(self._llm, space, floor, method.phase, predicts, noun=noun)
                advisers.append(stack.enter_context(adviser))
                return advisers

            def watch(record: TrialRecord, history: History) -> None:
                write_progress(self._home, self._name, self._config.budget.trials, history)
                if self._watch is not None:
                    self._watch(record, history)

            result = tune(self._home, self._release, self._config, advise=advise, watch=watch)
        self.result = result
        history = result.outcome.history
        optimiser = getattr(methods[0], "optimiser", None)
        effects: list[KnobEffect] = []
        if optimiser is not None and result.proposed.trial:
            effects = effects_of(spaces[0], result.proposed.config, history, optimiser.predict)
        report = make_report(
            result.study,
            result.release,
            spaces[0],
            history,
            promotion_of(result, self._config),
            stopped=result.outcome.stopped,
            advice=result.outcome.advice,
            effects=effects,
            asked=sum(adviser.asked for adviser in advisers),
            failures=[why for adviser in advisers for why in adviser.failures],
        )
        path = words_path(self._home, result.study)
        write_json(path, report.model_dump(mode="json"))
        path.with_suffix(".md").write_text(report.markdown(), encoding="utf-8")
        return report


def promotion_of(result: TuneResult, config: TuneConfig) -> Promotion | None:
    """What a study proposes to serve; None when nothing was faster and safe.

    Safe is what is proven on the queries it was searched on and on those it was chosen on. The test queries choose
    nothing, so there the mean has to reach the floor, and their own bound is told.
    """
    proposed = result.proposed
    test = proposed.test
    if not proposed.trial or test is None or proposed.plan == AS_BUILT:
        return None
    other_gates = [why for why in test.failed if not why.startswith("quality of")]
    if other_gates or test.speed <= 1.0 or test.quality < config.gates.floor:
        return None
    reason = next((t.reason for t in result.outcome.history.trials if t.number == proposed.trial), "")
    return Promotion(
        plan=proposed.plan,
        study=result.study,
        changes=proposed.changes,
        speed=test.speed,
        quality=test.quality,
        lower=test.lower,
        floor=config.gates.floor,
        latency_ms=config.gates.latency_ms,
        proposed_by=proposed.proposed_by,
        reason=reason,
    )


def chat_model(settings: Settings) -> ChatModel | None:
    """The language model that advises; None when there is none to be."""
    if settings.llm == "none":
        return None
    from agents.llm.factory import make_chat_model
    from app.runtime import llm_settings

    return make_chat_model(llm_settings(settings))


def tuner(home: Path, search: Search | None = None) -> TunerAgent:
    """The agent of a home folder; without a search it only decides."""

    def nothing() -> TuningReport:
        raise ConfigError("this study has no search at work; begin it with `sidra tune`")

    return TunerAgent(study_folder(home), Steps(search or nothing, ReleaseStore(home).open, prepare))


def begin(home: Path, release: str | None, config: TuneConfig, search: Search) -> TuningState:
    """Run a study to its question, or to its end where there is nothing to ask."""
    found = ReleaseStore(home).open(release)
    agent = tuner(home, search)
    try:
        return agent.run(study_name(found, config), found.id, config.budget.trials)
    finally:
        agent.close()


def decide(home: Path, study: str, decision: Decision) -> TuningState:
    """Answer a study's question.

    Raises:
        ConfigError: it waits for no answer.
        ReleaseError: the release is gone, or what the plan needs can't be built.
    """
    agent = tuner(home)
    try:
        return agent.decide(study, decision)
    finally:
        agent.close()


def waiting(home: Path) -> list[TuningState]:
    """Studies that wait for an answer."""
    if not study_folder(home).exists():
        return []
    agent = tuner(home)
    try:
        return agent.waiting()
    finally:
        agent.close()


def prepare(release: Release, plan: ServingPlan) -> None:
    """Build the graph that a plan names beside the release, unless it is there."""
    if plan.graph is None:
        return
    from recsys_core.serving.planned import build_collection
    from recsys_core.serving.recommender import Recommender

    base = Recommender.open(release, plan=AS_BUILT)
    try:
        build_collection(base, plan)
    finally:
        base.close()


MOST_STUDIES = 10
"""So many are listed."""


def write_progress(home: Path, study: str, wanted: int, history: History) -> None:
    """Trials so far, for whoever looks on; the study's own storage is left to the study."""
    path = progress_path(home, study)
    path.parent.mkdir(parents=True, exist_ok=True)
    trials = [
        {
            "number": trial.number,
            "changes": trial.changes,
            "phase": trial.phase,
            "proposed_by": trial.proposed_by,
            "reason": trial.reason,
            "speed": round(trial.verdict.speed, 4),
            "quality": round(trial.verdict.quality, 4),
            "lower": round(trial.verdict.lower, 4),
            "score": round(trial.verdict.score, 4),
            "failed": trial.verdict.failed,
            "no_effect": trial.no_effect,
        }
        for trial in history.trials
    ]
    write_json(path, {"study": study, "wanted": wanted, "trials": trials})


def studies(home: Path, release: str, *, running: bool) -> list[dict[str, Any]]:
    """Studies of a release, newest first: name, where it stands, trials, report in words.

    Args:
        home: folder of releases.
        release: its id.
        running: whether the newest may be at work.
    """
    folder = progress_path(home, "x").parent
    if not folder.exists():
        return []
    paths = sorted(folder.glob("*.trials.json"), key=lambda path: path.stat().st_mtime, reverse=True)[:MOST_STUDIES]
    agent = tuner(home)
    found: list[dict[str, Any]] = []
    try:
        for path in paths:
            progress = json.loads(path.read_text(encoding="utf-8"))
            state = agent.state(progress["study"])
            if state is None or state["release"] != release:
                continue
            ended = state["where"] != "searching"
            first = not found
            where = state["where"] if ended else "searching" if running and first else "stopped"
            found.append({**progress, "where": where, "report": state.get("report")})
    finally:
        agent.close()
    return found


def progress_path(home: Path, study: str) -> Path:
    """Where the trials of a study lie for whoever looks on."""
    return report_path(home, study).with_name(f"{study}.trials.json")


def words_path(home: Path, study: str) -> Path:
    """Where the report of a study in words lies; the same with ``.md`` for people."""
    path = report_path(home, study)
    return path.with_name(f"{path.stem}.words.json")


def read_report(home: Path, study: str) -> dict[str, Any] | None:
    """The report of a study in words, if it has ended."""
    path = words_path(home, study)
    if not path.exists():
        return None
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report
