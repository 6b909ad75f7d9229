"""The constraint index: a trie of all semantic IDs, laid out as flat arrays.

Nodes are numbered breadth-first with siblings in token order, so the children of a node are consecutive numbers on the
next depth and need no pointers; sorting the SIDs makes the leaves under any node one contiguous range. Several SIDs may
lead to one item (DREAM, arXiv 2606.06947, registers a few for items without interactions). Knows nothing of models, of
users or of what an item is.
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

_LAYOUT_VERSION = 2


class ConstraintIndex:
    """All SIDs of a catalogue, ready for stepping through them level by level.

    *Depth* 0 is the root, depth ``levels`` the leaves; ``level`` in the methods is the depth of the nodes handed in.
    Leaf positions are node numbers at depth ``levels``. Make one with :meth:`build` or :meth:`load`.

    Args:
        leaf_item: ``int32[n_leaves]`` item index of each leaf, in leaf order; every item has at least one leaf.
        child_start: per depth below ``levels``, ``int32[nodes + 1]``: first child of each node.
        child_token: per depth below ``levels``, ``int32[nodes at the next depth]``: token that leads to each child.
        leaf_start: per depth, ``int32[nodes + 1]``: first leaf under each node.
        item_leaves: ``int32[n_leaves]`` leaves grouped by item, the item's main one first.
    """

    def __init__(
        self,
        leaf_item: IntArray,
        child_start: Sequence[IntArray],
        child_token: Sequence[IntArray],
        leaf_start: Sequence[IntArray],
        item_leaves: IntArray,
    ) -> None:
        self.leaf_item = leaf_item
        self.child_start = list(child_start)
        self.child_token = list(child_token)
        self.leaf_low = [start[:-1] for start in leaf_start]
        """Per depth, ``int32[nodes]``: first leaf under each node."""
        self.leaf_high = [start[1:] for start in leaf_start]
        """Per depth, ``int32[nodes]``: one past the last leaf under each node."""
        self._leaf_start = list(leaf_start)
        self.item_leaves = item_leaves
        """``int32[n_leaves]``: leaf positions grouped by item, the item's main leaf first."""
        counts = np.bincount(leaf_item)
        self.item_leaf_start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        """``int32[n + 1]``: where each item's leaves begin in ``item_leaves``."""
        self.item_leaf = item_leaves if len(counts) == len(leaf_item) else item_leaves[self.item_leaf_start[:-1]]
        """``int32[n]``: main leaf of each item, that of the first SID it was given."""
        self.vocab_sizes = [int(tokens.max()) + 1 for tokens in child_token]
        """Per level, one more than the largest token in use."""

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
            BuildError: no SIDs, rows of different lengths, tokens that aren't whole numbers from 0 to 2^31 - 1,
                two items with the same SID, or an item index without a SID.
        """
        given = _table(sids)
        owners = None if items is None else _owners(items, len(given))
        _check_tokens(given, owners, item_ids)
        table = given.astype(np.int32)
        order = np.lexsort(table.T[::-1]).astype(np.int32)
        leaf_item = order if owners is None else owners[order]
        table = table[order]
        opens_node = np.ones(table.shape, dtype=bool)
        np.not_equal(table[1:], table[:-1], out=opens_node[1:])
        np.logical_or.accumulate(opens_node, axis=1, out=opens_node)
        if not opens_node[:, -1].all():
            _refuse_duplicates(opens_node[:, -1], leaf_item, table, item_ids)
            # what is left are repetitions for one item; the sort is stable, so the first row given stays
            kept = opens_node[:, -1]
            order, leaf_item, table, opens_node = order[kept], leaf_item[kept], table[kept], opens_node[kept]
        item_leaves = _grouped(leaf_item, order, owners is None)
        leaves, levels = table.shape
        end = np.array([leaves], dtype=np.int32)
        leaf_start = [np.array([0, leaves], dtype=np.int32)]
        child_start, child_token = [], []
        for level in range(levels):
            first = np.flatnonzero(opens_node[:, level]).astype(np.int32)
            leaf_start.append(np.concatenate([first, end]))
            child_start.append(np.searchsorted(first, leaf_start[level]).astype(np.int32))
            child_token.append(np.ascontiguousarray(table[first, level]))
        return cls(leaf_item, child_start, child_token, leaf_start, item_leaves)

    @property
    def levels(self) -> int:
        """Length of a SID."""
        return len(self.child_token)

    def __len__(self) -> int:
        """How many items there are; :attr:`leaves` counts their SIDs."""
        return len(self.item_leaf)

    @property
    def leaves(self) -> int:
        """How many SIDs there are: at least one an item."""
        return len(self.leaf_item)

    @property
    def nbytes(self) -> int:
        """Bytes held by the arrays."""
        main = [] if self.item_leaf is self.item_leaves else [self.item_leaf]
        return sum(array.nbytes for array in [*self._arrays().values(), self.item_leaf_start, *main])

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
        """Main SID of each item: ``int32[n, L]``, row = item index."""
        return self.leaf_sids()[self.item_leaf]

    def leaf_sids(self) -> IntArray:
        """Every SID, in leaf order: ``int32[n_leaves, L]``; ``leaf_item`` says whose each is."""
        columns = [
            np.repeat(tokens, np.diff(self._leaf_start[level + 1])) for level, tokens in enumerate(self.child_token)
        ]
        return np.stack(columns, axis=1)

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
        return Restriction(allowed[:, self.leaf_item], self._leaf_start, items)

    def save(self, folder: Path) -> None:
        """Write the arrays as ``.npy`` files; ``index.json`` comes last, so that a half-written folder has none."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in self._arrays().items():
            np.save(folder / f"{name}.npy", array)
        header = {"layout": _LAYOUT_VERSION, "levels": self.levels, "items": len(self), "leaves": self.leaves}
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
                read("item_leaves"),
            )
            ends = {index.leaves, len(index.item_leaves), *(int(start[-1]) for start in index._leaf_start)}
            if len(index) != header["items"] or ends != {header["leaves"]}:
                raise ReleaseError(
                    f"{folder}: the constraint index's arrays don't fit together; run `sidra build` again"
                )
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise ReleaseError(f"{folder}: damaged constraint index ({error}); run `sidra build` again") from error
        return index

    def _arrays(self) -> dict[str, IntArray]:
        arrays = {"leaf_item": self.leaf_item, "item_leaves": self.item_leaves}
        arrays |= {f"child_start_{level}": array for level, array in enumerate(self.child_start)}
        arrays |= {f"child_token_{level}": array for level, array in enumerate(self.child_token)}
        arrays |= {f"leaf_start_{level}": array for level, array in enumerate(self._leaf_start)}
        return arrays


