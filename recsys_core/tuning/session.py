"""Tuning a release from begin to proposal: search, choose among finalists, report on the test queries once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from recsys_core.durable import digest, sha256_file, write_json
from recsys_core.errors import ConfigError, ReleaseError
from recsys_core.releases.release import MANIFEST, Release
from recsys_core.releases.store import ReleaseStore
from recsys_core.serving.plan import ServingPlan
from recsys_core.tuning.cache import Cache
from recsys_core.tuning.history import History, TrialRecord
from recsys_core.tuning.measurement import PairedTime
from recsys_core.tuning.methods import Method, MethodName, make_method
from recsys_core.tuning.release_space import plan_of
from recsys_core.tuning.score import Gates, Verdict, judge
from recsys_core.tuning.served_system import ServedSource
from recsys_core.tuning.space import Config, Space
from recsys_core.tuning.study import Adviser, Budget, Outcome, StillThere, Storage, Watch, run_study, sqlite_url
from recsys_core.tuning.worker import Worker
from recsys_core.tuning.workload import WorkloadConfig

FINALISTS = 5
"""Best trials that are held against the validation queries, best first, until one is safe there, too."""

PROMOTION_BLOCKS = 8
"""Pairs of blocks in which the proposed configuration's processor time is taken."""


Advise = Callable[[Space, Method], Sequence[Adviser]]
"""Makes those who propose beside a method."""


class TuneConfig(BaseModel):
    """One study of one release."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: MethodName = "sidra"
    """Way to search."""
    budget: Budget = Field(default_factory=Budget)
    """Where it ends."""
    gates: Gates = Field(default_factory=Gates)
    """What a configuration must hold to."""
    workload: WorkloadConfig = Field(default_factory=WorkloadConfig)
    """What people ask."""
    engine: str = "exact"
    """Of the item search as it is served now: ``exact`` or ``chroma``."""
    fixed: dict[str, Any] = Field(default_factory=dict)
    """Knobs that are held, the reference among them."""
    seed: int = 0
    """Of the search."""
    study: str | None = None
    """Name of the study; one that is there goes on. None names it after release, gates, queries and seed."""
    blocks: int = Field(default=2, ge=0)
    """Pairs of blocks of processor time of each safe trial; 0 takes none."""
    timeout_s: float = Field(default=300.0, gt=0)
    """Longest trial."""
    memory_mib: float = Field(default=8000.0, gt=0)
    """Most resident memory of a trial."""


class Proposed(BaseModel):
    """What a study proposes."""

    model_config = ConfigDict(extra="forbid")

    trial: int
    """Number of the trial; 0 proposes to leave everything as it is."""
    proposed_by: str
    """Who thought of it."""
    config: dict[str, Any]
    """Complete."""
    changes: dict[str, Any]
    """What differs from how the release is served now."""
    plan: ServingPlan
    """The same as serving reads it."""
    tune: Verdict
    """On the queries that were searched on."""
    validate_: Verdict = Field(alias="validate")
    """On those that the finalists were chosen on."""
    test: Verdict | None = None
    """On everybody's last item, read once."""
    paired: PairedTime | None = None
    """Processor time against the reference."""
    passed_over: list[int] = Field(default_factory=list)
    """Better trials that weren't safe on the validation queries."""


class TuneResult(BaseModel):
    """A finished or stopped study."""

    model_config = ConfigDict(extra="forbid")

    study: str
    """Its name."""
    release: str
    """Of which release."""
    outcome: Outcome
    """All trials, and why it ended."""
    proposed: Proposed
    """What came of it."""
    without_effect: dict[str, list[str]]
    """Changes of knobs that changed nothing."""
    stages_us: dict[str, dict[str, float]]
    """Microseconds of a request by stage: ``reference`` and ``proposed``."""
    price_note: str = ""
    """Where priced work and processor time disagree, one sentence."""

    def figures(self) -> dict[str, float]:
        """Flat figures for ``--json``."""
        best, test = self.proposed, self.proposed.test
        figures = {
            "trials": float(len(self.outcome.history.trials)),
            "score": best.tune.score,
            "quality": best.tune.quality,
            "quality.bound": best.tune.lower,
            "rebuilds": float(self.outcome.rebuilds),
        }
        if test is not None:
            figures |= {"test.speed": test.speed, "test.quality": test.quality, "test.quality.bound": test.lower}
        if best.paired is not None:
            figures |= {
                "cpu_ratio": best.paired.ratio,
                "cpu_ratio.lo": best.paired.low,
                "cpu_ratio.hi": best.paired.high,
            }
        return figures


def study_folder(home: Path) -> Path:
    """Where studies, measurements and reports lie."""
    return home / "tuning"


def report_path(home: Path, study: str) -> Path:
    """Where the report of a study lies."""
    return study_folder(home) / "reports" / f"{study}.json"


