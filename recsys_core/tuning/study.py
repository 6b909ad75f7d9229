"""A study: trials within budgets, kept in an Optuna storage, resumable after any kind of end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from recsys_core.errors import ConfigError, ReleaseError
from recsys_core.tuning.cache import Cache
from recsys_core.tuning.history import History, Prediction, Proposal, TrialRecord, differing, same_system
from recsys_core.tuning.measurement import Measurement
from recsys_core.tuning.methods import Method, distributions, require_optuna, to_places
from recsys_core.tuning.score import Gates, check_power, judge

Adviser = Callable[[History], Sequence[Proposal]]
"""Somebody beside the optimiser who proposes, told the history; what it returns is checked before it counts."""

Watch = Callable[[TrialRecord, History], None]
"""Told of every trial when it is done."""

StillThere = Callable[[], str]
"""Empty while what is being tuned is in place; otherwise a sentence that says what became of it."""


class Budget(BaseModel):
    """Where a study ends; each holds to within one trial."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trials: int = Field(default=30, ge=1)
    """Trials, the reference among them."""
    seconds: float | None = Field(default=None, gt=0)
    """Wall-clock; no trial begins later."""
    rebuilds: int | None = Field(default=None, ge=0)
    """Graphs that may be built; then only what is there is tried."""
    advised: float = Field(default=0.3, ge=0, le=1)
    """Largest share of the trials that advisers may take."""


class Outcome(BaseModel):
    """How a study ended."""

    model_config = ConfigDict(extra="forbid")

    history: History
    """All trials."""
    stopped: str
    """Why it ended: ``trials``, ``seconds``, or a sentence."""
    rebuilds: int = 0
    """Graphs that were built."""
    advice: str = ""
    """What to do next where nothing beat the reference: the best reachable quality, or queries that it would take."""


class Storage:
    """Trials of one study in an Optuna storage, so that its dashboard shows them.

    Args:
        url: such as ``sqlite:///var/tuning/studies.db``; None keeps them in memory.
        name: of the study.

    Raises:
        ConfigError: Optuna isn't installed.
    """

    def __init__(self, url: str | None, name: str) -> None:
        self._optuna = require_optuna()
        self._optuna.logging.set_verbosity(self._optuna.logging.WARNING)
        self.study = self._optuna.create_study(
            study_name=name, storage=url, direction="maximize", load_if_exists=url is not None
        )
        # a trial that a killed process left open will be done again under its own number in the history
        for trial in self.study.get_trials(states=(self._optuna.trial.TrialState.RUNNING,)):
            self.study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)

    def describe(self, facts: dict[str, Any]) -> None:
        """Keep facts of the study beside it.

        Raises:
            ConfigError: it was begun with others: a study goes on as it began.
        """
        kept = {name: self.study.user_attrs.get(name) for name in facts if name in self.study.user_attrs}
        for name, value in kept.items():
            if value != json.loads(json.dumps(facts[name])):
                raise ConfigError(
                    f"study {self.study.study_name!r} was begun with another {name}; go on with what it had, or "
                    "begin another one (--study NAME)"
                )
        for name, value in facts.items():
            if name not in kept:
                self.study.set_user_attr(name, json.loads(json.dumps(value)))

    def load(self) -> History:
        """What was done so far."""
        done = self.study.get_trials(states=(self._optuna.trial.TrialState.COMPLETE,))
        records = [TrialRecord.model_validate(t.user_attrs["record"]) for t in done if "record" in t.user_attrs]
        refused = self.study.user_attrs.get("refused", {})
        return History(trials=sorted(records, key=lambda r: r.number), refused=refused)

    def begin(self, space: Any, proposal: Proposal) -> Any:
        """Note a trial before it is measured."""
        self.study.enqueue_trial(to_places(space, proposal.config))
        trial = self.study.ask(distributions(space))
        trial.set_user_attr("proposed_by", proposal.proposed_by)
        return trial

    def end(self, trial: Any, record: TrialRecord, refused: dict[str, int]) -> None:
        """Keep what a trial gave."""
        for name, value in record.config.items():
            trial.set_user_attr(f"knob.{name}", value)
        trial.set_user_attr("phase", record.phase)
        trial.set_user_attr("quality_bound", record.verdict.lower)
        trial.set_user_attr("speed", record.verdict.speed)
        trial.set_user_attr("record", record.model_dump(mode="json"))
        self.study.tell(trial, record.verdict.score)
        if refused:
            self.study.set_user_attr("refused", refused)


