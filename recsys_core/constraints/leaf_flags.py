"""A rule over items in leaf order, put in order only where somebody looks.

Reading the flag of every leaf's item costs a random read a leaf; a search under a new rule looks at the leaves below
its beam, a small part. So blocks of leaves are read when they are first asked for.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_core.constraints.arrays import IntArray
from recsys_core.constraints.rank import RankedBits

BLOCK = 1_024
"""Leaves that are read together; a multiple of 64."""
_LOOKS = (8, 64)
"""How many leaves of a range are looked at, one after the other, before all are read."""
_PACKED_FROM = 4_000_000
"""A rule over more items is read from packed bits: at random, those still fit a cache."""
_BIT = np.left_shift(1, np.arange(8)).astype(np.uint8)
_CHUNK = 8_192
_SPARSE = 16
"""With fewer than one allowed item in so many, their leaves are looked up instead of all leaves' items."""


class LeafFlags:
    """Which leaves are allowed, ``bool[n_leaves]``, as far as known. Safe to share between threads.

    Args:
        leaf_item: ``int32[n_leaves]``.
        item_leaves: ``int32[n_leaves]``, leaves by item; used where every item has one.
        given: ``bool[items]``; copied.
        items: how many of them are set.
    """

    def __init__(self, leaf_item: IntArray, item_leaves: IntArray, given: NDArray[np.bool_], items: int) -> None:
        self._leaf_item = leaf_item
        self._given = given.copy()
        self._lock = threading.Lock()
        self.flags = np.zeros(len(leaf_item), dtype=np.bool_)
        """Right wherever :meth:`need` has been."""
        self._known = np.zeros(-(-len(leaf_item) // BLOCK), dtype=np.bool_)
        self._counts = RankedBits(self.flags)
        if items * _SPARSE < len(given) == len(leaf_item):
            self.flags[item_leaves[np.flatnonzero(given)]] = True
            self._known[:] = True
            self._counts = RankedBits(self.flags)

    def complete(self) -> NDArray[np.bool_]:
        """All flags, each read by now."""
        if not self._known.all():
            with self._lock:
                self._read_all()
        return self.flags

    def need(self, low: NDArray[np.integer[Any]], high: NDArray[np.integer[Any]]) -> None:
        """Read the leaves of some ranges ``[low, high)``, both ``int[m]``; empty ranges are nothing."""
        if self._known.all():
            return
        real = high > low
        first, last = low[real] // BLOCK, (high[real] - 1) // BLOCK
        if self._known[first].all() and self._known[last].all() and (last - first <= 1).all():
            return
        edges = np.zeros(len(self._known) + 1, dtype=np.int64)
        np.add.at(edges, first, 1)
        np.subtract.at(edges, last + 1, 1)
        wanted = np.cumsum(edges[:-1]) > 0
        if not (wanted & ~self._known).any():
            return
        with self._lock:
            missing = np.flatnonzero(wanted & ~self._known)
            if len(missing) * 4 > len(self._known):
                self._read_all()
            elif len(missing):
                self._read(missing)

    def before(self, positions: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """Set flags before positions ``int[...]``; only differences inside what is known mean anything."""
        return self._counts.before(positions)

    def any_in(self, start: IntArray) -> NDArray[np.bool_]:
        """Whether each of the neighbouring ranges ``[start[n], start[n + 1])`` holds an allowed leaf: ``bool[n]``.

        Looks at a few leaves of each first: unless the rule is strict or follows the order, those tell.
        """
        low, high = start[:-1].astype(np.int64), start[1:].astype(np.int64)
        found = np.zeros(len(low), dtype=np.bool_)
        rest = np.flatnonzero(high > low)
        if not self._known.all():
            for look in _LOOKS:
                ahead = np.minimum(low[rest, None] + np.arange(look), high[rest, None] - 1)
                found[rest] = self._given.take(self._leaf_item.take(ahead), mode="clip").any(axis=1)
                rest = rest[~found[rest]]
            self.need(low[rest], high[rest])
        counts = self._counts
        found[rest] = counts.before(high[rest]) > counts.before(low[rest])
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.flags.nbytes + self._given.nbytes + self._counts.nbytes + self._known.nbytes

    def _read(self, blocks: NDArray[np.int64]) -> None:
        """Read some blocks; called with the lock held."""
        whole = len(self.flags) // BLOCK
        inner = blocks[blocks < whole]
        by_block = self._leaf_item[: whole * BLOCK].reshape(whole, BLOCK)
        self.flags[: whole * BLOCK].reshape(whole, BLOCK)[inner] = self._given.take(by_block[inner], mode="clip")
        if len(inner) < len(blocks):
            self.flags[whole * BLOCK :] = self._given.take(self._leaf_item[whole * BLOCK :], mode="clip")
        # counts before `known`: whoever sees a block as known must find it counted
        self._counts = self._counts.renewed(self.flags, blocks, BLOCK)
        self._known[blocks] = True

    def _read_all(self) -> None:
        packed = np.packbits(self._given, bitorder="little") if len(self._given) > _PACKED_FROM else None
        # in pieces: the copy that take makes of 32-bit indices then stays in the cache
        for begin in range(0, len(self.flags), _CHUNK):
            item, piece = self._leaf_item[begin : begin + _CHUNK], self.flags[begin : begin + _CHUNK]
            if packed is None:
                self._given.take(item, out=piece, mode="clip")
            else:
                np.not_equal(packed.take(item >> 3, mode="clip") & _BIT.take(item & 7, mode="clip"), 0, out=piece)
        self._counts = RankedBits(self.flags)
        self._known[:] = True