def tune(
    home: Path,
    release_id: str | None,
    config: TuneConfig,
    *,
    advise: Advise | None = None,
    watch: Watch | None = None,
) -> TuneResult:
    """Tune a release. Nothing of it is changed; the result, kept in the report too, says what to promote.

    Args:
        home: folder of releases.
        release_id: which; the current one when None, and then it must stay the current one.
        config: how.
        advise: given the space and the method, who proposes beside it.
        watch: told of every trial.

    Raises:
        ReleaseError: there is no such release, or it can't be measured.
        ConfigError: too few queries for the bound, a knob that isn't there, or a study that was begun otherwise.
    """
    store = ReleaseStore(home)
    release = store.open(release_id)
    folder = study_folder(home)
    name = study_name(release, config)
    fixed = tuple(sorted(config.fixed.items()))
    source = ServedSource(release.path, folder / "scratch", config.workload, config.engine, fixed)
    with Worker(source, timeout_s=config.timeout_s, memory_mib=config.memory_mib) as worker:
        cache = Cache(folder / "measured", worker)
        method = make_method(config.method, cache.space, config.budget.trials, config.seed)
        outcome = run_study(
            cache,
            method,
            config.gates,
            config.budget,
            storage=Storage(sqlite_url(folder / "studies.db"), name),
            advisers=advise(cache.space, method) if advise is not None else (),
            still_there=in_place(store, release, following=release_id is None),
            blocks=config.blocks,
            watch=watch,
        )
        proposed = choose(cache, outcome.history, config.gates)
        if proposed.trial:
            proposed.test = TestOnce(folder / "tested", cache).judge(name, proposed.config, config.gates)
            proposed.paired = worker.paired(proposed.config, PROMOTION_BLOCKS)
        reference = outcome.history.trials[0].measured.stage_us
        own = outcome.history.trials[proposed.trial].measured.stage_us
    result = TuneResult(
        study=name,
        release=release.id,
        outcome=outcome,
        proposed=proposed,
        without_effect=outcome.history.without_effect(),
        stages_us={"reference": reference, "proposed": own},
        price_note=_price_note(proposed),
    )
    path = report_path(home, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, json.loads(result.model_dump_json(by_alias=True)))
    return result


def choose(cache: Cache, history: History, gates: Gates) -> Proposed:
    """The best trial that is safe on the validation queries as well; the reference where none is.

    Raises:
        ReleaseError: not even the reference was measured.
    """
    if not history.trials:
        raise ReleaseError("the study ended before its first trial")
    space = cache.space
    reference = cache.measure(space.canonical(space.reference), "validate")
    ranked = sorted((t for t in history.trials if t.feasible), key=lambda t: (-t.verdict.score, t.number))
    passed: list[int] = []
    for trial in ranked[:FINALISTS]:
        verdict = judge(cache.measure(trial.config, "validate"), reference, gates)
        if verdict.score > 0 or trial.number == 0:
            return _proposed(cache, trial, verdict, passed)
        passed.append(trial.number)
    return _proposed(cache, history.trials[0], judge(reference, reference, gates), passed)


def _proposed(cache: Cache, trial: TrialRecord, validate: Verdict, passed: list[int]) -> Proposed:
    return Proposed(
        trial=trial.number,
        proposed_by=trial.proposed_by,
        config=trial.config,
        changes=trial.changes,
        plan=plan_of(cache.space, trial.config) if "engine" in cache.space.by_name else ServingPlan(),
        tune=trial.verdict,
        validate=validate,
        passed_over=passed,
    )


class TestOnce:
    """The test queries: one configuration of a study may see them, and then nobody chooses by what it saw.

    Args:
        folder: keeps who did.
        cache: measures.
    """

    __test__ = False  # not a test of pytest

    def __init__(self, folder: Path, cache: Cache) -> None:
        self._folder, self._cache = folder, cache

    def judge(self, study: str, config: Config, gates: Gates) -> Verdict:
        """The verdict on the test queries; asked again for the same configuration, the same one.

        Raises:
            ConfigError: the study has tested another configuration.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{study}.json"
        key = self._cache.space.key(config)
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["config"] != key:
                raise ConfigError(
                    f"study {study!r} has used its test queries for another configuration; choosing between the two by "
                    "them would make them worthless: begin a study with another seed of queries (--query-seed)"
                )
            return Verdict.model_validate(kept["verdict"])
        space = self._cache.space
        reference = self._cache.measure(space.canonical(space.reference), "test")
        verdict = judge(self._cache.measure(config, "test"), reference, gates)
        write_json(path, {"config": key, "verdict": verdict.model_dump()})
        return verdict


def in_place(store: ReleaseStore, release: Release, *, following: bool) -> StillThere:
    """Tells whether a release is still what it was, and, if that is being followed, still the current one."""
    file = release.path / MANIFEST
    before = sha256_file(file)

    def still_there() -> str:
        if not file.exists():
            return f"release {release.id} was deleted during the study; tune the one that is served now"
        if sha256_file(file) != before:
            return f"release {release.id} was changed during the study, so its trials can't be compared; begin anew"
        current = store.current_id()
        if following and current != release.id:
            return f"release {current} took the place of {release.id} during the study; tune that one"
        return ""

    return still_there


def study_name(release: Release, config: TuneConfig) -> str:
    """Its own name, or one made of release, gates, queries and seed."""
    if config.study:
        return config.study
    told = config.model_dump(mode="json", exclude={"budget", "study", "blocks", "timeout_s", "memory_mib"})
    return f"{release.id}-{digest(told)[:8]}"


def _price_note(proposed: Proposed) -> str:
    paired = proposed.paired
    if paired is None or paired.low <= proposed.tune.speed <= paired.high:
        return ""
    return (
        f"Counted work says {proposed.tune.speed:.2f} times as fast, processor time {paired.ratio:.2f} "
        f"[{paired.low:.2f}, {paired.high:.2f}]: trust the latter."
    )
