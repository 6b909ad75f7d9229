"""Rules that come again: tables of what they leave open, or an index of that alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_core.constraints.arrays import IntArray, TrieArrays
from recsys_core.constraints.continuations import Ints
from recsys_core.constraints.masking import LevelTable, Masker
from recsys_core.constraints.rules import LiveMasker, Rule

_NARROW_MEAN, _NARROW_MOST = 4.0, 16
"""A level of at most so many children a node, on average and at most, keeps flags instead of a list of open edges."""


class CachedMasker(LiveMasker):
    """Steps under a rule by tables of the open edges of each level; nodes keep their numbers.

    Where every node has one child nothing is kept and nothing is checked: an open node's only child is open.
    """

    @property
    def nbytes(self) -> int:
        """Bytes held beside the trie's own arrays."""
        own = 0
        for level, table in enumerate(self.tables):
            shared = (self.arrays.tokens[level], self.arrays.child_start[level], self.rule.allowed)
            arrays = (table.tokens, table.start, table.edges, table.opened, table.bias)
            own += sum(a.nbytes for a in arrays if a is not None and not any(a is s for s in shared))
        return own + self.rule.nbytes

    # every level has its table, so the steps are those without a rule
    step = Masker.step
    mask_ = Masker.mask_

    def _tables(self) -> list[LevelTable]:
        if not self.allowed:
            return list(self._base_tables)
        return [self._table(level, table) for level, table in enumerate(self._base_tables)]

    def _table(self, level: int, base: LevelTable) -> LevelTable:
        start = base.start
        if start is None:
            return base
        opened = self.rule.opened(self.arrays, level + 1)
        narrow = base.bias is None and len(opened) <= _NARROW_MEAN * (len(start) - 1)
        if narrow and np.diff(start).max() <= _NARROW_MOST:
            return LevelTable(base.tokens, start, opened=opened)
        edges = np.flatnonzero(opened).astype(np.int32)
        before = np.zeros(len(opened) + 1, dtype=np.int32)
        np.cumsum(opened, out=before[1:])
        own = LevelTable(base.tokens[edges], before.take(start), edges)
        return own if base.bias is None else self._with_bias(level, own)


class CompactedMasker(Masker):
    """Steps through an index of the allowed leaves alone.

    Nodes have numbers of their own; :meth:`original` gives those of the whole index.

    Args:
        base: steps through the whole index.
        rule: what is allowed; at least one leaf.
    """

    def __init__(self, base: Masker, rule: Rule) -> None:
        compacted, self._original = compact(base.arrays, rule)
        super().__init__(compacted, rule.items, base.config, base.vocab_sizes)

    @property
    def nbytes(self) -> int:
        """Bytes held beside the whole index."""
        arrays = [*self.arrays.files().values(), *self._original]
        return super().nbytes + sum({id(array): array.nbytes for array in arrays}.values())

    def original(self, depth: int, nodes: Ints) -> Ints:
        """Numbers of nodes in the whole index: ``int64[...]``; -1 stays -1."""
        known = self._original[depth].take(nodes, mode="clip")
        return np.where(nodes >= 0, known, -1).astype(np.int64)


def compact(arrays: TrieArrays, rule: Rule) -> tuple[TrieArrays, list[IntArray]]:
    """The trie of the allowed leaves, and per depth which node of the whole trie each of its nodes is.

    Raises:
        ValueError: no leaf is allowed.
    """
    if not rule.prefix[-1]:
        raise ValueError("a rule that allows nothing has no index; such a request is exhausted at once")
    depths = len(arrays.tokens) + 1
    original: list[IntArray] = [np.zeros(0, dtype=np.int32)] * depths
    before: list[IntArray | None] = [None] * depths
    for depth in reversed(range(depths)):
        if depth < depths - 1 and arrays.child_start[depth] is None:
            original[depth], before[depth] = original[depth + 1], before[depth + 1]
            continue
        opened = rule.opened(arrays, depth)
        original[depth] = np.flatnonzero(opened).astype(np.int32)
        before[depth] = _before(opened) if arrays.leaf_start[depth] is not None else rule.prefix
    child_start: list[IntArray | None] = []
    leaf_start: list[IntArray | None] = []
    leaves = len(original[-1])
    for depth in range(depths):
        kept, below, start = original[depth], before[min(depth + 1, depths - 1)], arrays.leaf_start[depth]
        if depth < depths - 1:
            whole = arrays.child_start[depth]
            single = whole is None or len(kept) == len(original[depth + 1])
            child_start.append(None if single or whole is None or below is None else _starts(below, whole, kept))
        if len(kept) == leaves or start is None:
            leaf_start.append(None)
        elif depth < depths - 1 and len(original[depth + 1]) == leaves:
            leaf_start.append(child_start[depth])
        else:
            leaf_start.append(_starts(rule.prefix, start, kept))
    compacted = TrieArrays(
        leaf_item=arrays.leaf_item[original[-1]],
        item_leaves=np.zeros(0, dtype=np.int32),  # of use to an index that is saved or looked up by item
        tokens=tuple(tokens[original[level + 1]] for level, tokens in enumerate(arrays.tokens)),
        child_start=tuple(child_start),
        leaf_start=tuple(leaf_start),
    )
    return compacted, original


def _before(opened: NDArray[np.bool_]) -> IntArray:
    before = np.zeros(len(opened) + 1, dtype=np.int32)
    np.cumsum(opened, out=before[1:])
    return before


def _starts(before: IntArray, start: IntArray, kept: IntArray) -> IntArray:
    """``start`` of kept nodes, counted in what is kept below."""
    found = np.empty(len(kept) + 1, dtype=np.int32)
    found[:-1] = before[start[kept]]
    found[-1] = before[-1]
    return found
