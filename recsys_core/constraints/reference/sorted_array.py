"""Binary search in the sorted table of semantic IDs, for all tokens or the model's best ones (STATIC calls it PPV)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys_core.constraints.continuations import Floats
from recsys_core.constraints.reference.protocol import sid_table


class SortedArray:
    """Every token of the vocabulary is looked up after every prefix.

    Args:
        sids: ``int[n, L]`` allowed semantic IDs, in any order, repeated or not.

    Raises:
        BuildError: not a table of whole numbers, or an empty one.
    """

    complete = sound = True

    def __init__(self, sids: ArrayLike) -> None:
        table = sid_table(sids)
        # one array a level: a search then reads neighbours
        self.columns = list(np.ascontiguousarray(table[np.lexsort(table.T[::-1])].T))

    def rows(self, prefix: list[int]) -> tuple[int, int]:
        """First row with a prefix and one past the last."""
        low, high = 0, len(self.columns[0])
        for column, token in zip(self.columns, prefix, strict=False):
            part = column[low:high]
            low, high = low + int(part.searchsorted(token)), low + int(part.searchsorted(token, side="right"))
        return low, high

    def mask(self, prefixes: ArrayLike, scores: Floats) -> Floats:
        """See :meth:`PrefixMasker.mask`."""
        masked = np.full_like(scores, -np.inf)
        for row, prefix in enumerate(np.asarray(prefixes).tolist()):
            tokens = self._tried(scores[row])
            low, high = self.rows(prefix)
            column = self.columns[len(prefix)][low:high]
            if not len(column):
                continue
            place = np.minimum(column.searchsorted(tokens), len(column) - 1)
            known = tokens[column[place] == tokens]
            masked[row, known] = scores[row, known]
        return masked

    def _tried(self, scores: Floats) -> NDArray[np.intp]:
        return np.arange(len(scores))


class SortedArrayTopK(SortedArray):
    """Only the model's ``tokens`` best are looked up: quicker, but a state may be left with nothing.

    Args:
        sids: ``int[n, L]`` allowed semantic IDs.
        tokens: how many are looked up a state.
    """

    complete = False

    def __init__(self, sids: ArrayLike, tokens: int = 50) -> None:
        super().__init__(sids)
        self.tokens = tokens

    def _tried(self, scores: Floats) -> NDArray[np.intp]:
        if self.tokens >= len(scores):
            return np.arange(len(scores))
        return np.argpartition(scores, -self.tokens)[-self.tokens :]
