"""Residual k-means: each level clusters what the levels before it left unexplained.

Deterministic: the same vectors, configuration and seed give the same codebooks byte for byte, because training is
single-threaded and seeded. Knows nothing of items or SID layouts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.errors import BuildError

_BLOCK_ROWS = 16_384
_RESEED_ROUNDS = 8


class ResidualKMeansConfig(BaseModel):
    """Shape and training of the codebooks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: int = Field(default=1, ge=1, le=8)
    """How many codebooks, each on the residual of the one before."""
    codes: Annotated[int, Field(ge=1, le=65_536)] | Literal["auto"] = "auto"
    """Codes a level; ``auto`` takes the largest power of two that leaves ``items_per_code`` items to each."""
    items_per_code: int = Field(default=16, ge=1)
    """How many items one code should stand for; used by ``auto``."""
    max_codes: int = Field(default=256, ge=1, le=65_536)
    """Upper limit for ``auto``."""
    iterations: int = Field(default=25, ge=1, le=1000)
    """Lloyd iterations a level."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of the initial centroids."""


class ResidualKMeans:
    """A stack of codebooks.

    Args:
        config: shape and training.
    """

    def __init__(self, config: ResidualKMeansConfig) -> None:
        self.config = config
        self.codebooks: list[NDArray[np.float32]] = []
        """Per level ``float32[codes, d]``, filled by :meth:`fit`."""

    def fit(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """Learn the codebooks from ``float32[n, d]`` and return the codes of these vectors, ``int32[n, levels]``.

        Raises:
            BuildError: no vectors, NaN or infinite values, all vectors equal, or fewer items than codes.
        """
        residual = checked_vectors(vectors).copy()
        codes = self._resolve_codes(residual)
        self.codebooks = []
        columns = []
        for level in range(self.config.levels):
            codebook = _train(residual, codes, self.config.iterations, self.config.seed + level)
            codebook, column = _reseed_dead(residual, codebook)
            self.codebooks.append(codebook)
            columns.append(column)
            residual -= codebook[column]
        return np.stack(columns, axis=1)

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """Codes of ``float32[n, d]`` under the learned codebooks: ``int32[n, levels]``.

        Raises:
            BuildError: called before :meth:`fit`, NaN or infinite values, or another width than the codebooks'.
        """
        if not self.codebooks:
            raise BuildError("semantic IDs: the codebooks haven't been learned; call fit first")
        residual = finite_vectors(vectors).copy()
        if residual.shape[1] != self.codebooks[0].shape[1]:
            raise BuildError(
                f"semantic IDs: vectors have {residual.shape[1]} dimensions, "
                f"the codebooks {self.codebooks[0].shape[1]}; "
                "encode with the encoder that the codebooks were learned from"
            )
        columns = []
        for codebook in self.codebooks:
            column, _ = _assign(residual, codebook)
            columns.append(column)
            residual -= codebook[column]
        return np.stack(columns, axis=1)

    def decode(self, codes: NDArray[np.int32]) -> NDArray[np.float32]:
        """The vectors that codes ``int[n, levels]`` stand for: ``float32[n, d]``."""
        total = np.zeros((len(codes), self.codebooks[0].shape[1]), dtype=np.float32)
        for level, codebook in enumerate(self.codebooks):
            total += codebook[codes[:, level]]
        return total

    def _resolve_codes(self, vectors: NDArray[np.float32]) -> int:
        # equal vectors can't be told apart by any codebook, so only distinct ones count
        distinct = len(np.unique(vectors, axis=0))
        if self.config.codes == "auto":
            room = max(1, distinct // self.config.items_per_code)
            return min(self.config.max_codes, 1 << (room.bit_length() - 1))
        if self.config.codes > distinct:
            raise BuildError(
                f"semantic IDs: fewer items than codes: setting `codes` is {self.config.codes}, but the catalogue has "
                f'{distinct} distinct item vectors ({len(vectors)} items); set codes = "auto" or at most {distinct}'
            )
        return self.config.codes


def finite_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors as C-contiguous ``float32[n, d]``.

    Raises:
        BuildError: not a two-dimensional array, or NaN or infinite values.
    """
    table = np.ascontiguousarray(vectors, dtype=np.float32)
    if table.ndim != 2 or table.shape[1] == 0:
        raise BuildError(f"semantic IDs: item vectors must be [items, dimensions], got shape {list(table.shape)}")
    bad = ~np.isfinite(table).all(axis=1)
    if bad.any():
        raise BuildError(
            f"semantic IDs: {int(bad.sum())} of {len(table)} item vectors hold NaN or infinite values "
            f"(first: item {int(np.flatnonzero(bad)[0])}); delete the vector cache and encode again"
        )
    return table


def checked_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """As :func:`finite_vectors`, and refuse what no codebook can be learned from.

    Raises:
        BuildError: also when there are no vectors, or several that are all equal.
    """
    table = finite_vectors(vectors)
    if len(table) == 0:
        raise BuildError("semantic IDs: there are no item vectors; the catalogue needs at least one item")
    if len(table) > 1 and float(np.ptp(table, axis=0).max()) <= 1e-7:
        raise BuildError(
            f"semantic IDs: all {len(table)} item vectors are equal, so nothing tells the items apart; "
            "check that the imported items have titles or texts that differ"
        )
    return table


def _train(vectors: NDArray[np.float32], codes: int, iterations: int, seed: int) -> NDArray[np.float32]:
    if codes == 1:
        centre: NDArray[np.float32] = vectors.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
        return centre
    import faiss

    with _single_threaded():
        # min/max points: faiss would otherwise warn about small catalogues and sample from large ones
        trainer = faiss.Kmeans(
            vectors.shape[1],
            codes,
            niter=iterations,
            seed=seed,
            min_points_per_centroid=1,
            max_points_per_centroid=max(256, len(vectors)),
        )
        trainer.train(vectors)
    centroids: NDArray[np.float32] = np.array(trainer.centroids, dtype=np.float32, order="C")
    return centroids


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Sums made by several threads depend on how the work was split."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _assign(
    vectors: NDArray[np.float32], codebook: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Nearest code of each vector, and its squared distance."""
    nearest = np.empty(len(vectors), dtype=np.int32)
    error = np.empty(len(vectors), dtype=np.float32)
    norms = np.einsum("kd,kd->k", codebook, codebook)
    for low in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[low : low + _BLOCK_ROWS]
        scores = norms - 2.0 * (block @ codebook.T)
        best = scores.argmin(axis=1)
        nearest[low : low + _BLOCK_ROWS] = best
        gap = block - codebook[best]
        error[low : low + _BLOCK_ROWS] = np.einsum("nd,nd->n", gap, gap)
    return nearest, error


def _reseed_dead(
    vectors: NDArray[np.float32], codebook: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Move codes that no vector uses onto the vectors that are described worst."""
    nearest, error = _assign(vectors, codebook)
    for _ in range(_RESEED_ROUNDS):
        dead = np.flatnonzero(np.bincount(nearest, minlength=len(codebook)) == 0)
        worst = np.argsort(-error, kind="stable")
        worst = worst[error[worst] > 1e-12]
        _, first = np.unique(vectors[worst], axis=0, return_index=True)
        worst = worst[np.sort(first)][: len(dead)]
        if not len(dead) or not len(worst):
            break
        codebook = codebook.copy()
        codebook[dead[: len(worst)]] = vectors[worst]
        nearest, error = _assign(vectors, codebook)
    return codebook, nearest
