"""Masking as torch operations of fixed shape, for models that run under ``torch.compile`` or on a GPU.

The width of a step is the widest node of its level (after STATIC, arXiv 2602.22647, section 4), so that shapes never
depend on values and a compiled model has no graph break. On a CPU, :mod:`recsys_core.constraints.masking` is faster.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys_core.constraints.arrays import TrieArrays
from recsys_core.constraints.rules import Rule

Function = TypeVar("Function", bound=Callable[..., Any])


class TorchContinuations(NamedTuple):
    """Continuations of B states, padded to F.

    Attributes:
        scores: float32[B, F], -inf where closed.
        tokens: int64[B, F], -1 where closed.
        nodes: int64[B, F], at the next depth, -1 where closed.
    """

    scores: Tensor
    tokens: Tensor
    nodes: Tensor


class TorchMasker:
    """A trie on a device.

    Args:
        arrays: of the trie.
        device: where the tensors go.
        rule: what is allowed; everything when None.
        dense_from: a level whose widest node has so many children masks all tokens instead of gathering some.
        dense_bytes: a level whose dense table would take more is gathered.
    """

    def __init__(
        self,
        arrays: TrieArrays,
        device: str | torch.device = "cpu",
        rule: Rule | None = None,
        dense_from: int = 800,
        dense_bytes: int = 1 << 26,
    ) -> None:
        self.levels = len(arrays.tokens)
        self.device = torch.device(device)
        self._dense_from, self._dense_bytes = dense_from, dense_bytes
        self._start: list[Tensor | None] = []
        self._tokens: list[Tensor] = []
        self.dense: list[Tensor | None] = []
        """Per level, ``int32[nodes, V]`` child by token, where masking all tokens pays."""
        self._opened: list[Tensor | None] = []
        self._fan: list[int] = []
        for level in range(self.levels):
            start, tokens = arrays.child_start[level], arrays.tokens[level]
            opened = None if rule is None or start is None else rule.opened(arrays, level + 1)
            self._fan.append(1 if start is None else int(np.diff(start).max()))
            self._start.append(None if start is None else self._on_device(start))
            self._tokens.append(self._on_device(tokens.astype(np.int16 if tokens.max() < 1 << 15 else np.int32)))
            self._opened.append(None if opened is None else self._on_device(opened))
            self.dense.append(self._dense_table(start, tokens, opened))
        self._leaf_item = self._on_device(arrays.leaf_item)
        # nothing is open below a root without allowed leaves, not even where every node has one child
        self._empty = rule is not None and not rule.items
        self._compiled: dict[int, Callable[[Tensor, Tensor], TorchContinuations]] = {}

    def _on_device(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self.device)

    def _dense_table(
        self, start: NDArray[Any] | None, tokens: NDArray[Any], opened: NDArray[Any] | None
    ) -> Tensor | None:
        """``int32[nodes, V]``: the child that each token leads to, -1 where that isn't open."""
        if start is None or np.diff(start).max() < self._dense_from:
            return None
        width = int(tokens.max()) + 1
        if 4 * (len(start) - 1) * width > self._dense_bytes:
            return None
        table = np.full((len(start) - 1, width), -1, dtype=np.int32)
        child = np.arange(len(tokens), dtype=np.int32)
        table[np.repeat(np.arange(len(table)), np.diff(start)), tokens] = (
            child if opened is None else np.where(opened, child, -1)
        )
        return self._on_device(table)

    def step(self, level: int, nodes: Tensor, scores: Tensor) -> TorchContinuations:
        """The continuations of some states, by operations of fixed shape.

        Args:
            level: depth of ``nodes``; a plain number, so that each level compiles to its own code.
            nodes: int64[B]; -1 is closed and has none.
            scores: float32[B, V], V more than the level's largest token.

        Returns:
            F is the widest fan-out of the level, or V at a dense one.
        """
        if self._empty:
            nodes = torch.full_like(nodes, -1)
        table = self.dense[level]
        if table is not None:
            return _look_up(table, nodes, scores)
        return _gather(self._start[level], self._tokens[level], self._opened[level], self._fan[level], nodes, scores)

    def compiled(self, level: int) -> Callable[[Tensor, Tensor], TorchContinuations]:
        """:meth:`step` of one level as a compiled function of nodes and scores; needs a C++ compiler on a CPU."""
        if level not in self._compiled:

            def step(nodes: Tensor, scores: Tensor) -> TorchContinuations:
                return self.step(level, nodes, scores)

            own = with_own_code(step, f"masker_step_{level}")
            self._compiled[level] = torch.compile(own, fullgraph=True, dynamic=False)
        return self._compiled[level]

    def items(self, nodes: Tensor) -> Tensor:
        """Items of leaves: int64[...]; -1 stays -1."""
        return torch.where(nodes >= 0, self._leaf_item[nodes.clamp(min=0)].long(), -1)


def with_own_code(function: Function, name: str) -> Function:
    """The same function with a code object of its own.

    What torch compiles is kept per code object, and only so much of it; closures made in one place share theirs.
    """
    return types.FunctionType(  # type: ignore[return-value]
        function.__code__.replace(co_name=name), function.__globals__, name, None, function.__closure__
    )


def _look_up(table: Tensor, nodes: Tensor, scores: Tensor) -> TorchContinuations:
    width = table.shape[1]
    child = table[nodes.clamp(min=0)].long()
    opened = (child >= 0) & (nodes >= 0)[:, None]
    token = torch.arange(width, device=scores.device).expand(len(nodes), -1)
    return TorchContinuations(
        torch.where(opened, scores[:, :width], -torch.inf),
        torch.where(opened, token, -1),
        torch.where(opened, child, -1),
    )


def _gather(
    start: Tensor | None, tokens: Tensor, opened: Tensor | None, fan: int, nodes: Tensor, scores: Tensor
) -> TorchContinuations:
    known = nodes.clamp(min=0)
    if start is None:
        edge = known[:, None]
        valid = (nodes >= 0)[:, None]
    else:
        edge = start[known].long()[:, None] + torch.arange(fan, device=scores.device)
        valid = (edge < start[known + 1][:, None]) & (nodes >= 0)[:, None]
        edge = torch.where(valid, edge, 0)
    if opened is not None:
        valid = valid & opened[edge]
    token = tokens[edge].long()
    return TorchContinuations(
        torch.where(valid, scores.gather(1, token), -torch.inf),
        torch.where(valid, token, -1),
        torch.where(valid, edge, -1),
    )
