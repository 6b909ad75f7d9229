"""The constraint index: a trie of all semantic IDs, laid out as flat arrays.

Nodes are numbered breadth-first with siblings in token order, so the children of a node are consecutive numbers on the
next depth and need no pointers; sorting the SIDs makes the leaves under any node one contiguous range. Several SIDs may
lead to one item (DREAM, arXiv 2606.06947, registers a few for items without interactions). Knows nothing of models, of
users or of what an item is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from recsys_core.constraints.arrays import IntArray, PerDepth, TokenArray, TrieArrays
from recsys_core.constraints.build import build_arrays
from recsys_core.constraints.navigate import follow
from recsys_core.constraints.restriction import Restriction
from recsys_core.constraints.storage import load_arrays, save_arrays


class ConstraintIndex:
    """All SIDs of a catalogue, ready for stepping through them level by level.

    *Depth* 0 is the root, depth ``levels`` the leaves; ``level`` in the methods is the depth of the nodes handed in.
    Leaf positions are node numbers at depth ``levels``. Make one with :meth:`build` or :meth:`load`.

    Args:
        arrays: the trie.
        items: how many items there are; every one has at least one leaf.
    """

    def __init__(self, arrays: TrieArrays, items: int) -> None:
        self.arrays = arrays
        self._items = items
        self._counting: IntArray | None = None
        self.leaf_item = arrays.leaf_item
        """``int32[n_leaves]``: item index of each leaf, in leaf order."""
        self.item_leaves = arrays.item_leaves
        """``int32[n_leaves]``: leaf positions grouped by item, the item's main leaf first."""
        self.child_token: list[TokenArray] = list(arrays.tokens)
        """Per depth below ``levels``, ``uint8 | uint16 | int32[nodes at the next depth]``: token that leads to each."""
        self.child_start: Sequence[IntArray] = PerDepth(self._child_start, self.levels)
        """Per depth below ``levels``, ``int32[nodes + 1]``: first child of each node."""
        self.leaf_low: Sequence[IntArray] = PerDepth(lambda depth: self._leaf_start(depth)[:-1], self.levels + 1)
        """Per depth, ``int32[nodes]``: first leaf under each node."""
        self.leaf_high: Sequence[IntArray] = PerDepth(lambda depth: self._leaf_start(depth)[1:], self.levels + 1)
        """Per depth, ``int32[nodes]``: one past the last leaf under each node."""

    @classmethod
    def build(
        cls, sids: ArrayLike, item_ids: Sequence[str] | None = None, items: ArrayLike | None = None
    ) -> ConstraintIndex:
        """Sort, check and index the SIDs of a catalogue.

        Args:
            sids: ``int[n_leaves, L]``, in any order; the first SID of an item is its main one.
            item_ids: names for error messages; item indices are used when left out.
            items: ``int[n_leaves]``, item index of each SID; row = item index when left out. An item that is given
                the same SID twice has it once.

        Raises:
            BuildError: no SIDs, rows of different lengths, tokens that aren't whole numbers from 0 to 2^31 - 2,
                two items with the same SID, or an item index without a SID.
        """
        return cls(*build_arrays(sids, item_ids, items))

    @property
    def levels(self) -> int:
        """Length of a SID."""
        return len(self.arrays.tokens)

    def __len__(self) -> int:
        """How many items there are; :attr:`leaves` counts their SIDs."""
        return self._items

    @property
    def leaves(self) -> int:
        """How many SIDs there are: at least one an item."""
        return len(self.leaf_item)

    @property
    def nodes(self) -> list[int]:
        """How many nodes there are at each depth, the root's first."""
        return self.arrays.nodes

    @property
    def nbytes(self) -> int:
        """Bytes held by the arrays, those that were made when asked for included."""
        made = [] if self._counting is None else [self._counting]
        if self.leaves > len(self):
            made += [self.item_leaf_start, self.item_leaf]
        return sum(array.nbytes for array in [*self.arrays.files().values(), *made])

    @cached_property
    def vocab_sizes(self) -> list[int]:
        """Per level, one more than the largest token in use."""
        # counted when asked for: a mapped index is then opened without reading its tokens
        return [int(tokens.max()) + 1 for tokens in self.child_token]

    @cached_property
    def item_leaf_start(self) -> IntArray:
        """``int32[n + 1]``: where each item's leaves begin in ``item_leaves``."""
        if self.leaves == len(self):
            return self._count_to(len(self))
        counts = np.bincount(self.leaf_item, minlength=len(self))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)

    @cached_property
    def item_leaf(self) -> IntArray:
        """``int32[n]``: main leaf of each item, that of the first SID it was given."""
        return self.item_leaves if self.leaves == len(self) else self.item_leaves[self.item_leaf_start[:-1]]

    def children(self, level: int, nodes: ArrayLike) -> tuple[IntArray, IntArray]:
        """Every continuation of each node, padded to the widest node *at hand*.

        Args:
            level: depth of ``nodes``, 0 to ``levels - 1``.
            nodes: ``int[...]`` node numbers; -1 is padding and has no children.

        Returns:
            ``(child_nodes, tokens)``, both ``int32[..., F]`` padded with -1; tokens ascend; F is at least 1.
        """
        node = np.asarray(nodes)
        start = self.arrays.child_start[level]
        if start is None:  # every node has one child, of its own number
            child = np.array(node[..., None], dtype=np.int32)
            outside = child < 0
        else:
            low = start[np.maximum(node, 0)]
            width = start[node + 1] - low  # padding reads start[0] twice: width 0
            offsets = np.arange(max(1, int(width.max(initial=0))), dtype=np.int32)
            child = low[..., None] + offsets
            outside = offsets >= width[..., None]
        child[outside] = 0
        tokens = self.child_token[level][child].astype(np.int32)
        child[outside] = -1
        tokens[outside] = -1
        return child, tokens

    def step(self, level: int, nodes: ArrayLike, tokens: ArrayLike) -> IntArray:
        """Follow one token from each node.

        Args:
            level: depth of ``nodes``, 0 to ``levels - 1``.
            nodes: ``int[...]`` node numbers; -1 stays -1.
            tokens: ``int[...]``, broadcast against ``nodes``.

        Returns:
            ``int32[...]`` node numbers at depth ``level + 1``; -1 where there is no such child.
        """
        return follow(self.arrays, level, nodes, tokens)

    def leaf_range(self, level: int, nodes: ArrayLike) -> tuple[IntArray, IntArray]:
        """First leaf and one past the last leaf under each node: two ``int32[...]``; padding gives an empty range."""
        node = np.asarray(nodes, dtype=np.int32)
        start = self.arrays.leaf_start[level]
        if start is None:
            return np.maximum(node, 0), node + 1
        return start[np.maximum(node, 0)], start[node + 1]

    def lookup(self, sids: ArrayLike) -> IntArray:
        """Item indices of whole SIDs.

        Args:
            sids: ``int[..., L]``.

        Returns:
            ``int32[...]``; -1 where no item has that SID.

        Raises:
            ValueError: the last axis isn't ``levels`` long.
        """
        table = np.asarray(sids)
        if table.ndim == 0 or table.shape[-1] != self.levels:
            raise ValueError(f"a SID of this index has {self.levels} levels, got an array of shape {table.shape}")
        nodes = np.zeros(table.shape[:-1], dtype=np.int32)
        for level in range(self.levels):
            nodes = self.step(level, nodes, table[..., level])
        return np.where(nodes >= 0, self.leaf_item[np.maximum(nodes, 0)], -1).astype(np.int32)

    def sids(self) -> IntArray:
        """Main SID of each item: ``int32[n, L]``, row = item index."""
        return self.leaf_sids()[self.item_leaf]

    def leaf_sids(self) -> IntArray:
        """Every SID, in leaf order: ``int32[n_leaves, L]``; ``leaf_item`` says whose each is."""
        columns = [
            np.repeat(tokens, np.diff(self._leaf_start(level + 1))) for level, tokens in enumerate(self.child_token)
        ]
        return np.stack(columns, axis=1).astype(np.int32)

    def restrict(self, allowed_items: ArrayLike) -> Restriction:
        """Hold the index against rules.

        Args:
            allowed_items: ``bool[R, n]`` or ``bool[n]`` (one rule), by item index.

        Raises:
            ValueError: not boolean, or not one column an item.
        """
        allowed = np.atleast_2d(np.asarray(allowed_items))
        if allowed.dtype != np.bool_ or allowed.ndim != 2 or allowed.shape[1] != len(self):
            raise ValueError(f"a rule is bool[R, {len(self)}], got {allowed.dtype}{list(allowed.shape)}")
        items = allowed.sum(axis=1, dtype=np.int64) if self.leaves > len(self) else None
        return Restriction(allowed[:, self.leaf_item], self.arrays.leaf_start, items)

    def save(self, folder: Path) -> None:
        """Write the arrays as ``.npy`` files; ``index.json`` comes last, so that a half-written folder has none."""
        save_arrays(folder, self.arrays, len(self))

    @classmethod
    def load(cls, folder: Path, mmap: bool = True) -> ConstraintIndex:
        """Open a saved index, by default without reading it all into memory.

        Raises:
            ReleaseError: a file is missing or damaged, or the folder was written in another layout.
        """
        return cls(*load_arrays(folder, mmap))

    def _child_start(self, depth: int) -> IntArray:
        start = self.arrays.child_start[depth]
        return self._count_to(self.nodes[depth]) if start is None else start

    def _leaf_start(self, depth: int) -> IntArray:
        start = self.arrays.leaf_start[depth]
        return self._count_to(self.leaves) if start is None else start

    def _count_to(self, end: int) -> IntArray:
        """0, 1 ... end: the arrays that aren't kept; all are views of one, made when the first is asked for."""
        if self._counting is None:
            self._counting = np.arange(self.leaves + 1, dtype=np.int32)
        return self._counting[: end + 1]
