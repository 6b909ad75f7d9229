"""Collaborative vectors: items that the same people chose close together get similar vectors.

Windowed co-occurrence counts from the training sequences, turned into positive pointwise mutual information and
factored: ``PPMI(i, j) = max(0, log(n_ij * N / (n_i * n_j)))``, ``PPMI ~ U S U'``, vectors ``U sqrt(S)``, L2-normalised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.encoders.protocol import TrainSequences
from recsys_core.errors import BuildError

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class CollaborativeConfig(BaseModel):
    """How co-occurrence is counted and compressed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dimensions: int = Field(default=64, ge=1, le=1024)
    """Width of the vectors; columns beyond the rank of the data are zero."""
    window: int = Field(default=20, ge=1, le=1000)
    """Two items of a user count as together when at most this many positions apart; nearer ones count more (1/gap)."""
    smoothing: float = Field(default=0.75, gt=0, le=1)
    """Exponent on the context counts; below 1 keeps rare items from looking close to each other."""
    seed: int = Field(default=0, ge=0)
    """Seed of the solver's starting vector."""


class CollaborativeEncoder:
    """Item vectors from training sequences only.

    Args:
        config: counting and compression.
    """

    def __init__(self, config: CollaborativeConfig | None = None) -> None:
        self.config = config or CollaborativeConfig()

    def encode(self, catalogue: Catalogue, train: TrainSequences) -> NDArray[np.float32]:
        """See :class:`~recsys_core.encoders.protocol.ItemEncoder`; items without company get a zero row."""
        return self.encode_sequences(train, len(catalogue))

    def encode_sequences(self, train: TrainSequences, n_items: int) -> NDArray[np.float32]:
        """``float32[n_items, dimensions]`` from the sequences alone; deterministic.

        Raises:
            BuildError: an item index outside ``0 .. n_items - 1``.
        """
        if len(train.items) and not 0 <= int(train.items.min()) <= int(train.items.max()) < n_items:
            raise BuildError(
                f"collaborative vectors: the sequences name item {int(train.items.max())}, the catalogue has {n_items} "
                "items; build from the catalogue that the interactions were imported with"
            )
        counts = _cooccurrence(train, n_items, self.config.window)
        vectors = np.zeros((n_items, self.config.dimensions), dtype=np.float32)
        if counts.nnz:
            factors = _factor(_ppmi(counts, self.config.smoothing), self.config.dimensions, self.config.seed)
            vectors[:, : factors.shape[1]] = factors
        return normalised(vectors)


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to length 1; zero rows stay zero."""
    table = np.ascontiguousarray(vectors)  # sums over rows come out the same bit for bit whatever the memory order was
    length = np.linalg.norm(table, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (table / np.where(length > 1e-12, length, 1.0)).astype(np.float32)
    return scaled


def _cooccurrence(train: TrainSequences, n_items: int, window: int) -> csr_array:
    """Symmetric ``float64[n_items, n_items]`` counts, an item never with itself."""
    from scipy.sparse import coo_array, csr_array

    user = np.repeat(np.arange(len(train.offsets) - 1), np.diff(train.offsets))
    total = csr_array((n_items, n_items), dtype=np.float64)
    for gap in range(1, min(window, len(train.items) - 1) + 1):
        together = user[gap:] == user[:-gap]
        left, right = train.items[gap:][together], train.items[:-gap][together]
        different = left != right
        weight = np.full(int(different.sum()), 1.0 / gap)
        total = total + coo_array((weight, (left[different], right[different])), shape=total.shape).tocsr()
    return (total + total.T).tocsr()


def _ppmi(counts: csr_array, smoothing: float) -> csr_array:
    from scipy.sparse import csr_array

    occurrences = np.asarray(counts.sum(axis=1)).ravel()
    context = occurrences**smoothing
    context /= context.sum()
    pairs = counts.tocoo()
    row, column = pairs.coords
    expected = occurrences[row] * context[column]
    information = np.maximum(0.0, np.log(pairs.data / expected))
    matrix = csr_array((information, (row, column)), shape=counts.shape)
    # smoothing makes the two directions differ a little; the factorisation below wants them equal
    return ((matrix + matrix.T) * 0.5).tocsr()


def _factor(matrix: csr_array, dimensions: int, seed: int) -> NDArray[np.float32]:
    """``U sqrt(S)`` of the largest singular values, signs fixed so that equal input gives equal output."""
    from scipy.sparse.linalg import svds

    n_items = matrix.shape[0]
    wanted = min(dimensions, n_items - 1)
    if wanted < 1 or not np.any(matrix.data > 0):
        return np.zeros((n_items, 0), dtype=np.float32)
    if n_items <= 4 * wanted:
        left, values, _ = np.linalg.svd(matrix.toarray(), full_matrices=False)
        left, values = left[:, :wanted], values[:wanted]
    else:
        start = np.random.default_rng(seed).standard_normal(n_items)
        left, values, _ = svds(matrix, k=wanted, v0=start)
        left, values = left[:, ::-1], values[::-1]
    peak = np.abs(left).argmax(axis=0)
    left = left * np.where(left[peak, np.arange(wanted)] < 0, -1.0, 1.0)
    kept = values > values.max() * 1e-10
    factors: NDArray[np.float32] = (left[:, kept] * np.sqrt(values[kept])).astype(np.float32)
    return factors
