"""EASE: a linear item-item model with a closed form.

Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", equations 4 to 8: with the binary user-item matrix X,
``P = (X'X + l2 I)^-1`` and weights ``B_ij = -P_ij / P_jj`` off the diagonal, 0 on it; a user's scores are ``x B``.

The model knows no order. On sequential data it usually does better when the newest items of a history count more, so
the votes *at scoring time* may be weighted by recency (``recency_power``; 0 is the published model). Fitting stays as
it was published.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.baselines.choose import Choice, choose
from recsys_core.baselines.protocol import FitData, Floats, Ints, Tell
from recsys_core.baselines.votes import history_votes
from recsys_core.errors import BuildError, ConfigError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_ITEMS = 20_000
"""Larger catalogues are refused: the dense matrix of 20,000 items takes 1.6 GB, and the time grows with n^3."""

GRID_L2 = (10.0, 30.0, 100.0, 300.0, 1000.0)
GRID_RECENCY = (0.0, 0.5, 1.0, 1.5)
_BLOCK = 1024


class EaseConfig(BaseModel):
    """Settings of EASE."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    l2: float = Field(default=100.0, gt=0)
    """Regularisation, the only setting of the published model."""
    recency_power: float = Field(default=0.0, ge=0)
    """The n-th newest history item votes with ``n ** -recency_power`` at scoring time; 0 is the published model."""


class EASE:
    """Item-item weights and their use; a :class:`~recsys_core.baselines.protocol.SequenceScorer`.

    Args:
        weights: float32[n_items, n_items], row = item of the history, column = candidate, diagonal 0.
        config: settings.
    """

    def __init__(self, weights: Floats, config: EaseConfig) -> None:
        self.weights = weights
        self.config = config

    @classmethod
    def fit(cls, data: FitData, config: EaseConfig | None = None, *, seed: int = 0, tell: Tell | None = None) -> EASE:
        """Solve for the weights; nothing in it is random.

        Takes ``4 * n_items ** 2`` bytes (1.4 GB for 18,000 items), inverted in place, and time that grows with
        ``n_items ** 3``.

        Args:
            data: only the training items are used.
            config: settings.
            seed: not used.
            tell: called before and after the solution.

        Raises:
            ConfigError: the catalogue is too large for a dense matrix.
            BuildError: the matrix isn't positive definite in single precision.
        """
        config = config or EaseConfig()
        check_size(data.n_items)
        if tell is not None:
            tell("EASE", 0, 1)
        model = cls(_weights(gram_matrix(data), config.l2), config)
        if tell is not None:
            tell("EASE", 1, 1)
        return model

    @property
    def parameters(self) -> int:
        """All weights off the diagonal."""
        return len(self.weights) * (len(self.weights) - 1)

    def scores(self, histories: list[Ints]) -> Floats:
        """See :class:`~recsys_core.baselines.protocol.SequenceScorer`; an item votes once, however often it occurs.

        Raises:
            DataError: an item that the catalogue doesn't have.
        """
        votes = history_votes(
            histories, len(self.weights), window=None, recency_power=self.config.recency_power, distinct=True
        )
        return np.asarray(votes @ self.weights, dtype=np.float32)


def tuned_ease(data: FitData, *, seed: int = 0, tell: Tell | None = None) -> Choice[EaseConfig, EASE]:
    """The pair out of :data:`GRID_L2` and :data:`GRID_RECENCY` with the best validation NDCG@10.

    Raises:
        ConfigError: the catalogue is too large, or there is nothing to validate on.
    """
    check_size(data.n_items)
    gram = gram_matrix(data)

    def candidates() -> Iterator[tuple[EaseConfig, EASE]]:
        for l2 in GRID_L2:
            weights = _weights(gram, l2)
            for power in GRID_RECENCY:
                config = EaseConfig(l2=l2, recency_power=power)
                yield config, EASE(weights, config)

    return choose(candidates(), data, total=len(GRID_L2) * len(GRID_RECENCY), name="EASE", tell=tell)


def check_size(n_items: int) -> None:
    """Refuse catalogues that need a larger dense matrix than :data:`MOST_ITEMS` allows.

    Raises:
        ConfigError: says how much memory it would take.
    """
    if n_items > MOST_ITEMS:
        raise ConfigError(
            f"EASE needs a dense matrix of {n_items:,} x {n_items:,} items ({4 * n_items**2 / 1e9:.1f} GB); it is "
            f"refused above {MOST_ITEMS:,} items; leave EASE out or take fewer items"
        )


def gram_matrix(data: FitData) -> csr_matrix:
    """``X'X`` of the binary user-item matrix, sparse float32[n_items, n_items]."""
    from scipy import sparse

    users = np.repeat(np.arange(len(data.offsets) - 1), np.diff(data.offsets))
    shape = (len(data.offsets) - 1, data.n_items)
    chosen = sparse.csr_matrix((np.ones(len(users), np.float32), (users, data.items)), shape=shape)
    chosen.data[:] = 1.0  # a csr_matrix adds up what a user did more than once
    return (chosen.T @ chosen).tocsr()


def _weights(gram: csr_matrix, l2: float) -> Floats:
    """Cholesky inverse of ``gram + l2 I`` and the division by its diagonal, all in one array."""
    from scipy.linalg import lapack

    n = gram.shape[0]
    dense = gram.toarray(order="F")
    dense[np.arange(n), np.arange(n)] += np.float32(l2)
    # LAPACK reads and writes the lower triangle of a column-major array where it stands
    factor, failed = lapack.spotrf(dense, lower=1, clean=0, overwrite_a=1)
    if not failed:
        inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise BuildError(f"EASE: the item-item matrix can't be inverted in single precision with l2 = {l2}; raise l2")
    _mirror_lower(inverse)
    # the inverse is symmetric, so its transpose is the same matrix in the row-major order that scoring reads
    weights: Floats = inverse.T
    weights /= -np.diagonal(weights).copy()[None, :]
    weights[np.arange(n), np.arange(n)] = 0.0
    return weights


def _mirror_lower(matrix: Floats) -> None:
    """Copy the lower triangle over the upper one, block by block, so that no second matrix is needed."""
    n = len(matrix)
    for start in range(0, n, _BLOCK):
        end = min(n, start + _BLOCK)
        corner = np.tril(matrix[start:end, start:end])
        matrix[start:end, start:end] = corner + np.tril(corner, -1).T
        matrix[start:end, end:] = matrix[end:, start:end].T
