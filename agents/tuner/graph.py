"""The tuner as a graph: search, conclude, report, ask, promote. It stops before anything is served differently.

The question waits in a file: whoever answers may be another process, days later (the page, `sidra tune --apply`). A
process that is killed while it searches goes on with the trials that are stored.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel, ConfigDict

from agents.tuner.report import TuningReport
from recsys_core.errors import ConfigError
from recsys_core.releases.release import Release
from recsys_core.serving.plan import ServingPlan
from recsys_core.tuning.promotion import Promotion, promote

Where = Literal["searching", "waiting", "promoted", "refused", "nothing"]


class Decision(BaseModel):
    """What a person says to a proposal."""

    model_config = ConfigDict(extra="forbid")

    approve: bool
    """Whether it is to be served."""
    by: str = "command line"
    """Who says so."""


class TuningState(TypedDict, total=False):
    """What the graph keeps, as plain data."""

    study: str
    release: str
    report: dict[str, Any]
    decision: dict[str, Any]
    where: Where


@dataclass(frozen=True)
class Steps:
    """What the graph does with a release; injected, so that the graph knows no optimiser.

    Attributes:
        search: runs the study, or goes on with it, and puts what it came to into a report.
        release: opens the release that a study is about; raises when it is gone.
        prepare: builds what a plan needs beside the release before it is served.
    """

    search: Callable[[], TuningReport]
    release: Callable[[str], Release]
    prepare: Callable[[Release, ServingPlan], None] = lambda release, plan: None


class TunerAgent:
    """Runs studies to the question, and does what the answer says.

    Args:
        folder: where questions wait.
        steps: what is done.
    """

    def __init__(self, folder: Path, steps: Steps) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._steps = steps
        self._connection = sqlite3.connect(folder / "tuner.sqlite", check_same_thread=False)
        self._graph = _graph(steps).compile(checkpointer=SqliteSaver(self._connection))

    def run(self, study: str, release: str, trials: int = 0) -> TuningState:
        """Search and report; ends before the promotion, or where there is nothing to promote.

        A study that waits for an answer, or that got one, isn't searched again: its state comes back. One that had
        nothing to propose goes on when more trials are asked for than it has.
        """
        config = _config(study)
        kept = self._graph.get_state(config)
        ended = bool(kept.values) and not kept.next
        more = ended and kept.values["where"] == "nothing" and trials > kept.values["report"]["trials"]
        if ended and not more:
            return self._state(study)
        if {"ask", "apply"} & set(kept.next):
            return self._state(study)
        first: TuningState = {"study": study, "release": release, "where": "searching"}
        begin = None if kept.values and not more else first
        self._graph.invoke(begin, config)
        return self._state(study)

    def decide(self, study: str, decision: Decision) -> TuningState:
        """Answer the question of a study.

        Raises:
            ConfigError: no such study waits for an answer.
            ReleaseError: the release is gone, or its plan can't be written; the question stays open.
        """
        kept = self._graph.get_state(_config(study))
        if "apply" in kept.next:
            # answered before, but the plan couldn't be written then: the newer answer counts
            self._graph.update_state(_config(study), {"decision": decision.model_dump()}, as_node="ask")
            self._graph.invoke(None, _config(study))
            return self._state(study)
        if "ask" not in kept.next:
            where = kept.values.get("where", "unknown") if kept.values else "unknown"
            raise ConfigError(f"study {study!r} waits for no answer ({where}); `sidra tune` begins one")
        self._graph.invoke(Command(resume=decision.model_dump()), _config(study))
        return self._state(study)

    def waiting(self) -> list[TuningState]:
        """Studies that wait for an answer."""
        studies = {row[0] for row in self._threads()}
        found = [self._state(study) for study in sorted(studies)]
        return [state for state in found if state.get("where") == "waiting"]

    def state(self, study: str) -> TuningState | None:
        """Where a study stands; None when it was never begun."""
        return self._state(study) if self._graph.get_state(_config(study)).values else None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _threads(self) -> list[tuple[str]]:
        try:
            return self._connection.execute("SELECT DISTINCT thread_id FROM checkpoints").fetchall()
        except sqlite3.OperationalError:
            return []  # nothing was kept yet

    def _state(self, study: str) -> TuningState:
        kept = self._graph.get_state(_config(study))
        state: TuningState = dict(kept.values)  # type: ignore[assignment]
        if {"ask", "apply"} & set(kept.next):
            state["where"] = "waiting"
        return state


def _graph(steps: Steps) -> StateGraph[TuningState]:
    def search(state: TuningState) -> TuningState:
        report = steps.search()
        return {"report": report.model_dump(mode="json"), "where": "waiting" if report.promotion else "nothing"}

    def ask(state: TuningState) -> TuningState:
        report = TuningReport.model_validate(state["report"])
        answer = interrupt({"study": state["study"], "sentences": report.sentences})
        return {"decision": Decision.model_validate(answer).model_dump()}

    def apply(state: TuningState) -> TuningState:
        decision = Decision.model_validate(state["decision"])
        if not decision.approve:
            return {"where": "refused"}
        promotion: Promotion | None = TuningReport.model_validate(state["report"]).promotion
        assert promotion is not None  # the graph asks only where there is one
        release = steps.release(state["release"])
        steps.prepare(release, promotion.plan)
        promote(release, promotion, decision.by)
        return {"where": "promoted"}

    def after_search(state: TuningState) -> str:
        return "ask" if state["where"] == "waiting" else END

    graph = StateGraph(TuningState)
    graph.add_node("search", search)
    graph.add_node("ask", ask)
    graph.add_node("apply", apply)
    graph.add_edge(START, "search")
    graph.add_conditional_edges("search", after_search, ["ask", END])
    graph.add_edge("ask", "apply")
    graph.add_edge("apply", END)
    return graph


def _config(study: str) -> Any:
    return {"configurable": {"thread_id": study}}
