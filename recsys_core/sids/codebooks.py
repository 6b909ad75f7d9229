"""A stack of codebooks on residuals: nearest codes, code paths, the best few paths, and what a path stands for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys_core.errors import ConfigError

_BLOCK_ROWS = 16_384
_BLOCK_CELLS = 4_000_000

Codebooks = list[NDArray[np.float32]]
"""Per level ``float32[codes, d]``."""


def nearest_codes(
    vectors: NDArray[np.float32], codebook: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Nearest code of each vector ``float32[n, d]``: (``int32[n]``, squared distance ``float32[n]``)."""
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


def residual_codes(vectors: NDArray[np.float32], codebooks: Codebooks) -> NDArray[np.int32]:
    """Nearest code at each level of what the levels before left: ``float32[n, d]`` to ``int32[n, levels]``."""
    residual = vectors.copy()
    columns = []
    for codebook in codebooks:
        column, _ = nearest_codes(residual, codebook)
        columns.append(column)
        residual -= codebook[column]
    return np.stack(columns, axis=1)


def decoded(codes: NDArray[np.int32], codebooks: Codebooks) -> NDArray[np.float32]:
    """The sum of the code vectors of each path: ``int[n, levels]`` to ``float32[n, d]``."""
    total = np.zeros((len(codes), codebooks[0].shape[1]), dtype=np.float32)
    for level, codebook in enumerate(codebooks):
        total += codebook[codes[:, level]]
    return total


def code_means(
    vectors: NDArray[np.float32], codes: NDArray[np.int32], sizes: Sequence[int], terminal: bool = False
) -> Codebooks:
    """Codebooks in the space of the vectors for codes that were found in another way.

    Code ``k`` of level ``l`` gets the mean of what the levels before leave of its items, which is the vector that
    reconstructs them best given those levels; a code that no item has gets zeros.

    Args:
        vectors: ``float32[n, d]``.
        codes: ``int32[n, levels]``.
        sizes: codes of each level.
        terminal: the last code of each level means "ended" and stands for nothing.
    """
    residual = vectors.astype(np.float64)
    books = []
    for level, size in enumerate(sizes):
        column = codes[:, level]
        order = np.argsort(column, kind="stable")
        used, start = np.unique(column[order], return_index=True)
        book = np.zeros((size, vectors.shape[1]))
        book[used] = np.add.reduceat(residual[order], start, axis=0)
        book[used] /= np.diff(np.r_[start, len(order)])[:, None]
        if terminal:
            book[-1] = 0.0
        residual -= book[column]
        books.append(book.astype(np.float32))
    return books


def check_count(count: int, paths: int) -> None:
    """Refuse to look for more paths than there are.

    Raises:
        ConfigError: ``count`` is below 1 or above ``paths``.
    """
    if not 1 <= count <= paths:
        raise ConfigError(f"semantic IDs: {count} candidate paths a vector asked for; ask for 1 to {paths}")


def residual_candidates(
    vectors: NDArray[np.float32], codebooks: Codebooks, count: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The ``count`` best code paths of each vector, by a beam over the levels.

    A path is scored by how much farther its codes lie than the nearest ones would at every step,

        score = - sum_l ( | r_l - B_l[c_l] |^2  -  min_k | r_l - B_l[k] |^2 ),   r_(l+1) = r_l - B_l[c_l]

    which is 0 for the path of :func:`residual_codes` and less for every other. (The plain distance that is left at
    the end would let a path overtake the item's own, because nearest codes level by level needn't end nearest.)
    Scores only fall along a path; with ``count`` as wide as all paths the beam is exhaustive.

    Args:
        vectors: ``float32[n, d]``.
        codebooks: per level ``float32[codes, d]``.
        count: paths a vector, at most the product of the code numbers.

    Returns:
        Paths ``int32[n, count, levels]``, best first, the first that of :func:`residual_codes`, and scores
        ``float32[n, count]``.

    Raises:
        ConfigError: ``count`` is below 1 or above the number of code paths.
    """
    check_count(count, math.prod(len(book) for book in codebooks))
    own = residual_codes(vectors, codebooks)
    paths = np.empty((len(vectors), count, len(codebooks)), dtype=np.int32)
    scores = np.empty((len(vectors), count), dtype=np.float32)
    widest = max(max(len(book) for book in codebooks), vectors.shape[1])
    rows = max(1, _BLOCK_CELLS // (widest * count))
    for low in range(0, len(vectors), rows):
        block = slice(low, low + rows)
        paths[block], scores[block] = _beam(vectors[block], own[block], codebooks, count)
    return paths, scores


def _beam(
    vectors: NDArray[np.float32], own: NDArray[np.int32], codebooks: Codebooks, count: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    n = len(vectors)
    each = np.arange(n)
    residual = vectors[:, None, :]
    cost = np.zeros((n, 1), dtype=np.float32)
    paths = np.empty((n, 1, 0), dtype=np.int32)
    for level, codebook in enumerate(codebooks):
        norms = np.einsum("kd,kd->k", codebook, codebook)
        distance = norms - 2.0 * (residual @ codebook.T)
        least = distance.min(axis=2, keepdims=True)
        # slot 0 follows the own path; products of other shapes may round differently, so its code is named
        least[:, 0, 0] = distance[each, 0, own[:, level]]
        step = np.maximum(distance - least, 0.0)
        step[each, 0, own[:, level]] = -np.inf
        total = (cost[:, :, None] + step).reshape(n, -1)
        width = min(count, total.shape[1])
        best = smallest(total, width)
        parent, code = np.divmod(best, len(codebook))
        cost = np.take_along_axis(total, best, axis=1)
        cost[:, 0] = 0.0
        paths = np.concatenate([paths[each[:, None], parent], code[:, :, None].astype(np.int32)], axis=2)
        residual = residual[each[:, None], parent] - codebook[code]
    return paths, -cost


def smallest(table: NDArray[np.float32], width: int) -> NDArray[np.int64]:
    """Columns of the ``width`` smallest entries of each row, smallest first, ties by column: ``int64[n, width]``."""
    if width < table.shape[1]:
        # every entry as small as the width-th stays in the race, so that ties are settled by column, not by chance
        limit = np.partition(table, width - 1, axis=1)[:, width - 1 : width]
        inside = table <= limit
        surplus = int(inside.sum(axis=1).max())
        columns = np.argsort(~inside, axis=1, kind="stable")[:, :surplus]
        kept = np.where(np.take_along_axis(inside, columns, axis=1), np.take_along_axis(table, columns, axis=1), np.inf)
        order = np.argsort(kept, axis=1, kind="stable")[:, :width]
        return np.take_along_axis(columns, order, axis=1)
    return np.argsort(table, axis=1, kind="stable")[:, :width]
