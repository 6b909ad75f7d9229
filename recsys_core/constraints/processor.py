"""Masking as a logits processor of transformers' ``generate``: same call, same result as a prefix function, faster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from recsys_core.constraints.continuations import Ints
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
        self._depth = -1
        self._nodes = np.zeros(0, dtype=np.int64)
        self._known: dict[bytes, int] = {}
        if len(self.offsets) != masker.levels:
            raise ValueError(f"{len(self.offsets)} offsets for {masker.levels} levels")
        self._columns = np.array(self.offsets, dtype=np.int64)

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
        nodes = self._locate(prefix - self._columns[:level] if self._columns.any() else prefix)
        first = self.offsets[level]
        if first:
            values[:, :first] = -np.inf
        self.masker.mask_(level, nodes, values[:, first:])
        return scores

    def _locate(self, prefix: Ints) -> Ints:
        """Nodes of prefixes: one step on from those of the call before, where these are their beginnings."""
        level, nodes = prefix.shape[1], None
        if level == 1:
            nodes = self.masker.advance(0, np.zeros(len(prefix), dtype=np.int64), prefix[:, 0])
        elif level and self._depth == level - 1:
            # beams were put in another order and some dropped
            find = self._known.get
            place = [find(row, -1) for row in _rows(prefix[:, :-1])]
            if -1 not in place:
                nodes = self.masker.advance(level - 1, self._nodes[place], prefix[:, -1])
        if nodes is None:
            nodes = self.masker.locate(prefix)
        self._depth, self._nodes = level, nodes
        self._known = {row: number for number, row in enumerate(_rows(prefix))}
        return nodes


def _rows(prefix: Ints) -> list[bytes]:
    """Rows as bytes: with so few of them a dictionary finds one sooner than NumPy would."""
    data, width = prefix.tobytes(), prefix.itemsize * prefix.shape[1]
    return [data[begin : begin + width] for begin in range(0, len(data), width)] if width else []
