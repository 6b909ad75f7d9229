"""What words change, measured on recommenders whose answers are known beforehand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from eval.comparison.bench import Bench
from eval.comparison.tasks import figures, measure_tasks
from recsys_core.catalog.splits import leave_last_out
from recsys_core.catalog.synth import synthetic
from recsys_core.generator.prepare import prepare_sampler
from recsys_core.generator.protocol import Task
from recsys_core.ranking.fit import FEWEST_CASES, validation_cases

SEED, N_ITEMS = 5, 120


class Table:
    """Scores that depend on the newest item."""

    parameters = 0

    def __init__(self):
        self.rows = np.random.default_rng(3).random((N_ITEMS, N_ITEMS)).astype(np.float32)

    def scores(self, histories):
        return np.stack([self.rows[h[-1]] for h in histories])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    catalogue, log = synthetic(N_ITEMS, 250, seed=6)
    split = leave_last_out(log)
    vectors = np.random.default_rng(0).normal(size=(N_ITEMS, 8)).astype(np.float32)
    file = tmp_path_factory.mktemp("tasks") / "text.npy"
    np.save(file, vectors)
    bench = Bench("tiny", file.parent, catalogue, log, split, None)
    prepared = prepare_sampler(catalogue, split, vectors, seed=SEED)
    moments = log.timestamps[log.offsets[1:][split.users] - 1]
    cases = validation_cases(bench.histories, bench.targets, moments, prepared.sampler, prepared.top_attribute, SEED)
    return SimpleNamespace(bench=bench, prepared=prepared, cases=cases, vectors=file)


class Fake:
    """Lists ten items: those that the words mean if it obeys, always the same if it doesn't."""

    def __init__(self, world, *, obeys):
        self.release = SimpleNamespace(text_vectors=world.vectors)
        self.ids = world.bench.catalogue.ids
        self.index = world.bench.catalogue.index
        self.obeys = obeys
        self.asked = []
        self.classes = world.prepared.top_attribute
        self.meant = {
            words: condition
            for condition in world.prepared.sampler.conditions
            for words in (*condition.wordings, *condition.held_out)
        }

    def satisfying(self, request):
        condition = self.meant[request.instruction]
        if condition.items is not None:
            return condition.items
        if condition.task is Task.discover:
            own = self.classes[[self.index(i) for i in request.history]]
            return (self.classes >= 0) & (self.classes != np.bincount(own[own >= 0]).argmax())
        return np.ones(N_ITEMS, dtype=bool)

    def recommend(self, requests, model):
        assert model == "sidra"
        self.asked += requests
        return [SimpleNamespace(items=[SimpleNamespace(item_id=self.ids[i]) for i in self.one(r)]) for r in requests]

    def one(self, request):
        allowed = self.satisfying(request) if self.obeys and request.instruction else np.ones(N_ITEMS, dtype=bool)
        return np.flatnonzero(allowed)[: request.k]


@pytest.fixture(scope="module")
def obedient(world):
    return measure_tasks(world.bench, Fake(world, obeys=True), Table(), seed=SEED)


@pytest.fixture(scope="module")
def deaf(world):
    return measure_tasks(world.bench, Fake(world, obeys=False), Table(), seed=SEED)


def masks_of(world, task):
    told = Fake(world, obeys=True)
    return [
        told.satisfying(
            SimpleNamespace(instruction=c.instruction, history=[world.bench.catalogue.ids[i] for i in c.history])
        )
        for c in world.cases[task]
    ]


def test_every_task_with_enough_cases_is_measured_and_no_other(world, obedient):
    expected = {t.value for t, found in world.cases.items() if t is not Task.for_you and len(found) >= FEWEST_CASES}
    assert set(obedient) == expected
    assert {"category", "long_tail"} <= expected
    assert all(r.cases == len(world.cases[Task(t)]) for t, r in obedient.items())


def test_who_obeys_words_follows_them_in_every_wording(obedient):
    for task, result in obedient.items():
        assert result.following.value == 1.0, task
        if result.following_unseen is not None:
            assert result.following_unseen.value == 1.0, task
    assert obedient["category"].following_unseen is not None
    assert obedient["category"].following_silent.value < 1.0


def test_who_ignores_words_follows_as_often_as_without_them(world, deaf):
    listed = np.arange(10)
    for task, result in deaf.items():
        base = np.mean([mask[listed].mean() for mask in masks_of(world, Task(task))])
        assert result.following.value == pytest.approx(base), task
        assert result.following_silent == result.following
        assert result.told == result.silent


def test_hits_are_targets_in_the_list(world, obedient, deaf):
    for task, found in world.cases.items():
        if task.value not in deaf:
            continue
        silent = np.mean([c.target < 10 for c in found])
        assert deaf[task.value].told.value == pytest.approx(silent)
        masks = masks_of(world, task)
        told = np.mean([c.target in np.flatnonzero(m)[:10] for c, m in zip(found, masks, strict=True)])
        assert obedient[task.value].told.value == pytest.approx(told)


def test_filter_then_rank_equals_a_sorted_list(world, deaf):
    scorer = Table()
    for task, result in deaf.items():
        hits = []
        for case, mask in zip(world.cases[Task(task)], masks_of(world, Task(task)), strict=True):
            row = scorer.scores([case.history])[0]
            open_items = [i for i in np.flatnonzero(mask).tolist() if i not in case.history.tolist()]
            hits.append(case.target in sorted(open_items, key=lambda i, row=row: (-row[i], i))[:10])
        assert result.filtered.value == pytest.approx(np.mean(hits)), task


def test_told_and_silent_requests_have_the_same_histories_and_differ_in_words(world):
    fake = Fake(world, obeys=True)
    measure_tasks(world.bench, fake, Table(), seed=SEED)
    silent = [r for r in fake.asked if not r.instruction]
    told = [r for r in fake.asked if r.instruction]
    assert all(r.task is Task.for_you for r in silent)
    assert {r.task for r in told}.isdisjoint({Task.for_you})
    assert {tuple(r.history) for r in told} == {tuple(r.history) for r in silent}


def test_figures_name_every_task_with_its_interval(obedient):
    flat = figures(obedient)
    assert flat["following.category"] == 1.0
    assert flat["hit@10.category.told.lo"] <= flat["hit@10.category.told"] <= flat["hit@10.category.told.hi"]
    assert flat["cases.category"] == obedient["category"].cases
    assert "following.category.unseen" in flat
