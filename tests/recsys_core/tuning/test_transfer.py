"""The same optimiser on another vector engine, and on how the generator is trained."""

import numpy as np

from recsys_core.tuning.cache import Cache
from recsys_core.tuning.graph_system import GraphSystem
from recsys_core.tuning.methods import make_method
from recsys_core.tuning.score import Gates
from recsys_core.tuning.study import Budget, run_study
from recsys_core.tuning.training_system import TrainingSource
from tests.conftest import TINY_BUILD


def test_a_graph_of_faiss_is_made_cheaper_at_the_same_recall(tmp_path):
    centres = np.random.default_rng(0).normal(size=(20, 24))
    table = centres[np.arange(1500) % 20] + np.random.default_rng(1).normal(size=(1500, 24)) * 0.6
    table = (table / np.linalg.norm(table, axis=1, keepdims=True)).astype(np.float32)
    system = GraphSystem(table, queries=200)
    cache = Cache(tmp_path, system)
    gates = Gates(floor=0.95)
    outcome = run_study(cache, make_method("sidra", system.space, 10, 0), gates, Budget(trials=10))
    best = outcome.history.best()
    assert best.verdict.score > 1.5
    assert best.verdict.lower >= 0.95
    assert outcome.rebuilds >= 2
    again = GraphSystem(table, queries=200).measure(best.config, "tune")
    assert again.work == best.measured.work


def test_training_is_tuned_by_the_same_protocol(tiny_release, tmp_path):
    recipe = TINY_BUILD.train.model_copy(update={"epochs": 4, "patience": 4, "meaning_steps": 10})
    system = TrainingSource(tiny_release.path, TINY_BUILD.model, recipe).open()
    cache = Cache(tmp_path, system)
    gates = Gates(floor=0.3, bounded=False)
    history = run_study(cache, make_method("sidra", system.space, 2, 0), gates, Budget(trials=2)).history
    assert len(history.trials) == 2
    assert all(not t.measured.failure and len(t.changes) for t in history.trials[1:])
    assert history.trials[0].verdict.score == 1.0
    shorter = {**system.space.reference, "epochs": 1}
    assert cache.measure(shorter, "tune").cost_us < cache.measure(system.space.reference, "tune").cost_us
