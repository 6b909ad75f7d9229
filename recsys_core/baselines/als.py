"""ALS: matrix factorisation of implicit feedback, fitted by the package ``implicit``.

Hu, Koren and Volinsky 2008, "Collaborative Filtering for Implicit Feedback Datasets": every user-item pair has a
preference (chosen or not) and a confidence ``c = 1 + alpha * count``, and user and item factors are solved in turns.
At scoring time the stored users are not looked up: a history is folded in with their equation 4,
``x = (Y'CY + reg I)^-1 Y'C p``, so that people whom the model never saw are served like everybody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from recsys_core.baselines.choose import Choice, choose
from recsys_core.baselines.protocol import FitData, Floats, Ints, Tell
from recsys_core.baselines.votes import history_votes
from recsys_core.errors import ConfigError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

GRID_ALPHA = (5.0, 20.0, 80.0)
GRID_REGULARIZATION = (0.01, 1.0, 30.0)
GRID_FACTORS = (64, 128, 256)
GRID_RECENCY = (0.0, 0.5, 1.0, 1.5)
_CHUNK = 128


class AlsConfig(BaseModel):
    """Settings of ALS."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    factors: PositiveInt = 128
    """Width of user and item factors."""
    regularization: float = Field(default=1.0, gt=0)
    """L2 penalty on the factors."""
    alpha: float = Field(default=20.0, gt=0)
    """Confidence that each interaction adds to the 1 of every pair."""
    iterations: PositiveInt = 15
    """How often users and items are solved in turns."""
    recency_power: float = Field(default=0.0, ge=0)
    """At scoring time the n-th newest item counts ``n ** -recency_power`` interactions; 0 is the published model."""
    threads: NonNegativeInt = 1
    """Threads of the solver; 0 takes all cores."""


class ALS:
    """Item factors and their use; a :class:`~recsys_core.baselines.protocol.SequenceScorer`.

    Args:
        item_factors: float32[n_items, factors].
        config: settings that they were fitted with.
    """

    def __init__(self, item_factors: Floats, config: AlsConfig) -> None:
        self.item_factors = item_factors
        self.config = config
        exact = item_factors.astype(np.float64)
        self._gram = exact.T @ exact + config.regularization * np.eye(exact.shape[1])

    @classmethod
    def fit(cls, data: FitData, config: AlsConfig | None = None, *, seed: int = 0, tell: Tell | None = None) -> ALS:
        """Factor the training interactions.

        Args:
            data: only the training items are used.
            config: settings.
            seed: of the starting factors.
            tell: called after each iteration.

        Raises:
            ConfigError: the package ``implicit`` isn't installed.
        """
        config = config or AlsConfig()
        try:
            from implicit.cpu.als import AlternatingLeastSquares
        except ImportError as error:
            raise ConfigError(
                "the ALS baseline needs the package `implicit`; install it with `pip install 'sidra[baselines]'` "
                "or leave ALS out"
            ) from error
        from threadpoolctl import threadpool_limits

        def after(iteration: int, seconds: float, loss: float | None) -> None:
            if tell is not None:
                tell("ALS", iteration + 1, config.iterations)

        # BLAS threads inside the threads of the solver slow each other down
        with threadpool_limits(limits=1, user_api="blas"):
            solver = AlternatingLeastSquares(
                factors=config.factors,
                regularization=config.regularization,
                alpha=1.0,  # the confidence is in the matrix already: the package would leave out the 1 of equation 1
                iterations=config.iterations,
                num_threads=config.threads,
                random_state=seed,
            )
            solver.fit(_confidence(data, config.alpha), show_progress=False, callback=after)
        return cls(np.asarray(solver.item_factors, dtype=np.float32), config)

    @property
    def parameters(self) -> int:
        """Item factors; user factors are solved from histories, not kept."""
        return int(self.item_factors.size)

    def scores(self, histories: list[Ints]) -> Floats:
        """See :class:`~recsys_core.baselines.protocol.SequenceScorer`; 0 everywhere without a history.

        Raises:
            DataError: an item that the catalogue doesn't have.
        """
        return np.asarray(self.user_factors(histories) @ self.item_factors.T, dtype=np.float32)

    def user_factors(self, histories: list[Ints]) -> Floats:
        """Factors of the people who have these histories: float32[len(histories), factors].

        Raises:
            DataError: an item that the catalogue doesn't have.
        """
        counts = history_votes(histories, len(self.item_factors), window=None, recency_power=self.config.recency_power)
        width = self.item_factors.shape[1]
        factors = np.zeros((len(histories), width), dtype=np.float32)
        for start in range(0, len(histories), _CHUNK):
            rows = range(start, min(len(histories), start + _CHUNK))
            left = np.repeat(self._gram[None], len(rows), axis=0)
            right = np.zeros((len(rows), width, 1))
            for place, row in enumerate(rows):
                span = slice(counts.indptr[row], counts.indptr[row + 1])
                items = self.item_factors[counts.indices[span]].astype(np.float64)
                extra = self.config.alpha * counts.data[span].astype(np.float64)
                left[place] += (items * extra[:, None]).T @ items
                right[place, :, 0] = (1.0 + extra) @ items
            factors[rows.start : rows.stop] = np.linalg.solve(left, right)[:, :, 0]
        return factors


def tuned_als(data: FitData, *, seed: int = 0, tell: Tell | None = None) -> Choice[AlsConfig, ALS]:
    """Settings with the best validation NDCG@10, in two steps.

    First ``alpha`` and ``regularization`` together with 64 factors, then the number of factors and ``recency_power``
    with what won.

    Raises:
        ConfigError: the package ``implicit`` isn't installed, or there is nothing to validate on.
    """
    confidence = [
        AlsConfig(factors=64, alpha=alpha, regularization=regularization)
        for alpha in GRID_ALPHA
        for regularization in GRID_REGULARIZATION
    ]
    total = len(confidence) + len(GRID_FACTORS) * len(GRID_RECENCY)
    first = choose(((c, ALS.fit(data, c, seed=seed)) for c in confidence), data, total=total, name="ALS", tell=tell)

    def wider() -> Iterator[tuple[AlsConfig, ALS]]:
        for factors in GRID_FACTORS:
            config = first.config.model_copy(update={"factors": factors})
            fitted = ALS.fit(data, config, seed=seed)
            for power in GRID_RECENCY:
                weighted = config.model_copy(update={"recency_power": power})
                yield weighted, ALS(fitted.item_factors, weighted)

    second = choose(wider(), data, total=total, name="ALS", tell=tell, done=len(confidence))
    return Choice(second.config, second.scorer, second.ndcg, first.tried + second.tried)


def _confidence(data: FitData, alpha: float) -> csr_matrix:
    """``1 + alpha * count`` where somebody chose something: float32[n_users, n_items]."""
    from scipy import sparse

    users = np.repeat(np.arange(len(data.offsets) - 1), np.diff(data.offsets))
    shape = (len(data.offsets) - 1, data.n_items)
    counts = sparse.csr_matrix((np.ones(len(users), np.float32), (users, data.items)), shape=shape)
    counts.data = 1.0 + np.float32(alpha) * counts.data
    return counts
