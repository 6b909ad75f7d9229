"""ALS: the package that fits it, the equation that folds histories in, and what happens without the package."""

import sys

import numpy as np
import pytest

from recsys_core.baselines import als
from recsys_core.baselines.als import ALS, AlsConfig, tuned_als
from recsys_core.baselines.protocol import ndcg, validation_ranks
from recsys_core.errors import ConfigError
from tests.contracts.fit_data import small_fit_data
from tests.contracts.sequence_scorer import SequenceScorerContract


class TestALS(SequenceScorerContract):
    @pytest.fixture
    def fit(self):
        pytest.importorskip("implicit", reason="the extra `baselines` isn't installed")
        return lambda data: ALS.fit(data, AlsConfig(factors=16, alpha=2.0), seed=3)

    def test_another_seed_starts_elsewhere(self, fit, scorer, data):
        other = ALS.fit(data, scorer.config, seed=4)
        assert not np.array_equal(other.item_factors, scorer.item_factors)

    def test_folding_in_equals_what_the_package_solves_for_a_user(self, scorer, data):
        from implicit.cpu.als import AlternatingLeastSquares
        from scipy import sparse

        history = np.array([3, 8, 3, 11])
        solver = AlternatingLeastSquares(factors=16, regularization=1.0, num_threads=1)
        solver.item_factors = scorer.item_factors
        counts = np.bincount(history, minlength=data.n_items)
        confidence = sparse.csr_matrix(np.where(counts > 0, 1 + 2.0 * counts, 0)[None].astype(np.float32))
        np.testing.assert_allclose(
            scorer.user_factors([history])[0], solver.recalculate_user(0, confidence), rtol=1e-3, atol=1e-4
        )

    def test_progress_is_told(self, fit, data):
        told = []
        ALS.fit(data, AlsConfig(factors=4, iterations=3), tell=lambda *event: told.append(event))
        assert told == [("ALS", 1, 3), ("ALS", 2, 3), ("ALS", 3, 3)]

    def test_the_chosen_settings_are_the_best_of_the_last_step(self, fit, data, monkeypatch):
        for name, grid in (("ALPHA", (1.0, 5.0)), ("REGULARIZATION", (1.0,)), ("FACTORS", (4, 8)), ("RECENCY", (0, 1))):
            monkeypatch.setattr(als, f"GRID_{name}", grid)
        choice = tuned_als(data)
        assert len(choice.tried) == 2 + 4
        assert choice.ndcg == max(value for _, value in choice.tried[2:])
        assert ndcg(validation_ranks(ALS.fit(data, choice.config), data)) == pytest.approx(choice.ndcg, abs=1e-6)


def test_factors_of_a_history_minimise_the_weighted_squared_error():
    rng = np.random.default_rng(0)
    config = AlsConfig(factors=5, alpha=3.0, regularization=0.7, recency_power=1.0)
    model = ALS(rng.standard_normal((20, 5)).astype(np.float32), config)
    history = np.array([4, 9, 2])
    wanted = np.zeros(20)
    wanted[history] = 1
    confidence = np.ones(20)
    confidence[[2, 9, 4]] += 3.0 / np.array([1, 2, 3])

    def loss(x):
        return (confidence * (wanted - model.item_factors @ x) ** 2).sum() + 0.7 * (x**2).sum()

    x = model.user_factors([history])[0].astype(float)
    assert all(loss(x) <= loss(x + 0.1 * rng.standard_normal(5)) for _ in range(50))


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(ConfigError, match=r"sidra\[baselines\]"):
        ALS.fit(small_fit_data(0))
