"""Masking: from dense scores over the vocabulary to the continuations that exist, level by level.

The work of a step follows the states at hand, not the widest node of the level, which is what a gather of fixed
fan-out pays for (STATIC, arXiv 2602.22647, section 4). Four ways to do it, chosen by how many children the states have:

* one child a node: look up its token; nothing to compare;
* few children: gather, padded to the widest at hand; or one after the other (ragged) when widths differ much;
* many: one gather a state, each inside its own row of scores, which stays in the first cache;
* nearly all tokens: add a row of 0 and -inf. A boolean mask over as much data is many times slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys_core.constraints.arrays import IntArray, TokenArray, TrieArrays
from recsys_core.constraints.continuations import Continuations, Floats, Ints, nothing
from recsys_core.constraints.in_place import add_bias, keep_children
from recsys_core.constraints.navigate import follow


@dataclass(frozen=True)
class MaskerConfig:
    """Where one way of masking takes over from another; the defaults were measured on two CPU cores.

    Attributes:
        dense_from: mean children of a level's nodes (as leaves meet them) from which on it gets a dense table.
        mask_from: the same for masking in place, which has to write every score anyway.
        dense_bytes: a level whose table would take more gets none.
        loop_from: mean children of the states at hand from which on states are gathered one by one.
        ragged_from: padding is given up when it would be so many times the open continuations.
    """

    dense_from: float = 800.0
    mask_from: float = 48.0
    dense_bytes: int = 1 << 26
    loop_from: float = 96.0
    ragged_from: float = 3.0


@dataclass(frozen=True)
class LevelTable:
    """What a step from one depth reads.

    Attributes:
        tokens: token of each edge.
        start: ``int32[nodes + 1]``, where each node's edges begin; None where each node has one edge of its number.
        edges: the child each edge leads to; None where edges are numbered as children are.
        opened: ``bool[children]`` of narrow levels under a rule; None where every child is open.
        bias: ``float32[nodes, V]``, 0 at tokens that go on and -inf at others; None on narrower levels.
    """

    tokens: TokenArray
    start: IntArray | None
    edges: IntArray | None = None
    opened: NDArray[np.bool_] | None = None
    bias: Floats | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(a.nbytes for a in (self.tokens, self.start, self.edges, self.opened, self.bias) if a is not None)


class Masker:
    """Steps through a trie with no rule over it: every semantic ID that exists is open.

    A state is a node number at the level's depth; the root is node 0 at depth 0; -1 is closed and stays closed.

    Args:
        arrays: the trie; ``ConstraintIndex.arrays``.
        items: how many items it has.
        config: where one way of masking takes over from another.
        vocab_sizes: per level, one more than the largest token; counted when None.
    """

    def __init__(
        self,
        arrays: TrieArrays,
        items: int,
        config: MaskerConfig | None = None,
        vocab_sizes: Sequence[int] | None = None,
    ) -> None:
        self.arrays = arrays
        self.config = config or MaskerConfig()
        self.allowed = items
        """How many items can be reached: fewer than asked for means that they are exhausted."""
        self.vocab_sizes = list(vocab_sizes or (int(tokens.max()) + 1 for tokens in arrays.tokens))
        """Per level, how many columns scores must have: one more than the largest token in use."""
        self._bases: dict[tuple[int, int], Ints] = {}
        self._mask_biases: dict[int, Floats | None] = {}
        self._children: dict[int, IntArray | None] = {}
        self.tables = self._tables()

    @property
    def levels(self) -> int:
        """Length of a semantic ID."""
        return len(self.arrays.tokens)

    @property
    def nbytes(self) -> int:
        """Bytes held beside the trie's own arrays."""
        made = [*(table.bias for table in self.tables), *self._mask_biases.values(), *self._children.values()]
        return sum({id(array): array.nbytes for array in made if array is not None}.values())

    def step(self, level: int, nodes: ArrayLike, scores: Floats) -> Continuations:
        """The continuations of some states.

        Args:
            level: depth of ``nodes``, 0 to ``levels - 1``.
            nodes: ``int[B]``; -1 is closed and has none.
            scores: ``float32[B, V]``, V at least ``vocab_sizes[level]``.

        Raises:
            ValueError: shapes that don't fit.
        """
        node = np.asarray(nodes)
        self._check(level, node, scores)
        if not self.allowed or not len(node):
            return nothing(len(node))
        table = self.tables[level]
        if table.bias is not None:
            return self._dense(level, table.bias, node, scores)
        if table.start is None:
            return self._single(table, node, scores)
        low = table.start.take(node, mode="clip")
        high = table.start.take(node + 1)  # a closed state reads start[0] twice: no children
        return self._gather(table, low, high - low, scores)

    def mask_(self, level: int, nodes: ArrayLike, scores: Floats) -> None:
        """Write -inf over every score that isn't a continuation, in place; arguments as in :meth:`step`."""
        node = np.asarray(nodes)
        self._check(level, node, scores)
        if not self.allowed or not len(node):
            scores[...] = -np.inf
            return
        bias = self._mask_bias(level)
        if bias is not None:
            add_bias(bias, node, scores)
        else:
            keep_children(self.tables[level], node, scores, self.config.loop_from)

    def advance(self, level: int, nodes: ArrayLike, tokens: ArrayLike) -> Ints:
        """The nodes that tokens lead to: ``int64[...]`` at the next depth, -1 where that isn't open."""
        table = self._child_table(level)
        if table is None:
            return follow(self.arrays, level, nodes, tokens).astype(np.int64)
        node, wanted = np.asarray(nodes, dtype=np.int64), np.asarray(tokens)
        inside = (node >= 0) & (wanted >= 0) & (wanted < table.shape[1])
        return np.where(inside, table.take(node * table.shape[1] + wanted, mode="clip"), -1)

    def _child_table(self, level: int) -> IntArray | None:
        """``int32[nodes, V]``: the child that each token leads to, -1 where there is none; of wide levels, made when
        first needed. A search in each node's own edges would wait for memory at every step.
        """
        if level not in self._children:
            start, table = self.arrays.child_start[level], None
            if start is not None and len(start) > 2 and self._is_dense(level, self.config.mask_from):
                tokens = self.arrays.tokens[level]
                table = np.full((len(start) - 1, self.vocab_sizes[level]), -1, dtype=np.int32)
                table[np.repeat(np.arange(len(table)), np.diff(start)), tokens] = np.arange(len(tokens))
            self._children[level] = table
        return self._children[level]

    def locate(self, prefixes: ArrayLike) -> Ints:
        """The nodes that prefixes ``int[B, l]`` lead to: ``int64[B]``, -1 where that isn't open.

        Raises:
            ValueError: prefixes that aren't two-dimensional or longer than a semantic ID.
        """
        prefix = np.asarray(prefixes)
        if prefix.ndim != 2 or prefix.shape[1] > self.levels:
            raise ValueError(f"prefixes are int[B, l] with l up to {self.levels}, got shape {prefix.shape}")
        nodes = np.zeros(len(prefix), dtype=np.int64)
        for level in range(prefix.shape[1]):
            nodes = follow(self.arrays, level, nodes, prefix[:, level]).astype(np.int64)
        # above an open node there are only open ones
        return np.where(self.is_open(prefix.shape[1], nodes), nodes, -1)

    def original(self, depth: int, nodes: Ints) -> Ints:
        """Numbers of nodes ``int[...]`` in the whole index; -1 stays -1."""
        return nodes

    def is_open(self, depth: int, nodes: Ints) -> NDArray[np.bool_]:
        """Whether an allowed leaf lies under nodes ``int[...]``; -1 is closed."""
        return nodes >= 0

    def items(self, nodes: ArrayLike) -> Ints:
        """Items of leaves: ``int64[...]``; -1 stays -1."""
        leaf = np.asarray(nodes)
        return np.where(leaf >= 0, self.arrays.leaf_item.take(leaf, mode="clip"), -1).astype(np.int64)

    # -- how the steps are done ---------------------------------------------------------------------------------------

    def _tables(self) -> list[LevelTable]:
        plain = [LevelTable(*pair) for pair in zip(self.arrays.tokens, self.arrays.child_start, strict=True)]
        return [self._with_bias(level, table) for level, table in enumerate(plain)]

    def _with_bias(self, level: int, table: LevelTable) -> LevelTable:
        """The table with its dense form, where that pays."""
        bias = self._bias(level, table) if self._is_dense(level, self.config.dense_from) else None
        return table if bias is None else LevelTable(table.tokens, table.start, table.edges, None, bias)

    def _mask_bias(self, level: int) -> Floats | None:
        """Rows of 0 and -inf where adding them is quicker than picking out what goes on; made when first needed."""
        table = self.tables[level]
        if table.bias is not None or table.opened is not None:
            return table.bias
        if level not in self._mask_biases:
            dense = self._is_dense(level, self.config.mask_from)
            self._mask_biases[level] = self._bias(level, table) if dense else None
        return self._mask_biases[level]

    def _bias(self, level: int, table: LevelTable) -> Floats | None:
        """``float32[nodes, V]``: 0 at tokens of a table's edges, -inf elsewhere."""
        start, width = table.start, self.vocab_sizes[level]
        if start is None:
            return None
        bias = np.full((len(start) - 1, width), -np.inf, dtype=np.float32)
        bias[np.repeat(np.arange(len(bias)), np.diff(start)), table.tokens] = 0
        return bias

    def _is_dense(self, level: int, from_: float) -> bool:
        """Decided on the trie's own edges, whatever a rule leaves of them."""
        start, leaf_start = self.arrays.child_start[level], self.arrays.leaf_start[level]
        if start is None or leaf_start is None or len(start) < 2:
            return False
        if 4 * (len(start) - 1) * self.vocab_sizes[level] > self.config.dense_bytes:
            return False
        return self._mean_children(level) >= from_

    def _mean_children(self, level: int) -> float:
        """Children of a node of a level, as leaves meet them."""
        start, leaf_start = self.arrays.child_start[level], self.arrays.leaf_start[level]
        if start is None or leaf_start is None:
            return 1.0
        return float(np.average(np.diff(start), weights=np.diff(leaf_start)))

    def _check(self, level: int, node: NDArray[Any], scores: Floats) -> None:
        if scores.ndim != 2 or node.shape != scores.shape[:1]:
            raise ValueError(f"scores are float32[B, V] for nodes int[B], got {scores.shape} for {node.shape}")
        if scores.shape[1] < self.vocab_sizes[level]:
            raise ValueError(
                f"level {level} uses tokens up to {self.vocab_sizes[level] - 1}, scores have {scores.shape[1]} columns"
            )

    def _base(self, states: int, width: int) -> Ints:
        """Where each row of scores begins in memory."""
        base = self._bases.get((states, width))
        if base is None:
            if len(self._bases) > 64:
                self._bases.clear()
            base = self._bases[states, width] = np.arange(states, dtype=np.int64) * width
        return base

    def _single(self, table: LevelTable, node: NDArray[Any], scores: Floats) -> Continuations:
        """Nodes of one child each: no rule is looked at, since an open node's only child is open."""
        token = table.tokens.take(node, mode="clip")
        found = scores.take(token + self._base(*scores.shape))
        if np.minimum.reduce(node) < 0:
            found[node < 0] = -np.inf
        return Continuations(
            found[:, None],
            None,
            lambda places: (places, token[places].astype(np.int64), node[places].astype(np.int64)),
        )

    def _dense(self, level: int, bias: Floats, node: NDArray[Any], scores: Floats) -> Continuations:
        width = bias.shape[1]
        out = np.empty((len(node), width), dtype=np.float32)
        self._add_bias(bias, node, scores[:, :width], out)

        def resolve(places: Ints) -> tuple[Ints, Ints, Ints]:
            state, token = np.divmod(places, width)
            return state, token, follow(self.arrays, level, node[state], token).astype(np.int64)

        return Continuations(out, None, resolve)

    @staticmethod
    def _add_bias(bias: Floats, node: NDArray[Any], scores: Floats, out: Floats) -> None:
        if len(bias) == 1:
            np.add(scores, bias, out=out)
        else:
            np.add(scores, bias.take(node, axis=0, mode="clip"), out=out)
        if np.minimum.reduce(node) < 0:
            out[node < 0] = -np.inf

    def _gather(self, table: LevelTable, low: IntArray, width: IntArray, scores: Floats) -> Continuations:
        total, widest = int(width.sum()), int(width.max())
        if table.opened is None:  # flags are kept of narrow levels alone, which are padded
            if total > self.config.loop_from * len(low):
                return self._row_by_row(table, low, width, scores)
            if widest * len(low) > self.config.ragged_from * total + 64:
                return self._ragged(table, low, width, scores)
        return self._padded(table, low, width, max(1, widest), scores)

    def _padded(self, table: LevelTable, low: IntArray, width: IntArray, fan: int, scores: Floats) -> Continuations:
        offset = np.arange(fan)
        edge = low[:, None] + offset
        token = table.tokens.take(edge, mode="clip")
        found = scores.take(token + self._base(*scores.shape)[:, None])
        closed = offset >= width[:, None]
        if table.opened is not None:
            closed |= ~table.opened.take(edge, mode="clip")
        found[closed] = -np.inf

        def resolve(places: Ints) -> tuple[Ints, Ints, Ints]:
            child = edge.reshape(-1)[places]
            return (
                places // fan,
                token.reshape(-1)[places].astype(np.int64),
                (child if table.edges is None else table.edges[child]).astype(np.int64),
            )

        return Continuations(found, None, resolve)

    def _ragged(self, table: LevelTable, low: IntArray, width: IntArray, scores: Floats) -> Continuations:
        offsets = np.zeros(len(low) + 1, dtype=np.int64)
        np.cumsum(width, out=offsets[1:])
        edge = np.arange(offsets[-1])
        edge += np.repeat(low - offsets[:-1], width)
        place = np.repeat(self._base(*scores.shape), width)
        place += table.tokens.take(edge)
        return Continuations(scores.take(place), offsets, _by_range(table, low, offsets))

    def _row_by_row(self, table: LevelTable, low: IntArray, width: IntArray, scores: Floats) -> Continuations:
        offsets = np.zeros(len(low) + 1, dtype=np.int64)
        np.cumsum(width, out=offsets[1:])
        out = np.empty(int(offsets[-1]), dtype=np.float32)
        tokens, begin = table.tokens, 0
        for row, first, count in zip(scores, low.tolist(), width.tolist(), strict=True):
            end = begin + count
            # clip only spares a buffer: tokens are within the row
            row.take(tokens[first : first + count], out=out[begin:end], mode="clip")
            begin = end
        return Continuations(out, offsets, _by_range(table, low, offsets))


def _by_range(table: LevelTable, low: IntArray, offsets: Ints) -> Any:
    """Resolve places of the ragged form: each state's edges are neighbours."""

    def resolve(places: Ints) -> tuple[Ints, Ints, Ints]:
        state = np.searchsorted(offsets, places, side="right") - 1
        edge = low[state] + (places - offsets[state])
        child = edge if table.edges is None else table.edges[edge].astype(np.int64)
        return state, table.tokens[edge].astype(np.int64), child

    return resolve
