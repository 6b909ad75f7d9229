"""A bitmap over hashes of prefixes: constant memory and no tree, but wrong now and then.

A token stays open when the hash of its prefix meets the bit of another one. With ``p`` prefixes in ``b`` bits that
happens to about ``p / b`` of the tokens tried, so a search must check what it finds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys_core.constraints.continuations import Floats
from recsys_core.constraints.reference.protocol import sid_table

_MULTIPLIER = np.uint64(0x9E371)


class HashBitmap:
    """Bits at the hashes of all prefixes.

    Args:
        sids: ``int[n, L]`` allowed semantic IDs, in any order, repeated or not.
        bits: the bitmap has 2 ** bits of them.

    Raises:
        BuildError: not a table of whole numbers, or an empty one.
    """

    complete = True
    sound = False

    def __init__(self, sids: ArrayLike, bits: int = 30) -> None:
        self._mask = np.uint64((1 << bits) - 1)
        self.bitmap = np.zeros(1 << max(0, bits - 3), dtype=np.uint8)
        table = sid_table(sids).astype(np.uint64)
        hashed = np.ones(len(table), dtype=np.uint64)
        for column in table.T:
            hashed = self._extend(hashed, column)
            own = np.unique(hashed & self._mask)
            np.bitwise_or.at(self.bitmap, own >> np.uint64(3), _bit(own))

    @property
    def load(self) -> float:
        """Share of bits that are set: how often a token that isn't allowed stays open."""
        return int(np.bitwise_count(self.bitmap).sum()) / (8 * len(self.bitmap))

    def mask(self, prefixes: ArrayLike, scores: Floats) -> Floats:
        """See :meth:`PrefixMasker.mask`."""
        prefix = np.asarray(prefixes).astype(np.uint64)
        hashed = np.ones(len(prefix), dtype=np.uint64)
        for column in prefix.T:
            hashed = self._extend(hashed, column)
        places = self._extend(hashed[:, None], np.arange(scores.shape[1], dtype=np.uint64)) & self._mask
        opened = (self.bitmap[places >> np.uint64(3)] & _bit(places)) != 0
        return np.where(opened, scores, np.float32(-np.inf))

    @staticmethod
    def _extend(hashed: NDArray[np.uint64], tokens: NDArray[np.uint64]) -> NDArray[np.uint64]:
        # a plain multiplication leaves low bits poor, so the high ones are folded in; overflow wraps round
        mixed = (hashed ^ (tokens + np.uint64(1))) * _MULTIPLIER
        return mixed ^ (mixed >> np.uint64(29))


def _bit(places: NDArray[np.uint64]) -> NDArray[np.uint8]:
    return np.left_shift(np.uint8(1), (places & np.uint64(7)).astype(np.uint8))