def sqlite_url(path: Path) -> str:
    """Address of a storage in a file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path}"


def run_study(
    cache: Cache,
    method: Method,
    gates: Gates,
    budget: Budget,
    *,
    storage: Storage | None = None,
    advisers: Sequence[Adviser] = (),
    still_there: StillThere | None = None,
    blocks: int = 0,
    watch: Watch | None = None,
) -> Outcome:
    """Run a study, or go on with one.

    Args:
        cache: measures.
        method: proposes.
        gates: what a configuration must hold to.
        budget: where it ends.
        storage: keeps trials; left out, they are only returned.
        advisers: propose beside the method.
        still_there: asked before each trial whether what is tuned is still in place.
        blocks: pairs of blocks of processor time of each safe trial; 0 takes none.
        watch: told of every trial.

    Raises:
        ConfigError: too few queries for the bound, or a study that was begun with other gates.
        ReleaseError: the reference can't be measured.
    """
    began = time.monotonic()
    if storage is not None:
        fingerprint = cache.system.fingerprint()
        storage.describe({"gates": gates.model_dump(), "fingerprint": fingerprint, "space": _told(cache)})
    history = storage.load() if storage is not None else History()
    for record in history.trials:
        method.tell(record)
    session = _Session(cache, method, gates, budget, history, storage, blocks, watch)
    session.built = {cache.space.rebuild_key(t.config) for t in history.trials} | {
        cache.space.rebuild_key(cache.space.reference)
    }
    session.rebuilds = sum(t.measured.rebuilt for t in history.trials)
    stopped = "trials"
    while len(history.trials) < budget.trials:
        if budget.seconds is not None and history.trials and time.monotonic() - began >= budget.seconds:
            stopped = "seconds"
            break
        if still_there is not None and (gone := still_there()):
            stopped = gone
            break
        session.step(advisers)
    return Outcome(history=history, stopped=stopped, rebuilds=session.rebuilds, advice=_advice(history, gates))


class _Session:
    """What a running study holds."""

    def __init__(
        self,
        cache: Cache,
        method: Method,
        gates: Gates,
        budget: Budget,
        history: History,
        storage: Storage | None,
        blocks: int,
        watch: Watch | None,
    ) -> None:
        self.cache, self.method, self.gates, self.budget = cache, method, gates, budget
        self.history, self.storage, self.blocks, self.watch = history, storage, blocks, watch
        self.built: set[tuple[object, ...]] = set()
        self.rebuilds = 0
        self._reference: Measurement | None = None

    def step(self, advisers: Sequence[Adviser]) -> None:
        """One trial."""
        space = self.cache.space
        proposal, prediction = self._next(advisers)
        trial = self.storage.begin(space, proposal) if self.storage is not None else None
        measured = self.cache.measure(space.canonical(proposal.config), "tune")
        if not self.history.trials and measured.failure:
            raise ReleaseError(f"the reference can't be measured ({measured.failure}): {measured.why}")
        if not self.history.trials:
            check_power(measured, self.gates)
        reference = self._reference or self.cache.measure(space.canonical(space.reference), "tune")
        self._reference = reference
        verdict = judge(measured, reference, self.gates)
        if self.blocks and verdict.score > 0:
            measured = measured.model_copy(update={"paired": self.cache.system.paired(proposal.config, self.blocks)})
        self.rebuilds += measured.rebuilt
        self.built.add(space.rebuild_key(proposal.config))
        record = TrialRecord(
            number=len(self.history.trials),
            config=space.canonical(proposal.config),
            changes=space.changes(proposal.config),
            phase=self.method.phase(len(self.history.trials)),
            proposed_by=proposal.proposed_by,
            reason=proposal.reason,
            predicted=prediction,
            verdict=verdict,
            measured=measured.model_copy(update={"quality": {}}),
        )
        self._compare(record)
        self.method.tell(record)
        self.history.trials.append(record)
        if self.storage is not None:
            self.storage.end(trial, record, self.history.refused)
        if self.watch is not None:
            self.watch(record, self.history)

    def _next(self, advisers: Sequence[Adviser]) -> tuple[Proposal, Prediction | None]:
        space = self.cache.space
        if not self.history.trials:
            reference = space.canonical(space.reference)
            return Proposal(config=reference, proposed_by="reference", reason="as it is served now"), None
        spent = self.budget.rebuilds is not None and self.rebuilds >= self.budget.rebuilds
        built = frozenset(self.built) if spent else None
        return self.method.propose(self.history, self._advised(advisers, built), built)

    def _advised(self, advisers: Sequence[Adviser], built: frozenset[tuple[object, ...]] | None) -> list[Proposal]:
        """Valid, new proposals of advisers, while they have trials left; what is refused is counted."""
        taken = sum(t.proposed_by not in {"reference", "sidra"} for t in self.history.trials)
        if not advisers or taken + 1 > self.budget.advised * self.budget.trials:
            return []
        space = self.cache.space
        known = {space.key(t.config) for t in self.history.trials}
        kept = []
        for proposal in (p for adviser in advisers for p in adviser(self.history)):
            config = {**space.reference, **proposal.config}
            if space.problems(config):
                self.history.refuse("outside the space")
            elif space.key(config) in known:
                self.history.refuse("measured already")
            elif built is not None and space.rebuild_key(config) not in built:
                self.history.refuse("nothing more may be built")
            else:
                known.add(space.key(config))
                kept.append(proposal.model_copy(update={"config": space.canonical(config)}))
        return kept

    def _compare(self, record: TrialRecord) -> None:
        """Find the earlier trial that differs least among those with the same answers for the same work."""
        twins = [t for t in self.history.trials if same_system(record.measured, t.measured)]
        twins = [t for t in twins if differing(record.config, t.config)]
        if twins:
            twin = min(twins, key=lambda t: (len(differing(record.config, t.config)), t.number))
            record.same_as, record.no_effect = twin.number, differing(record.config, twin.config)


def _told(cache: Cache) -> dict[str, Any]:
    return {k.name: [*k.values] for k in cache.space.knobs}


def _advice(history: History, gates: Gates) -> str:
    """What to do where nothing was safe."""
    if not history.trials or history.best() is not None:
        return ""
    reached = history.best_quality()
    needed = [t.verdict.queries_needed for t in history.trials if t.verdict.queries_needed]
    if needed and reached < gates.floor:
        more = f" {min(needed)} queries would be enough for the bound of one of them (--queries)."
    else:
        more = ""
    return (
        f"No configuration reached the floor of {gates.floor:g}: the best bound was {reached:.3f} of the reference's "
        f"quality.{more} Lower the floor, or add knobs that raise quality."
    )
