"""Writing -inf over scores that aren't continuations, in place: what a logits processor has to leave behind.

Where states have many children a row of 0 and -inf is added; elsewhere the few scores that go on are picked out, the
row is overwritten and they are put back. Neither looks up which child a token leads to, as a step would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys_core.constraints.continuations import Floats

if TYPE_CHECKING:
    from recsys_core.constraints.masking import LevelTable


def add_bias(bias: Floats, node: NDArray[Any], scores: Floats) -> None:
    """Mask by rows of 0 and -inf.

    Args:
        bias: ``float32[nodes, W]``.
        node: ``int[B]``, -1 is closed.
        scores: ``float32[B, V]``, V at least W.
    """
    width = bias.shape[1]
    if scores.shape[1] > width:
        scores[:, width:] = -np.inf
        scores = scores[:, :width]
    if len(bias) == 1:
        scores += bias
    else:
        scores += bias.take(node, axis=0, mode="clip")
    if node.min() < 0:
        scores[node < 0] = -np.inf


def keep_children(table: LevelTable, node: NDArray[Any], scores: Floats, loop_from: float) -> None:
    """Mask by picking out what goes on.

    Args:
        table: of the level, with the rule in it if there is one.
        node: ``int[B]``, -1 is closed.
        scores: ``float32[B, V]``.
        loop_from: mean children from which on states are done one by one.
    """
    rows = np.arange(len(node))
    if table.start is None:
        token = table.tokens.take(node, mode="clip").astype(np.intp)
        kept = scores[rows, token]
        kept[node < 0] = -np.inf
        scores.fill(-np.inf)
        scores[rows, token] = kept
        return
    low = table.start.take(node, mode="clip")
    high = table.start.take(node + 1)  # a closed state reads start[0] twice: no children
    width = high - low
    total = int(width.sum())
    if table.opened is None and total > loop_from * len(node):
        for row, first, end in zip(scores, low.tolist(), high.tolist(), strict=True):
            token = table.tokens[first:end].astype(np.intp)
            kept = row[token]
            row.fill(-np.inf)
            row[token] = kept
        return
    edge = np.arange(total)
    edge += np.repeat(low - (np.cumsum(width) - width), width)
    rows = np.repeat(rows, width)
    if table.opened is not None:
        opened = table.opened.take(edge)
        rows, edge = rows[opened], edge[opened]
    token = table.tokens.take(edge).astype(np.intp)
    kept = scores[rows, token]
    scores.fill(-np.inf)
    scores[rows, token] = kept
