"""What every way of masking can be asked, whatever its states look like: mask scores after a prefix."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys_core.constraints.continuations import Floats
from recsys_core.constraints.masking import Masker
from recsys_core.errors import BuildError

Table = NDArray[np.int64]


class PrefixMasker(Protocol):
    """Masks scores by the prefix they follow. A rule is given by building over the allowed semantic IDs alone."""

    complete: bool
    """Never closes a token that is allowed."""
    sound: bool
    """Never leaves a token open that isn't allowed."""

    def mask(self, prefixes: ArrayLike, scores: Floats) -> Floats:
        """Scores with -inf at tokens that may not follow.

        Args:
            prefixes: ``int[B, l]``, each the beginning of an allowed semantic ID.
            scores: ``float32[B, V]``; left as they are.

        Returns:
            ``float32[B, V]``.
        """
        ...


class MaskerByPrefix:
    """A :class:`Masker` asked by prefixes; states are found anew at every call."""

    complete = sound = True

    def __init__(self, masker: Masker) -> None:
        self.masker = masker

    def mask(self, prefixes: ArrayLike, scores: Floats) -> Floats:
        """See :meth:`PrefixMasker.mask`."""
        prefix, masked = np.asarray(prefixes), scores.copy()
        self.masker.mask_(prefix.shape[1], self.masker.locate(prefix), masked)
        return masked


def sid_table(sids: ArrayLike) -> Table:
    """``int64[n, L]``.

    Raises:
        BuildError: not a table of whole numbers, or an empty one.
    """
    table = np.asarray(sids)
    if table.ndim != 2 or not table.size or table.dtype.kind not in "iu":
        raise BuildError(f"semantic IDs are whole numbers [n, L], got {table.dtype}{list(table.shape)}")
    return table.astype(np.int64)
