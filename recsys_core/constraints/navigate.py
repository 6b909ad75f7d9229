"""Following tokens through the arrays of a trie."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from recsys_core.constraints.arrays import IntArray, TrieArrays

_NARROW = 8
"""Nodes of at most so many children are compared with all of them at once."""


def follow(arrays: TrieArrays, level: int, nodes: ArrayLike, tokens: ArrayLike) -> IntArray:
    """The child that a token leads to.

    Args:
        arrays: of the trie.
        level: depth of ``nodes``.
        nodes: ``int[...]`` node numbers; -1 stays -1.
        tokens: ``int[...]``, broadcast against ``nodes``.

    Returns:
        ``int32[...]`` node numbers at depth ``level + 1``; -1 where there is no such child.
    """
    node, wanted = np.asarray(nodes), np.asarray(tokens)
    if node.shape != wanted.shape:
        node, wanted = np.broadcast_arrays(node, wanted)
    edges = arrays.tokens[level]
    start = arrays.child_start[level]
    if start is None:
        return np.where((node >= 0) & (edges.take(node, mode="clip") == wanted), node, -1).astype(np.int32)
    if len(start) == 2:  # the root, whose edges are the whole level
        place = np.minimum(edges.searchsorted(wanted), len(edges) - 1)
        return np.where((node >= 0) & (edges[place] == wanted), place, -1).astype(np.int32)
    low = start.take(node, mode="clip").astype(np.int64)
    end = start.take(node + 1).astype(np.int64)  # padding reads start[0] twice
    widest = int((end - low).max(initial=0))
    if widest <= _NARROW:
        child = low[..., None] + np.arange(max(1, widest))
        hit = (edges.take(child, mode="clip") == wanted[..., None]) & (child < end[..., None])
        return np.where(hit.any(axis=-1), low + hit.argmax(axis=-1), -1).astype(np.int32)
    high = end.copy()
    # a binary search inside every node's own edge range at once; widths differ, so narrow ones idle
    for _ in range(widest.bit_length()):
        middle = (low + high) >> 1
        searching = low < high
        below = searching & (edges.take(middle, mode="clip") < wanted)
        low = np.where(below, middle + 1, low)
        high = np.where(searching & ~below, middle, high)
    return np.where((low < end) & (edges.take(low, mode="clip") == wanted), low, -1).astype(np.int32)
