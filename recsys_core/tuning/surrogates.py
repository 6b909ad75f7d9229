"""Gaussian processes that learn from trials: one for the slack of quality, one for the logarithm of the cost.

Quality and cost are smooth in the knobs; the score, which drops to 0 at the floor, isn't. So the two are learned apart
and put together in the acquisition (constrained expected improvement: Gardner and others, ICML 2014).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Kernel, Matern, WhiteKernel

from recsys_core.tuning.history import TrialRecord
from recsys_core.tuning.space import Config, Space

Floats = NDArray[np.float64]

STEPS = 20
"""Steps in which hyperparameters are fitted."""


def _process(width: int, seed: int) -> GaussianProcessRegressor:
    kernel: Kernel = (
        ConstantKernel(0.5, (1e-3, 1e2)) * DotProduct(1.0, (1e-2, 1e2))
        + ConstantKernel(0.5, (1e-3, 1e2)) * Matern(np.full(width, 1.0), (0.15, 20.0), nu=2.5)
        + WhiteKernel(1e-4, (1e-7, 1e-1))
    )
    return GaussianProcessRegressor(kernel, normalize_y=True, random_state=seed, optimizer=_fit)


def _fit(objective: Any, start: Floats, bounds: Floats) -> tuple[Floats, float]:
    """Hyperparameters after a few steps: with thirty points the rest changes next to nothing."""
    found = minimize(objective, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": STEPS})
    return found.x, float(found.fun)


class Surrogate:
    """Values of configurations, with uncertainty.

    Args:
        space: of the configurations.
        configs: known ones.
        values: float[n], finite.
        seed: of the fit.
    """

    def __init__(self, space: Space, configs: Sequence[Config], values: Sequence[float], seed: int) -> None:
        self.space = space
        points = space.encode(configs)
        self._model = _process(points.shape[1], seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its bound is an answer
            self._model.fit(points, np.asarray(values, dtype=np.float64))

    def __call__(self, configs: Sequence[Config]) -> tuple[Floats, Floats]:
        """Mean and standard deviation of each: two float64[n]."""
        mean, sd = self._model.predict(self.space.encode(configs), return_std=True)
        return np.asarray(mean), np.maximum(np.asarray(sd), 1e-9)


class Expected:
    """What a set of candidates is expected to give.

    Attributes:
        slack, slack_sd: of quality over the floor.
        log_cost, log_cost_sd: against the reference.
        safe: probability that the gates hold.
        improvement: expected improvement of the logarithm of the score over the best so far.
    """

    def __init__(self, slack: tuple[Floats, Floats], cost: tuple[Floats, Floats], best: float) -> None:
        self.slack, self.slack_sd = slack
        self.log_cost, self.log_cost_sd = cost
        self.safe: Floats = norm.cdf(self.slack / self.slack_sd)
        self.improvement = improvement(-self.log_cost, self.log_cost_sd, best)


def improvement(mean: Floats, sd: Floats, best: float) -> Floats:
    """Expected improvement of a maximum: float64[n]."""
    gain = mean - best
    z = gain / sd
    return np.asarray(gain * norm.cdf(z) + sd * norm.pdf(z))


class TwoSurrogates:
    """Slack and log cost, learned from trials.

    A trial that failed has no cost; its slack counts as bad as the worst, so that its neighbourhood is avoided. One
    that broke another gate (latency, errors) counts as unsafe by as much.

    Args:
        space: of the trials.
        trials: at least one that went through.
        seed: of the fits.
    """

    def __init__(self, space: Space, trials: Sequence[TrialRecord], seed: int) -> None:
        sound = [t for t in trials if not t.measured.failure]
        worst = min([0.0, *(t.verdict.slack for t in sound)]) - 0.02
        slacks = [worst if t.measured.failure else _slack(t) for t in trials]
        self._slack = Surrogate(space, [t.config for t in trials], slacks, seed)
        self._cost = Surrogate(space, [t.config for t in sound], [-np.log(t.verdict.speed) for t in sound], seed)

    def __call__(self, configs: Sequence[Config], best_score: float) -> Expected:
        """What configurations are expected to give.

        Args:
            configs: to be judged.
            best_score: so far.
        """
        return Expected(self._slack(configs), self._cost(configs), float(np.log(max(best_score, 1e-6))))


def _slack(trial: TrialRecord) -> float:
    gated = trial.verdict.score == 0 and trial.verdict.slack >= 0
    return -0.05 if gated else trial.verdict.slack
