"""The constraint index: a trie of all semantic IDs, laid out as flat arrays.

Nodes are numbered breadth-first with siblings in token order, so the children of a node are consecutive numbers on the
next depth and need no pointers; sorting the SIDs makes the leaves under any node one contiguous range. Knows nothing of
models, of users or of what an item is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys_core.constraints.restriction import Restriction
from recsys_core.errors import BuildError, ReleaseError

IntArray = NDArray[np.int32]
"""Node numbers, tokens, leaf positions and item indices."""

_LAYOUT_VERSION = 1


class ConstraintIndex:
    """All SIDs of a catalogue, ready for stepping through them level by level.

    *Depth* 0 is the root, depth ``levels`` the leaves; ``level`` in the methods is the depth of the nodes handed in.
    Leaf positions are node numbers at depth ``levels``. Make one with :meth:`build` or :meth:`load`.

    Args:
        leaf_item: ``int32[n]`` item index of each leaf, in leaf order.
        child_start: per depth below ``levels``, ``int32[nodes + 1]``: first child of each node.
        child_token: per depth below ``levels``, ``int32[nodes at the next depth]``: token that leads to each child.
        leaf_start: per depth, ``int32[nodes + 1]``: first leaf under each node.
    """

    def __init__(
        self,
        leaf_item: IntArray,
        child_start: Sequence[IntArray],
        child_token: Sequence[IntArray],
        leaf_start: Sequence[IntArray],
    ) -> None:
        self.leaf_item = leaf_item
        self.child_start = list(child_start)
        self.child_token = list(child_token)
        self.leaf_low = [start[:-1] for start in leaf_start]
        """Per depth, ``int32[nodes]``: first leaf under each node."""
        self.leaf_high = [start[1:] for start in leaf_start]
        """Per depth, ``int32[nodes]``: one past the last leaf under each node."""
        self._leaf_start = list(leaf_start)
        self.item_leaf = np.empty_like(np.asarray(leaf_item))
        """``int32[n]``: leaf position of each item."""
        self.item_leaf[leaf_item] = np.arange(len(leaf_item), dtype=np.int32)
        self.vocab_sizes = [int(tokens.max()) + 1 for tokens in child_token]
        """Per level, one more than the largest token in use."""

    @classmethod
    def build(cls, sids: ArrayLike, item_ids: Sequence[str] | None = None) -> ConstraintIndex:
        """Sort, check and index the SIDs of a catalogue.

        Args:
            sids: ``int[n, L]``, row = item index, in any order.
            item_ids: names for error messages; item indices are used when left out.

        Raises:
            BuildError: no SIDs, rows of different lengths, tokens that aren't whole numbers from 0 to 2^31 - 1,
                or two items with the same SID.
        """
        table = _validated(sids, item_ids)
        order = np.lexsort(table.T[::-1]).astype(np.int32)
        table = table[order]
        items, levels = table.shape
        opens_node = np.ones((items, levels), dtype=bool)
        np.not_equal(table[1:], table[:-1], out=opens_node[1:])
        np.logical_or.accumulate(opens_node, axis=1, out=opens_node)
        _refuse_duplicates(opens_node[:, -1], order, table, item_ids)
        end = np.array([items], dtype=np.int32)
        leaf_start = [np.array([0, items], dtype=np.int32)]
        child_start, child_token = [], []
        for level in range(levels):
            first = np.flatnonzero(opens_node[:, level]).astype(np.int32)
            leaf_start.append(np.concatenate([first, end]))
            child_start.append(np.searchsorted(first, leaf_start[level]).astype(np.int32))
            child_token.append(np.ascontiguousarray(table[first, level]))
        return cls(order, child_start, child_token, leaf_start)

    @property
    def levels(self) -> int:
        """Length of a SID."""
        return len(self.child_token)

    def __len__(self) -> int:
        return len(self.leaf_item)

    @property
    def nbytes(self) -> int:
        """Bytes held by the arrays."""
        arrays = [self.leaf_item, self.item_leaf, *self.child_start, *self.child_token, *self._leaf_start]
        return sum(array.nbytes for array in arrays)

    def children(self, level: int, nodes: ArrayLike) -> tuple[IntArray, IntArray]:
        """Every continuation of each node, padded to the widest node *at hand*.

        Args:
            level: depth of ``nodes``, 0 to ``levels - 1``.
            nodes: ``int[...]`` node numbers; -1 is padding and has no children.

        Returns:
            ``(child_nodes, tokens)``, both ``int32[..., F]`` padded with -1; tokens ascend; F is at least 1.
        """
        node = np.asarray(nodes)
        start = self.child_start[level]
        low = start[np.maximum(node, 0)]
        width = start[node + 1] - low  # padding reads start[0] twice: width 0
        offsets = np.arange(max(1, int(width.max(initial=0))), dtype=np.int32)
        child = low[..., None] + offsets
        outside = offsets >= width[..., None]
        child[outside] = 0
        tokens = self.child_token[level][child]
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
        node, wanted = np.broadcast_arrays(np.asarray(nodes), np.asarray(tokens))
        edges = self.child_token[level]
        start = self.child_start[level]
        low = start[np.maximum(node, 0)].astype(np.int64)
        end = start[node + 1].astype(np.int64)
        high = end.copy()
        # a binary search inside every node's own edge range at once; widths differ, so narrow ones idle
        for _ in range(int((high - low).max(initial=0)).bit_length()):
            middle = (low + high) >> 1
            searching = low < high
            below = searching & (edges[np.minimum(middle, len(edges) - 1)] < wanted)
            low = np.where(below, middle + 1, low)
            high = np.where(searching & ~below, middle, high)
        hit = (low < end) & (edges[np.minimum(low, len(edges) - 1)] == wanted)
        return np.where(hit, low, -1).astype(np.int32)

    def leaf_range(self, level: int, nodes: ArrayLike) -> tuple[IntArray, IntArray]:
        """First leaf and one past the last leaf under each node: two ``int32[...]``; padding gives an empty range."""
        node = np.asarray(nodes)
        start = self._leaf_start[level]
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
        """The table that the index was built from: ``int32[n, L]``, row = item index."""
        table = np.empty((len(self), self.levels), dtype=np.int32)
        for level, tokens in enumerate(self.child_token):
            table[self.leaf_item, level] = np.repeat(tokens, np.diff(self._leaf_start[level + 1]))
        return table

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
        return Restriction(allowed[:, self.leaf_item], self._leaf_start)

    def save(self, folder: Path) -> None:
        """Write the arrays as ``.npy`` files; ``index.json`` comes last, so that a half-written folder has none."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in self._arrays().items():
            np.save(folder / f"{name}.npy", array)
        header = {"layout": _LAYOUT_VERSION, "levels": self.levels, "items": len(self)}
        (folder / "index.json").write_text(json.dumps(header), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, mmap: bool = True) -> ConstraintIndex:
        """Open a saved index, by default without reading it all into memory.

        Raises:
            ReleaseError: a file is missing or damaged, or the folder was written in another layout.
        """
        try:
            header = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            if header["layout"] != _LAYOUT_VERSION:
                raise ReleaseError(f"{folder}: constraint index layout {header['layout']}; run `sidra build` again")
            levels = range(header["levels"])

            def read(name: str) -> IntArray:
                array: IntArray = np.load(folder / f"{name}.npy", mmap_mode="r" if mmap else None)
                # plain views: the memmap subclass costs microseconds on every small gather
                return array.view(np.ndarray)

            index = cls(
                read("leaf_item"),
                [read(f"child_start_{level}") for level in levels],
                [read(f"child_token_{level}") for level in levels],
                [read(f"leaf_start_{level}") for level in [*levels, header["levels"]]],
            )
            if len(index) != header["items"] or any(start[-1] != len(index) for start in index._leaf_start):
                raise ReleaseError(
                    f"{folder}: the constraint index's arrays don't fit together; run `sidra build` again"
                )
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise ReleaseError(f"{folder}: damaged constraint index ({error}); run `sidra build` again") from error
        return index

    def _arrays(self) -> dict[str, IntArray]:
        arrays = {"leaf_item": self.leaf_item}
        arrays |= {f"child_start_{level}": array for level, array in enumerate(self.child_start)}
        arrays |= {f"child_token_{level}": array for level, array in enumerate(self.child_token)}
        arrays |= {f"leaf_start_{level}": array for level, array in enumerate(self._leaf_start)}
        return arrays


