"""Masking as a logits processor of transformers' ``generate``: same call, same result as a prefix function, faster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recsys_core.constraints.masking import Masker


class SidLogitsProcessor:
    """Leaves only tokens that lead to an allowed semantic ID; an element of ``LogitsProcessorList``.

    Scores are changed in place. They and the tokens must lie on the CPU.

    Args:
        masker: of the catalogue, or of what a rule leaves of it.
        prompt: how many tokens stand before the semantic ID in every row.
        offsets: per level, the column of the level's token 0; 0 at every level when None.
        end: token that may follow a whole semantic ID; scores stay as they are there when None.

    Raises:
        ValueError: not one offset a level.
    """

    def __init__(
        self, masker: Masker, prompt: int, offsets: Sequence[int] | None = None, end: int | None = None
    ) -> None:
        self.masker = masker
        self.prompt = prompt
        self.offsets = [0] * masker.levels if offsets is None else list(offsets)
        self.end = end
        self._last = (np.zeros((0, 0), dtype=np.int64), np.zeros(0, dtype=np.int64))
        if len(self.offsets) != masker.levels:
            raise ValueError(f"{len(self.offsets)} offsets for {masker.levels} levels")

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Mask ``float32[B, V]`` after tokens ``int64[B, T]``."""
        values = scores.numpy()
        prefix = input_ids.numpy()[:, self.prompt :]
        level = prefix.shape[1]
        if level >= self.masker.levels:
            if self.end is not None:
                kept = values[:, self.end].copy()
                values.fill(-np.inf)
                values[:, self.end] = kept
            return scores
        nodes = self._locate(prefix - np.array(self.offsets[:level], dtype=prefix.dtype))
        first = self.offsets[level]
        if first:
            values[:, :first] = -np.inf
        self.masker.mask_(level, nodes, values[:, first:])
        return scores

    def _locate(self, prefix: NDArray[np.int64]) -> NDArray[np.int64]:
        """Nodes of prefixes: one step on from those of the call before, where these are their beginnings."""
        before, known = self._last
        nodes: NDArray[np.int64] | None = None
        if len(before) and before.shape[1] == prefix.shape[1] - 1:
            # beams were put in another order and some dropped: each is found by a hash and compared in full
            old, new = _hashed(before), _hashed(prefix[:, :-1])
            order = np.argsort(old)
            place = order[np.minimum(old.searchsorted(new, sorter=order), len(old) - 1)]
            if (before[place] == prefix[:, :-1]).all():
                nodes = self.masker.advance(prefix.shape[1] - 1, known[place], prefix[:, -1])
        if nodes is None:
            nodes = self.masker.locate(prefix)
        self._last = (prefix, nodes)
        return nodes


def _hashed(prefix: NDArray[np.int64]) -> NDArray[np.int64]:
    found = np.zeros(len(prefix), dtype=np.int64)
    for column in prefix.T:
        found = found * 1_000_003 + column
    return found