def _name(item: int, item_ids: Sequence[str] | None) -> str:
    return repr(item_ids[item]) if item_ids is not None else f"item {item}"


def _owners(items: ArrayLike, rows: int) -> IntArray:
    """The item of each SID as ``int32[rows]``, every item from 0 on with at least one."""
    owners = np.asarray(items)
    if owners.shape != (rows,) or owners.dtype.kind not in "iu":
        raise BuildError(
            f"constraint index: items is one whole number a SID, int[{rows}], got {owners.dtype}{list(owners.shape)}"
        )
    if owners.size and owners.min() < 0:
        raise BuildError(
            f"constraint index: SID {int(owners.argmin())} belongs to item {owners.min()}; items go from 0"
        )
    if owners.size and owners.max() >= rows:
        raise BuildError(f"constraint index: item {owners.max()} of {rows} SIDs; give every item at least one SID")
    bare = np.flatnonzero(np.bincount(owners) == 0) if owners.size else owners
    if len(bare):
        raise BuildError(
            f"constraint index: item {int(bare[0])} has no SID ({len(bare)} such items in all); give every item one"
        )
    return owners.astype(np.int32)


def _grouped(leaf_item: IntArray, order: IntArray, single: bool) -> IntArray:
    """Leaf positions grouped by item, in the order in which the SIDs were given."""
    if not single:
        return np.lexsort((order, leaf_item)).astype(np.int32)
    place = np.empty_like(order)
    place[order] = np.arange(len(order), dtype=np.int32)
    return place


def _table(sids: ArrayLike) -> NDArray[np.integer]:
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
    return table


def _check_tokens(table: NDArray[np.integer], owners: IntArray | None, item_ids: Sequence[str] | None) -> None:
    bad = (table < 0) | (table > np.iinfo(np.int32).max - 1)
    if bad.any():
        row, level = (int(x) for x in np.argwhere(bad)[0])
        item = row if owners is None else int(owners[row])
        raise BuildError(
            f"constraint index: {_name(item, item_ids)} has token {table[row, level]} at level {level}; "
            "tokens go from 0 to 2147483646"
        )


def _refuse_duplicates(
    opens_leaf: NDArray[np.bool_], leaf_item: IntArray, table: IntArray, item_ids: Sequence[str] | None
) -> None:
    """Refuse equal neighbouring SIDs that belong to different items."""
    first = np.flatnonzero(opens_leaf)[np.cumsum(opens_leaf) - 1]
    shared = np.flatnonzero(leaf_item != leaf_item[first])
    if not len(shared):
        return
    row = int(shared[0])
    names = [_name(int(leaf_item[r]), item_ids) for r in (int(first[row]), row)]
    raise BuildError(
        f"constraint index: {names[0]} and {names[1]} share the SID {table[row].tolist()} "
        f"({len(shared)} duplicates in all); resolve collisions before indexing"
    )