def _name(item: int, item_ids: Sequence[str] | None) -> str:
    return repr(item_ids[item]) if item_ids is not None else f"item {item}"


def _validated(sids: ArrayLike, item_ids: Sequence[str] | None) -> IntArray:
    """The SIDs as a fresh ``int32[n, L]``."""
    try:
        table = np.asarray(sids)
    except ValueError as error:
        raise BuildError(
            "constraint index: the SIDs have different lengths; give every item the same levels"
        ) from error
    if table.size == 0:
        raise BuildError("constraint index: there are no SIDs; the catalogue needs at least one item")
    if table.ndim != 2 or table.dtype.kind not in "iu":
        raise BuildError(
            f"constraint index: SIDs are whole numbers [items, levels], got {table.dtype}{list(table.shape)}; "
            "give every item the same number of integer tokens"
        )
    bad = (table < 0) | (table > np.iinfo(np.int32).max - 1)
    if bad.any():
        item, level = (int(x) for x in np.argwhere(bad)[0])
        raise BuildError(
            f"constraint index: {_name(item, item_ids)} has token {table[item, level]} at level {level}; "
            "tokens go from 0 to 2147483646"
        )
    return table.astype(np.int32)


def _refuse_duplicates(
    opens_leaf: NDArray[np.bool_], order: IntArray, table: IntArray, item_ids: Sequence[str] | None
) -> None:
    if opens_leaf.all():
        return
    second = int(np.flatnonzero(~opens_leaf)[0])
    names = [_name(int(order[row]), item_ids) for row in (second - 1, second)]
    raise BuildError(
        f"constraint index: {names[0]} and {names[1]} share the SID {table[second].tolist()} "
        f"({int((~opens_leaf).sum())} duplicates in all); resolve collisions before indexing"
    )
