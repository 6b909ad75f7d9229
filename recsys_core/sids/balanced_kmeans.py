"""Balanced residual k-means: as residual k-means, but no code of a level may hold more than its share of the items.

Plain k-means on item texts gives a few very large codes, which tell little, and many small ones. Here each round of
Lloyd's algorithm assigns the items under a capacity, by deferred acceptance (Gale and Shapley 1962): every item asks
its nearest code; a code that is asked by more than it can hold keeps the nearest and turns the others away, who ask
their next nearest. The result is stable: no item and code would both rather have each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys_core.sids.codebooks import residual_candidates, residual_codes
from recsys_core.sids.kmeans import train_centroids, worst_described
from recsys_core.sids.shape import CodebookShape, checked_vectors, fitting_vectors

_REFILL_ROUNDS = 8


class BalancedKMeansConfig(CodebookShape):
    """Shape and training of the codebooks."""

    slack: float = Field(default=0.1, ge=0, le=10)
    """How far above the even share a code may grow: at most ``ceil(items / codes * (1 + slack))`` items."""
    iterations: int = Field(default=25, ge=1, le=1000)
    """Lloyd iterations a level without the capacity, to begin with."""
    balanced_iterations: int = Field(default=10, ge=1, le=1000)
    """Lloyd iterations a level under the capacity, after that."""


class BalancedKMeans:
    """A stack of balanced codebooks; see :class:`~recsys_core.sids.protocol.Quantizer`.

    Further items get the nearest codes, whatever the capacity, so :meth:`encode` of an item that training moved to
    another code gives a different path than :meth:`fit` did.

    Args:
        config: shape and training.
    """

    name = "balanced_kmeans"
    keeps_own_paths = False
    terminal = False

    def __init__(self, config: BalancedKMeansConfig | None = None) -> None:
        self.config = config or BalancedKMeansConfig()
        self.codebooks: list[NDArray[np.float32]] = []
        """Per level ``float32[codes, d]``, filled by :meth:`fit`."""

    @property
    def levels(self) -> int:
        """Codes a path."""
        return self.config.levels

    @property
    def code_sizes(self) -> list[int]:
        """Codes of each level; empty before :meth:`fit`."""
        return [len(book) for book in self.codebooks]

    def capacity(self, items: int, codes: int) -> int:
        """Most items that a code may hold."""
        # the small number keeps 1.1 * 20 = 22.000000000000004 from becoming 23
        return math.ceil(items / codes * (1 + self.config.slack) - 1e-9)

    def fit(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """Learn the codebooks from ``float32[n, d]`` and return the codes of these vectors, ``int32[n, levels]``.

        Raises:
            BuildError: no vectors, NaN or infinite values, all vectors equal, or fewer items than codes.
        """
        residual = checked_vectors(vectors).copy()
        codes = self.config.resolve_codes(residual)
        capacity = self.capacity(len(residual), codes)
        self.codebooks = []
        columns = []
        for level in range(self.config.levels):
            codebook = train_centroids(residual, codes, self.config.iterations, self.config.seed + level)
            for _ in range(self.config.balanced_iterations):
                codebook = _means(residual, balanced_assignment(_distances(residual, codebook), capacity), codebook)
            codebook, column = _refilled(residual, codebook, capacity)
            self.codebooks.append(codebook)
            columns.append(column)
            residual -= codebook[column]
        return np.stack(columns, axis=1)

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """Nearest codes of ``float32[n, d]``, without a capacity: ``int32[n, levels]``.

        Raises:
            BuildError: called before :meth:`fit`, NaN or infinite values, or another width than the codebooks'.
        """
        return residual_codes(fitting_vectors(vectors, self.codebooks), self.codebooks)

    def candidates(self, vectors: NDArray[np.float32], count: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """See :func:`~recsys_core.sids.codebooks.residual_candidates`."""
        return residual_candidates(fitting_vectors(vectors, self.codebooks), self.codebooks, count)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What :meth:`from_arrays` needs."""
        return {f"level_{level}": book for level, book in enumerate(self.codebooks)}

    @classmethod
    def from_arrays(cls, config: BalancedKMeansConfig, arrays: Mapping[str, NDArray[Any]]) -> BalancedKMeans:
        """The quantizer that gave these :meth:`arrays`.

        Raises:
            KeyError: an array is missing.
        """
        quantizer = cls(config)
        quantizer.codebooks = [arrays[f"level_{level}"] for level in range(config.levels)]
        return quantizer


def balanced_assignment(cost: NDArray[np.float32], capacity: int) -> NDArray[np.int32]:
    """Assign every item to one code, at most ``capacity`` items to each, by deferred acceptance.

    Args:
        cost: ``float32[n, codes]``, lower is better.
        capacity: most items a code; ``capacity * codes >= n``.

    Returns:
        ``int32[n]``. Stable: where an item would rather have another code, that code is full of items that are at
        least as near to it.
    """
    n, codes = cost.shape
    wishes = np.argsort(cost, axis=1, kind="stable").astype(np.int32)
    turn = np.zeros(n, dtype=np.int64)
    each = np.arange(n)
    while True:
        asked = wishes[each, turn]
        order = np.lexsort((each, cost[each, asked], asked))
        held = asked[order]
        start = np.searchsorted(held, np.arange(codes))
        refused = order[each - start[held] >= capacity]
        if not len(refused):
            return asked
        turn[refused] += 1


def _refilled(
    vectors: NDArray[np.float32], codebook: NDArray[np.float32], capacity: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The codes under the capacity; codes left empty (there is room in the others) move to the worst described."""
    column = balanced_assignment(_distances(vectors, codebook), capacity)
    for _ in range(_REFILL_ROUNDS):
        empty = np.flatnonzero(np.bincount(column, minlength=len(codebook)) == 0)
        if not len(empty):
            break
        gap = vectors - codebook[column]
        worst = worst_described(vectors, np.einsum("nd,nd->n", gap, gap), len(empty))
        if not len(worst):
            break
        codebook = codebook.copy()
        codebook[empty[: len(worst)]] = vectors[worst]
        column = balanced_assignment(_distances(vectors, codebook), capacity)
    return codebook, column


def _distances(vectors: NDArray[np.float32], codebook: NDArray[np.float32]) -> NDArray[np.float32]:
    # the items' own norms count: a code compares the distances of several items
    own = np.einsum("nd,nd->n", vectors, vectors)[:, None]
    norms = np.einsum("kd,kd->k", codebook, codebook)
    distance: NDArray[np.float32] = own + norms - 2.0 * (vectors @ codebook.T)
    return distance


def _means(vectors: NDArray[np.float32], column: NDArray[np.int32], before: NDArray[np.float32]) -> NDArray[np.float32]:
    order = np.argsort(column, kind="stable")
    used, start = np.unique(column[order], return_index=True)
    sums = np.add.reduceat(vectors[order].astype(np.float64), start, axis=0)
    codebook = before.copy()
    codebook[used] = sums / np.diff(np.r_[start, len(order)])[:, None]
    return codebook
