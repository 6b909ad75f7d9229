"""A rule as leaf positions, and stepping under it without preparing anything: two counts in a bit vector a child."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys_core.constraints.arrays import IntArray, TrieArrays
from recsys_core.constraints.continuations import Continuations, Floats, Ints
from recsys_core.constraints.leaf_flags import LeafFlags
from recsys_core.constraints.masking import LevelTable, Masker
from recsys_core.constraints.rank import RankedBits

_LAZY_FROM = 65_536
"""A rule over so many leaves is put in leaf order only where somebody looks."""
_RENT = 8
"""Once one count for so many leaves was asked of the ranked bits, the rule is used often and gets its prefix sum."""


class Rule:
    """Which leaves are allowed.

    Args:
        allowed: ``bool[n_leaves]`` in leaf order, or what becomes that where it is looked at.
        items: how many items that allows.
    """

    def __init__(self, allowed: NDArray[np.bool_] | LeafFlags, items: int) -> None:
        self._lazy = allowed if isinstance(allowed, LeafFlags) else None
        self._flags = allowed.flags if isinstance(allowed, LeafFlags) else allowed
        self.items = items
        self._asked = 0

    @classmethod
    def of_items(cls, arrays: TrieArrays, items: int, allowed: ArrayLike) -> Rule:
        """A rule over items; all leaves of an allowed item are allowed.

        Args:
            arrays: of the trie.
            items: how many items it has.
            allowed: ``bool[items]``.

        Raises:
            ValueError: not boolean, or not one value an item.
        """
        given = np.asarray(allowed)
        if given.dtype != np.bool_ or given.shape != (items,):
            raise ValueError(f"a rule over items is bool[{items}], got {given.dtype}{list(given.shape)}")
        count = int(np.count_nonzero(given))
        if len(arrays.leaf_item) < _LAZY_FROM:
            return cls(given.take(arrays.leaf_item, mode="clip"), count)
        return cls(LeafFlags(arrays.leaf_item, arrays.item_leaves, given, count), count)

    @classmethod
    def of_leaves(cls, arrays: TrieArrays, items: int, allowed: ArrayLike) -> Rule:
        """A rule over leaves, for those who keep attributes in leaf order; nothing has to be put in order.

        Args:
            arrays: of the trie.
            items: how many items it has.
            allowed: ``bool[n_leaves]``, or leaf positions ``int[m]`` in any order.

        Raises:
            ValueError: neither of these, or a position that no leaf has.
        """
        given, leaves = np.asarray(allowed), len(arrays.leaf_item)
        if given.dtype == np.bool_ and given.shape == (leaves,):
            mask = given
        elif given.dtype.kind in "iu" and given.ndim == 1:
            if given.size and not (given.min() >= 0 and given.max() < leaves):
                raise ValueError(f"leaf positions go from 0 to {leaves - 1}, got {given.min()} to {given.max()}")
            mask = np.zeros(leaves, dtype=bool)
            mask[given] = True
        else:
            raise ValueError(f"a rule over leaves is bool[{leaves}] or int[m], got {given.dtype}{list(given.shape)}")
        if leaves == items:
            return cls(mask, int(np.count_nonzero(mask)))
        return cls(mask, len(np.unique(arrays.leaf_item[mask])))

    @property
    def leaves(self) -> int:
        """How many leaves there are, allowed or not."""
        return len(self._flags)

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """``bool[n_leaves]``, each leaf looked at by now."""
        return self._flags if self._lazy is None else self._lazy.complete()

    def allowed_between(self, low: NDArray[np.integer[Any]], high: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """``bool[n_leaves]`` that is right in the ranges ``[low, high)``, both ``int[m]``."""
        if self._lazy is not None:
            self._lazy.need(low, high)
        return self._flags

    @cached_property
    def prefix(self) -> IntArray:
        """``int32[n_leaves + 1]``: allowed leaves before each position."""
        prefix = np.empty(len(self.allowed) + 1, dtype=np.int32)
        prefix[0] = 0
        np.cumsum(self.allowed, out=prefix[1:])
        return prefix

    @cached_property
    def ranked(self) -> RankedBits:
        """The same counts for those who ask for few of them."""
        return RankedBits(self.allowed)

    def before(self, positions: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """Allowed leaves before positions ``int[...]`` (0 to n_leaves), as ``int32[...]``.

        The first questions go to the ranked bits, which are quick to make; once so many were asked that the rule
        is clearly used again and again, the whole prefix sum is made, which answers each more quickly.
        """
        if "prefix" not in self.__dict__:
            self._asked += positions.size
            if self._asked * _RENT <= self.leaves:
                return self.ranked.before(positions)
        found: NDArray[np.int32] = self.prefix.take(positions)
        return found

    def before_within(self, positions: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """Like :meth:`before`, of whose rows only differences mean anything.

        Args:
            positions: ``int[m, w]``, ascending in each row.
        """
        if self._lazy is None or "prefix" in self.__dict__:
            return self.before(positions)
        self._asked += positions.size
        if self._asked * _RENT > self.leaves:
            return self.before(positions)
        self._lazy.need(positions[:, 0], positions[:, -1])
        return self._lazy.before(positions)

    @property
    def share(self) -> float:
        """Allowed leaves, as a share of all."""
        return int(np.count_nonzero(self.allowed)) / self.leaves

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        counts = self.__dict__.get("prefix", self.__dict__.get("ranked"))
        flags = self._flags.nbytes if self._lazy is None else self._lazy.nbytes
        return flags + (counts.nbytes if counts is not None else 0)

    def opened(self, arrays: TrieArrays, depth: int) -> NDArray[np.bool_]:
        """Which nodes of a depth lead to an allowed leaf: ``bool[nodes]``."""
        start = arrays.leaf_start[depth]
        if start is None:
            return self.allowed
        if self._lazy is not None and "prefix" not in self.__dict__:
            return self._lazy.any_in(start)
        at = self.before(start)
        flags: NDArray[np.bool_] = at[1:] > at[:-1]
        return flags


class LiveMasker(Masker):
    """Steps under a rule that was never seen before.

    Args:
        base: steps without a rule; its tables are shared.
        rule: what is allowed.
    """

    def __init__(self, base: Masker, rule: Rule) -> None:
        self._base_tables = base.tables
        self.rule = rule
        super().__init__(base.arrays, rule.items, base.config, base.vocab_sizes)

    @property
    def nbytes(self) -> int:
        """Bytes held beside the trie's own arrays."""
        return self.rule.nbytes

    def is_open(self, depth: int, nodes: Ints) -> NDArray[np.bool_]:
        """Whether an allowed leaf lies under nodes ``int[...]``; -1 is closed."""
        start = self.arrays.leaf_start[depth]
        if start is None:
            place = np.maximum(nodes, 0).reshape(-1)
            flags = self.rule.allowed_between(place, np.minimum(place + 1, self.rule.leaves))
            own: NDArray[np.bool_] = flags.take(nodes, mode="clip")
            own &= nodes >= 0
            return own
        low: NDArray[np.integer[Any]] = start.take(np.maximum(nodes, 0))
        high: NDArray[np.integer[Any]] = start.take(nodes + 1)
        at = self.rule.before_within(np.stack([low.reshape(-1), high.reshape(-1)], axis=1))
        return (at[:, 1] > at[:, 0]).reshape(low.shape)

    def _tables(self) -> list[LevelTable]:
        # the root has one row of bias, cheap enough to make at once; the other levels are looked up step by step
        tables = [LevelTable(table.tokens, table.start) for table in self._base_tables]
        if self._base_tables[0].bias is not None:
            row = np.full((1, self.vocab_sizes[0]), -np.inf, dtype=np.float32)
            row[0, tables[0].tokens[self.rule.opened(self.arrays, 1)]] = 0
            tables[0] = LevelTable(tables[0].tokens, tables[0].start, bias=row)
        return tables

    def step(self, level: int, nodes: ArrayLike, scores: Floats) -> Continuations:
        """The continuations of some states; see :meth:`Masker.step`."""
        table, node = self.tables[level], np.asarray(nodes)
        if table.start is None or table.bias is not None or not self.allowed or not len(node):
            return super().step(level, nodes, scores)
        self._check(level, node, scores)
        low = table.start.take(node, mode="clip")
        width = table.start.take(node + 1) - low
        fan = max(1, int(width.max()))
        if fan * len(low) > self.config.ragged_from * int(width.sum()) + 64:
            edge, state = _ragged_edges(low, width)
            kept = np.flatnonzero(self.is_open(level + 1, edge))
            edge, state = edge[kept], state[kept]
        else:
            opened, first = self._windows(level + 1, low, width, fan)
            place = np.flatnonzero(opened)
            state = place // fan
            edge = place - state * fan + first[state]
        token = table.tokens.take(edge)
        found = scores.take(self._base(*scores.shape)[state] + token)
        offsets = np.searchsorted(state, np.arange(len(node) + 1))
        return Continuations(
            found, offsets, lambda places: (state[places], token[places].astype(np.int64), edge[places])
        )

    def advance(self, level: int, nodes: ArrayLike, tokens: ArrayLike) -> Ints:
        """The nodes that tokens lead to; see :meth:`Masker.advance`."""
        child = super().advance(level, nodes, tokens)
        return np.where(self.is_open(level + 1, child), child, -1)

    def mask_(self, level: int, nodes: ArrayLike, scores: Floats) -> None:
        """Write -inf over every score that isn't a continuation, in place; see :meth:`Masker.mask_`."""
        table, node = self.tables[level], np.asarray(nodes)
        if table.start is None or table.bias is not None or not self.allowed or not len(node):
            super().mask_(level, node, scores)
            return
        state, token, _, kept = self.step(level, node, scores).each()
        scores.fill(-np.inf)
        scores[state, token] = kept

    def _windows(self, depth: int, low: IntArray, width: IntArray, fan: int) -> tuple[NDArray[np.bool_], Ints]:
        """Open children of states, ``bool[B, fan]``, and the child that each row begins with.

        Siblings are neighbours, so each state's boundaries are copied as one run.
        """
        start = self.arrays.leaf_start[depth]
        # runs of the last nodes would reach beyond the end: they begin earlier
        if start is None:
            first = np.minimum(low, self.rule.leaves - fan).astype(np.int64)
            opened = runs(self.rule.allowed_between(first, first + fan), fan)[first]
        else:
            first = np.minimum(low, len(start) - 1 - fan).astype(np.int64)
            at = self.rule.before_within(runs(start, fan + 1)[first])
            opened = at[:, 1:] > at[:, :-1]
        if (first != low).any():
            child = first[:, None] + np.arange(fan)
            opened &= (child >= low[:, None]) & (child < (low + width)[:, None])
        elif int(width.min()) < fan:
            ends = np.zeros(2 * fan, dtype=bool)
            ends[:fan] = True
            opened &= runs(ends, fan)[fan - width]
        return opened, first


def _ragged_edges(low: IntArray, width: IntArray) -> tuple[Ints, Ints]:
    """All edges of some states one after the other, and the state of each."""
    offsets = np.zeros(len(low) + 1, dtype=np.int64)
    np.cumsum(width, out=offsets[1:])
    edge = np.arange(offsets[-1])
    edge += np.repeat(low - offsets[:-1], width)
    return edge, np.repeat(np.arange(len(low)), width)


def runs(array: NDArray[Any], width: int) -> NDArray[Any]:
    """Every run of ``width`` neighbours, ``[N - width + 1, width]``, as a view."""
    return np.lib.stride_tricks.as_strided(
        array, (len(array) - width + 1, width), (array.itemsize, array.itemsize), writeable=False
    )
