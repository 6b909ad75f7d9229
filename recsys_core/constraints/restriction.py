"""A business rule over the constraint index: which nodes still lead to an allowed item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Restriction:
    """``R`` rules at once, each one a prefix sum over the leaves.

    The leaves under a trie node are one contiguous range ``[low, high)``, so the number of allowed leaves under it is
    ``prefix[high] - prefix[low]``: two reads, whatever the rule, and nothing is rebuilt.

    Args:
        allowed_leaves: ``bool[R, n_leaves]`` in leaf order.
        leaf_start: per depth, ``int32[nodes + 1]``: first leaf under each node (of the index this belongs to); None
            where every node is one leaf.
        items: ``int64[R]`` items that each rule allows, where that is fewer than leaves.
    """

    def __init__(
        self,
        allowed_leaves: NDArray[np.bool_],
        leaf_start: Sequence[NDArray[np.int32] | None],
        items: NDArray[np.int64] | None = None,
    ) -> None:
        rules, leaves = allowed_leaves.shape
        self.prefix = np.zeros((rules, leaves + 1), dtype=np.int32)
        """``int32[R, n_leaves + 1]``: allowed leaves before each position."""
        np.cumsum(allowed_leaves, axis=1, out=self.prefix[:, 1:])
        self._leaf_start = leaf_start
        self._items = items

    def counts(self) -> NDArray[np.int64]:
        """How many items each rule allows: ``int64[R]``."""
        return self.prefix[:, -1].astype(np.int64) if self._items is None else self._items

    def count(self, level: int, nodes: ArrayLike, rows: ArrayLike = 0) -> NDArray[np.int32]:
        """How many allowed leaves lie under each node.

        Args:
            level: depth of ``nodes``; 0 is the root, ``index.levels`` the leaves.
            nodes: ``int[...]`` node numbers at that depth; -1 (padding) counts 0.
            rows: ``int[...]`` which rule each node is held against; broadcast against ``nodes``.

        Returns:
            ``int32[...]``.
        """
        node = np.asarray(nodes)
        row = np.asarray(rows)
        start = self._leaf_start[level]
        low, high = np.maximum(node, 0), node + 1
        if start is not None:
            low, high = start[low], start[high]
        found: NDArray[np.int32] = self.prefix[row, high] - self.prefix[row, low]
        # padding reads position 0 twice, hence 0 allowed leaves without a branch
        return found

    def open(self, level: int, nodes: ArrayLike, rows: ArrayLike = 0) -> NDArray[np.bool_]:
        """True where at least one allowed leaf lies under the node; arguments as in :meth:`count`."""
        opened: NDArray[np.bool_] = self.count(level, nodes, rows) > 0
        return opened
