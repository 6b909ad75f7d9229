"""Seeded, single-threaded k-means, and codes that no vector uses brought back to life."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from recsys_core.sids.codebooks import nearest_codes

_RESEED_ROUNDS = 8


def train_centroids(vectors: NDArray[np.float32], codes: int, iterations: int, seed: int) -> NDArray[np.float32]:
    """Lloyd's algorithm.

    Args:
        vectors: ``float32[n, d]``.
        codes: centroids to find, at most ``n``.
        iterations: rounds.
        seed: of the initial centroids.

    Returns:
        ``float32[codes, d]``; the same bytes for the same arguments.
    """
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


def reseed_dead(
    vectors: NDArray[np.float32], codebook: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Move codes that no vector uses onto the vectors that are described worst.

    Args:
        vectors: ``float32[n, d]``.
        codebook: ``float32[codes, d]``.

    Returns:
        The codebook and the nearest code of each vector, ``int32[n]``.
    """
    nearest, error = nearest_codes(vectors, codebook)
    for _ in range(_RESEED_ROUNDS):
        dead = np.flatnonzero(np.bincount(nearest, minlength=len(codebook)) == 0)
        if not len(dead):
            break
        worst = worst_described(vectors, error, len(dead))
        if not len(worst):
            break
        codebook = codebook.copy()
        codebook[dead[: len(worst)]] = vectors[worst]
        nearest, error = nearest_codes(vectors, codebook)
    return codebook, nearest


def worst_described(vectors: NDArray[np.float32], error: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Rows of at most ``count`` distinct vectors with the largest errors above zero, worst first: ``int64[m]``."""
    worst = np.argsort(-error, kind="stable")
    worst = worst[error[worst] > 1e-12]
    _, first = np.unique(vectors[worst], axis=0, return_index=True)
    return worst[np.sort(first)][:count]
