"""Studies: phases, budgets, resuming, faults, advice; on a system of known quality and cost."""

import json

import numpy as np
import pytest

from recsys_core.errors import ConfigError
from recsys_core.tuning.cache import Cache
from recsys_core.tuning.history import Proposal
from recsys_core.tuning.methods import make_method
from recsys_core.tuning.score import Gates
from recsys_core.tuning.study import Budget, Storage, run_study, sqlite_url
from recsys_core.tuning.worker import Worker
from tests.recsys_core.tuning.toy import Toy, ToySource


def study(system, folder, *, method="sidra", trials=12, seed=0, gates=None, **more):
    budget = more.pop("budget", Budget(trials=trials))
    cache = Cache(folder, system)
    return run_study(cache, make_method(method, system.space, trials, seed), gates or Gates(floor=0.9), budget, **more)


def test_it_finds_a_faster_safe_configuration_and_never_repeats_itself(tmp_path):
    outcome = study(Toy(), tmp_path, trials=16)
    trials = outcome.history.trials
    assert trials[0].proposed_by == "reference"
    assert trials[0].verdict.score == pytest.approx(1.0)
    assert len({json.dumps(t.config) for t in trials}) == 16
    best = outcome.history.best()
    assert best.verdict.score > 1.3
    assert best.verdict.lower >= 0.9
    assert [p for p in dict.fromkeys(t.phase for t in trials)] == ["reference", "explore", "exploit", "fine-tune"]
    # knobs that do nothing are told, not measured as noise
    assert all(t.config["idle"] != trials[t.same_as].config["idle"] for t in trials if t.no_effect == ["idle"])


def test_a_change_without_effect_is_told(tmp_path):
    advised = [Proposal(config={"idle": 2}, proposed_by="person")]
    outcome = study(Toy(), tmp_path, trials=3, advisers=[lambda history: advised], budget=Budget(trials=3, advised=1))
    record = next(t for t in outcome.history.trials if t.proposed_by == "person")
    assert (record.same_as, record.no_effect) == (0, ["idle"])
    assert outcome.history.without_effect() == {"idle": ["0 -> 2 (trial 1)"]}


def test_a_killed_study_goes_on_without_repeating_trials(tmp_path):
    url = sqlite_url(tmp_path / "studies.db")

    class KilledError(BaseException):
        pass

    def kill(record, history):
        if record.number == 5:
            raise KilledError

    first = Toy()
    with pytest.raises(KilledError):
        study(first, tmp_path / "a", storage=Storage(url, "s"), trials=8, watch=kill)
    storage = Storage(url, "s")
    storage.begin(first.space, Proposal(config=dict(first.space.reference), proposed_by="sidra"))  # left open
    second = Toy()
    outcome = study(second, tmp_path / "a", storage=Storage(url, "s"), trials=8)
    whole = study(Toy(), tmp_path / "b", trials=8)
    assert [t.config for t in outcome.history.trials] == [t.config for t in whole.history.trials]
    assert second.calls == 2
    with pytest.raises(ConfigError, match="another gates"):
        study(Toy(), tmp_path / "a", storage=Storage(url, "s"), gates=Gates(floor=0.8))


def test_budgets_hold_to_within_a_trial(tmp_path):
    assert study(Toy(), tmp_path, budget=Budget(trials=30, seconds=1e-6)).stopped == "seconds"
    for method, trials in (("sidra", 8), ("random", 25), ("tpe", 25)):
        outcome = study(Toy(), tmp_path / method, method=method, budget=Budget(trials=trials, rebuilds=1))
        assert outcome.rebuilds <= 1
        assert len(outcome.history.trials) == trials


def test_a_swapped_release_stops_it(tmp_path):
    said = iter(["", "", "release r2 took the place of r1"])
    outcome = study(Toy(), tmp_path, still_there=lambda: next(said))
    assert outcome.stopped == "release r2 took the place of r1"
    assert len(outcome.history.trials) == 2


def test_bad_advice_is_refused_and_counted(tmp_path):
    bad = [
        Proposal(config={"width": 3}, proposed_by="llm"),
        Proposal(config={"colour": 1}, proposed_by="llm"),
        Proposal(config={"width": 2, "depth": 32}, proposed_by="llm"),
        Proposal(config={}, proposed_by="llm"),
        Proposal(config={"engine": "graph", "edges": 16}, proposed_by="llm", reason="graphs are fast"),
    ]
    outcome = study(Toy(), tmp_path, trials=10, advisers=[lambda history: bad])
    assert outcome.history.refused["outside the space"] >= 3
    assert outcome.history.refused["measured already"] >= 1
    taken = [t for t in outcome.history.trials if t.proposed_by == "llm"]
    assert 1 <= len(taken) <= 3
    assert taken[0].reason == "graphs are fast"


def test_too_few_queries_and_a_floor_out_of_reach_are_told(tmp_path):
    with pytest.raises(ConfigError, match=r"20 queries of all are too few .* about \d+"):
        study(Toy(queries=20), tmp_path)
    outcome = study(Toy(), tmp_path, trials=6, gates=Gates(floor=1.5))
    assert outcome.history.best() is None
    assert outcome.advice.startswith("No configuration reached the floor of 1.5: the best bound was 0.99")


def test_trials_that_crash_hang_or_eat_the_memory_score_nothing_and_the_study_goes_on(tmp_path):
    kinds = ["crash", "hang", "memory", "error"]
    advised = [Proposal(config={"trouble": kind}, proposed_by="person") for kind in kinds]
    with Worker(ToySource(), timeout_s=1.5, memory_mib=700) as worker:
        outcome = run_study(
            Cache(tmp_path, worker),
            make_method("sidra", worker.space, 8, 0),
            Gates(floor=0.9),
            Budget(trials=6, advised=1),
            advisers=[lambda history: advised],
        )
    failed = {t.measured.failure: t for t in outcome.history.trials if t.measured.failure}
    assert set(failed) == set(kinds)
    assert all(t.verdict.score == 0 and t.verdict.failed for t in failed.values())
    assert "status 9" in failed["crash"].measured.why
    assert "as told" in failed["error"].measured.why
    assert outcome.history.trials[-1].verdict.speed > 0
    assert worker.restarts == 3


@pytest.mark.parametrize("method", ["tpe", "gp", "random", "grid", "one_surrogate"])
def test_every_method_begins_at_the_reference_and_repeats_itself_under_a_seed(tmp_path, method):
    runs = [study(Toy(), tmp_path / str(n), method=method, trials=7, seed=3).history for n in range(2)]
    assert [t.config for t in runs[0].trials] == [t.config for t in runs[1].trials]
    assert runs[0].trials[0].changes == {}
    assert all(not Toy().space.problems(t.config) for t in runs[0].trials)
    assert np.all(np.diff(runs[0].best_so_far()) >= 0)
