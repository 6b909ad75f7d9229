"""Masking as a logits processor of transformers' ``generate``: same call, same result as a prefix function, faster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from recsys_core.constraints.continuations import Ints
from recsys_core.constraints.masking import Masker

_FACTOR = np.int64(1_000_003)


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
        self._last: tuple[Ints, Ints] | None = None
        self._weights = _FACTOR ** np.arange(masker.levels, dtype=np.int64)  # wraps round, as a hash may
        if len(self.offsets) != masker.levels:
            raise ValueError(f"{len(self.offsets)} offsets for {masker.levels} levels")
        self._columns = np.array(self.offsets, dtype=np.int64)
        self._moved = any(self.offsets)

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
        nodes = self._locate(prefix - self._columns[:level] if self._moved else prefix)
        first = self.offsets[level]
        if first:
            values[:, :first] = -np.inf
        self.masker.mask_(level, nodes, values[:, first:])
        return scores

    def _locate(self, prefix: Ints) -> Ints:
        """Nodes of prefixes: one step on from those of the call before, where these are their beginnings."""
        level, nodes = prefix.shape[1], None
        if self._last is not None and level and self._last[0].shape[1] == level - 1:
            before, known = self._last
            begun = prefix[:, :-1]
            # beams were put in another order and some dropped: each is found by a hash and compared in full
            old = before @ self._weights[: level - 1]
            order = old.argsort()
            place = order.take(old.take(order).searchsorted(begun @ self._weights[: level - 1]), mode="clip")
            if (before.take(place, axis=0) == begun).all():
                nodes = self.masker.advance(level - 1, known.take(place), prefix[:, -1])
        if nodes is None:
            nodes = self.masker.locate(prefix)
        self._last = (prefix, nodes)
        return nodes
