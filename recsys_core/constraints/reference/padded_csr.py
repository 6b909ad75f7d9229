"""Compressed sparse rows with a fixed fan-out a level, after STATIC (arXiv 2602.22647, section 4), in plain torch.

One flat list of edges ``[token, next state]`` for all levels and one pointer a state. A step reads as many edges from a
state's first as the widest state of its level has, whatever this one has, and masks what is beyond; so shapes are fixed
and the step compiles. The first levels can be dense tables instead. Written from the paper's description; there is no
rule, a rule means building again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from recsys_core.constraints.arrays import TrieArrays
from recsys_core.constraints.build import build_arrays
from recsys_core.constraints.continuations import Floats
from recsys_core.errors import BuildError

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class PaddedCsr:
    """A trie as one edge list, its states numbered through all levels; the root is state 0, leaves follow last.

    Args:
        sids: ``int[n, L]`` allowed semantic IDs; or the arrays of a trie, which saves sorting them again.
        vocabulary: columns of the scores.
        dense_levels: how many first levels are dense tables: 0, 1 or 2.
        device: where the tensors go.

    Raises:
        BuildError: SIDs that can't be indexed, or another number of dense levels.
    """

    complete = sound = True

    def __init__(
        self, sids: ArrayLike | TrieArrays, vocabulary: int, dense_levels: int = 1, device: str = "cpu"
    ) -> None:
        arrays = sids if isinstance(sids, TrieArrays) else build_arrays(sids, items=None)[0]
        self.levels = len(arrays.tokens)
        if not 0 <= dense_levels <= min(2, self.levels):
            raise BuildError(f"dense_levels is 0, 1 or 2 and at most {self.levels}, got {dense_levels}")
        self.vocabulary, self.dense_levels = vocabulary, dense_levels
        nodes = arrays.nodes
        self.first_state = np.concatenate([[0], np.cumsum(nodes)]).tolist()
        pointers, edges = [], np.zeros((sum(nodes[1:]) + vocabulary, 2), dtype=np.int32)
        self.fan: list[int] = []
        written = 0
        for level, tokens in enumerate(arrays.tokens):
            start = arrays.child_start[level]
            if start is None:
                start = np.arange(nodes[level] + 1, dtype=np.int32)
            self.fan.append(int(np.diff(start).max()))
            pointers.append(start[:-1] + written)
            # edges and states of the next level run side by side; the last rows stay 0, so that reads end in bounds
            edges[written : written + len(tokens), 0] = tokens
            edges[written : written + len(tokens), 1] = self.first_state[level + 1] + np.arange(len(tokens))
            written += len(tokens)
        self.pointer = torch.from_numpy(np.concatenate([*pointers, [written]]).astype(np.int32)).to(device)
        self.edges = torch.from_numpy(edges).to(device)
        self.dense_states = [self._dense(arrays, level).to(device) for level in range(dense_levels)]
        self._compiled: dict[int, Step] = {}

    def _dense(self, arrays: TrieArrays, level: int) -> Tensor:
        """``int32[nodes, V]``: next state by token, 0 where there is none."""
        start = arrays.child_start[level]
        counts = np.ones(arrays.nodes[level], dtype=np.int64) if start is None else np.diff(start)
        table = np.zeros((arrays.nodes[level], self.vocabulary), dtype=np.int32)
        tokens = arrays.tokens[level]
        table[np.repeat(np.arange(len(table)), counts), tokens] = self.first_state[level + 1] + np.arange(len(tokens))
        return torch.from_numpy(table)

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(t.nbytes for t in (self.pointer, self.edges, *self.dense_states))

    def step(self, level: int, states: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Continuations of ``int64[B]`` states with ``float32[B, V]`` scores: scores, tokens, states, all [B, F]."""
        if level < self.dense_levels:
            following = self.dense_states[level][states - self.first_state[level]]
            masked = torch.where(following > 0, scores, -torch.inf)
            return masked, torch.arange(self.vocabulary, device=scores.device).expand_as(masked), following
        first = self.pointer[states].long()
        count = self.pointer[states + 1] - first
        offset = torch.arange(self.fan[level], device=scores.device)
        rows = self.edges[first[:, None] + offset]
        valid = offset < count[:, None]
        token = rows[..., 0].long()
        return torch.where(valid, scores.gather(1, token), -torch.inf), token, torch.where(valid, rows[..., 1], 0)

    def compiled(self, level: int) -> Step:
        """:meth:`step` of one level under ``torch.compile``."""
        from recsys_core.constraints.torch_masking import with_own_code

        if level not in self._compiled:

            def step(states: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
                return self.step(level, states, scores)

            own = with_own_code(step, f"csr_step_{level}")
            self._compiled[level] = torch.compile(own, fullgraph=True, dynamic=False)
        return self._compiled[level]

    def states(self, prefixes: ArrayLike) -> Tensor:
        """States of prefixes ``int[B, l]`` that exist: ``int64[B]``."""
        prefix = torch.from_numpy(np.asarray(prefixes).astype(np.int64))
        state = torch.zeros(len(prefix), dtype=torch.int64)
        blank = torch.zeros(len(prefix), self.vocabulary)
        for level in range(prefix.shape[1]):
            open_, token, following = self.step(level, state, blank)
            hit = (token == prefix[:, level, None]) & (open_ == 0)
            state = torch.where(hit, following, 0).sum(dim=1).long()
        return state

    def mask(self, prefixes: ArrayLike, scores: Floats) -> Floats:
        """See :meth:`PrefixMasker.mask`."""
        prefix = np.asarray(prefixes)
        kept, token, _ = self.step(prefix.shape[1], self.states(prefix), torch.from_numpy(scores))
        masked = torch.full((len(scores), self.vocabulary), -torch.inf)
        # padding repeats tokens; the larger of its -inf and the score stays
        return masked.scatter_reduce(1, token, kept, "amax").numpy()
