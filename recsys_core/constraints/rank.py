"""A bit vector that counts: how many flags are set before a position, in two reads of arrays that fit the cache.

One bit a flag and four bytes for 64 of them; making it is a small part of the work of a full prefix sum, which suits
a rule that is used for a few steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BELOW = (np.uint64(1) << np.arange(64, dtype=np.uint64)) - np.uint64(1)
"""``uint64[64]``: all bits below each bit."""


def _counted(words: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Bits before each word, ``int32[words + 1]``."""
    before = np.zeros(len(words) + 1, dtype=np.int32)
    np.cumsum(np.bitwise_count(words), out=before[1:])
    return before


class RankedBits:
    """Flags with counts.

    Args:
        flags: ``bool[n]``.
    """

    def __init__(self, flags: NDArray[np.bool_]) -> None:
        packed = np.packbits(flags, bitorder="little")
        # one word more than needed: the position behind the last flag may begin a new one
        words = np.zeros(len(flags) // 64 + 1, dtype="<u8")
        words.view(np.uint8)[: len(packed)] = packed
        self._words = words
        self._before = _counted(words)

    def renewed(self, flags: NDArray[np.bool_], blocks: NDArray[np.int64], width: int) -> RankedBits:
        """The same flags but for some blocks, which are read again; this one stays as it was.

        Args:
            flags: ``bool[n]``, all of them.
            blocks: ``int64[m]``, which blocks of ``width`` flags have changed.
            width: flags of a block, a multiple of 64.
        """
        other = object.__new__(RankedBits)
        words = self._words.copy()
        whole, each = len(flags) // width, width // 64
        inner = blocks[blocks < whole]
        packed = np.packbits(flags[: whole * width].reshape(whole, width)[inner], axis=1, bitorder="little")
        words[: whole * each].reshape(whole, each)[inner] = packed.view("<u8")
        if len(inner) < len(blocks):
            rest = np.packbits(flags[whole * width :], bitorder="little")
            words[whole * each :].view(np.uint8)[: len(rest)] = rest
        other._words, other._before = words, _counted(words)
        return other

    def before(self, positions: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """How many flags are set before each position, ``int32[...]``.

        Args:
            positions: ``int[...]``, 0 to n.
        """
        word = positions >> 6
        low = self._words.take(word)
        low &= _BELOW.take(positions & 63)
        count: NDArray[np.int32] = self._before.take(word)
        count += np.bitwise_count(low)
        return count

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self._words.nbytes + self._before.nbytes
