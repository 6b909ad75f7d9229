"""Beam search down the constraint index, for a batch of requests that each have their own rule and width.

Forbidden and already excluded items are closed *inside* the search, so they never take a place in the beam, and a
prefix is only kept when an allowed item lies under it, so no beam dies. Log-probabilities are those of the model over
the whole catalogue: a rule decides what may come back, never how probable it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.constraints.restriction import Restriction
from recsys_core.generator.fusion import Fusion, fuse, spread
from recsys_core.generator.model import CompactModel
from recsys_core.generator.widths import widths_at

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


PAIRS_A_NODE = 4
"""From so many beams at the same node on, logits are computed node by node."""


class Candidates(NamedTuple):
    """What a search found.

    Attributes:
        items: int64[B, P] item indices, best first, -1 where there are no more.
        log_probability: float32[B, P], -inf where there are no more.
        fused: float32[B, P], what the order follows; equals ``log_probability`` where nothing is sharpened.
        spread: float32[B], standard deviation of the kept prefixes' log-probabilities.
        expanded: int64[B], prefixes that were expanded, the root among them.
    """

    items: Ints
    log_probability: Floats
    fused: Floats
    spread: Floats
    expanded: Ints


class BeamSearch:
    """A model and an index, ready to be searched.

    Args:
        model: in evaluation mode; its weights must not change afterwards.
        index: of the same semantic IDs.
    """

    @torch.inference_mode()
    def __init__(self, model: CompactModel, index: ConstraintIndex) -> None:
        self.model = model
        self.index = index
        item_vectors = model.item_vectors()
        tables = [model.keys(level, item_vectors) for level in range(model.levels)]
        leaf_items = torch.from_numpy(np.array(index.leaf_item, dtype=np.int64))
        # keys in the order of the nodes: the children of a node are then neighbours in memory
        orders = [leaf_items if level >= len(model.codes) else _tokens(index, level) for level in range(model.levels)]
        self.node_keys = [table[order] for table, order in zip(tables, orders, strict=True)]
        self.path = _paths(index)
        counts = np.diff(index.item_leaf_start)
        self.shared = (counts > 1)[index.leaf_item]
        """bool[n_leaves]: leaves whose item has other leaves too."""

    @torch.inference_mode()
    def search(
        self,
        states: Tensor,
        wish: Tensor,
        restriction: Restriction,
        widths: Ints,
        pool: int,
        fusion: Fusion | None = None,
    ) -> Candidates:
        """Find the most probable allowed items of each request.

        Args:
            states: float32[B, d].
            wish: float32[B, w].
            restriction: one rule a request, in order.
            widths: int64[B], how many prefixes each request keeps at each level, or int64[B, L - 1] by level.
            pool: at most so many items come back a request.
            fusion: how prefix and item scores are combined; the model's own probabilities when None.

        Returns:
            Items, each once, and log-probabilities: exact for an item of one semantic ID, for an item of several the
            sum over those that the beam reached. Ties go to the smaller node number, that is to the smaller semantic
            ID.
        """
        batch = len(states)
        nodes = np.zeros((batch, 1), dtype=np.int32)
        scores = np.zeros((batch, 1), dtype=np.float32)
        prefix: Tensor | None = None
        rows = np.arange(batch)[:, None]
        expanded = np.zeros(batch, dtype=np.int64)
        for level in range(self.index.levels):
            children, logits = self._expand(level, nodes, states, wish, prefix)
            expanded += (nodes >= 0).sum(axis=1)
            conditional = _log_softmax(logits)
            reached = scores[:, :, None] + conditional
            closed = ~self.restrict_open(restriction, level + 1, children)
            reached[closed] = -np.inf
            if level == self.index.levels - 1:
                fused = reached if fusion is None else fuse(scores, conditional, fusion)
                fused[closed] = -np.inf
                found = self._candidates(reached, fused, children, min(pool, reached[0].size))
                return Candidates(*found, spread=spread(scores), expanded=expanded)
            width = widths_at(widths, level)
            keep = min(int(width.max()), reached[0].size)
            nodes, scores, parents = _best(reached, children, keep)
            if keep > width.min():
                scores[np.arange(keep)[None, :] >= width[:, None]] = -np.inf
                nodes[scores == -np.inf] = -1
            chosen = self._code_vectors(level, nodes)
            prefix = chosen if prefix is None else prefix[torch.from_numpy(rows), torch.from_numpy(parents)] + chosen
        raise AssertionError("an index has at least one level")

    def _candidates(
        self, reached: Floats, fused: Floats, children: NDArray[np.int32], keep: int
    ) -> tuple[Ints, Floats, Floats]:
        """The ``keep`` best items by fused score, and both scores: three [B, W, F] to three [B, keep]."""
        if self.index.leaves > len(self.index):
            if fused is not reached:
                _merge_leaves(fused, children, self.index.leaf_item, self.shared)
            _merge_leaves(reached, children, self.index.leaf_item, self.shared)
        nodes, scores, _, chosen = _best_places(fused, children, keep)
        exact = scores
        if fused is not reached:
            exact = np.take_along_axis(reached.reshape(len(reached), -1), chosen, axis=1)
        items = np.where(nodes >= 0, self.index.leaf_item[np.maximum(nodes, 0)], -1).astype(np.int64)
        return items, exact, scores

    @torch.inference_mode()
    def expand(
        self, level: int, nodes: NDArray[np.int32], states: Tensor, wish: Tensor
    ) -> tuple[NDArray[np.int32], Floats]:
        """Children of any nodes of one depth, whatever was searched before.

        Args:
            level: their depth.
            nodes: int32[B, W], -1 is padding.
            states: float32[B, d].
            wish: float32[B, w].

        Returns:
            int32[B, W, F] nodes and float32[B, W, F] log-probabilities given the prefix, -1 and -inf at padding.
        """
        prefix: Tensor | None = None
        if level:
            first, _ = self.index.leaf_range(level, nodes)
            for depth in range(level):
                codes = self._code_vectors(depth, self.path[first, depth + 1])
                prefix = codes if prefix is None else prefix + codes
        children, logits = self._expand(level, nodes, states, wish, prefix)
        return children, _log_softmax(logits)

    @torch.inference_mode()
    def log_probabilities(self, states: Tensor, wish: Tensor, items: Ints) -> Floats:
        """Exact log-probability of given items, without a search.

        Args:
            states: float32[B, d].
            wish: float32[B, w].
            items: int64[B, M] item indices; -1 is padding.

        Returns:
            float32[B, M]; -inf at padding.
        """
        start = self.index.item_leaf_start
        known = np.maximum(items, 0)
        first, end = start[known], start[known + 1]
        total = self._leaf_log_probabilities(states, wish, self.index.item_leaf[known])
        for further in range(1, int((end - first).max(initial=1))):
            there = first + further < end
            leaves = self.index.item_leaves[np.where(there, first + further, first)]
            total = np.where(there, np.logaddexp(total, self._leaf_log_probabilities(states, wish, leaves)), total)
        return np.where(items >= 0, total, -np.inf).astype(np.float32)

    def _leaf_log_probabilities(self, states: Tensor, wish: Tensor, leaves: NDArray[np.int32]) -> Floats:
        """Exact log-probability of each leaf of int32[B, M]."""
        total = np.zeros(leaves.shape, dtype=np.float32)
        prefix: Tensor | None = None
        for level in range(self.index.levels):
            nodes = self.path[leaves, level].astype(np.int32)
            own = self.path[leaves, level + 1]
            children, logits = self._expand(level, nodes, states, wish, prefix)
            # siblings have consecutive numbers, so the own place is the distance from the first
            place = (own - children[:, :, 0])[:, :, None]
            total += np.take_along_axis(_log_softmax(logits), place, axis=2)[:, :, 0]
            if level < self.index.levels - 1:
                chosen = self._code_vectors(level, own)
                prefix = chosen if prefix is None else prefix + chosen
        return total

    @staticmethod
    def restrict_open(restriction: Restriction, level: int, children: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which children of int32[B, W, F] lead to an item that their request's rule allows; padding does not."""
        rows = np.arange(len(children))[:, None, None]
        opened: NDArray[np.bool_] = restriction.open(level, children, rows)
        return opened

    def _expand(
        self, level: int, nodes: NDArray[np.int32], states: Tensor, wish: Tensor, prefix: Tensor | None
    ) -> tuple[NDArray[np.int32], Floats]:
        """All children of int32[B, W] nodes and their logits: two [B, W, F], -1 and -inf at padding."""
        children, _ = self.index.children(level, nodes)
        width = nodes.shape[1]
        query = self.model.query(
            level,
            states[:, None, :].expand(-1, width, -1),
            wish[:, None, :].expand(-1, width, -1),
            prefix,
        )
        keys = self.node_keys[level]
        if level == 0:
            logits = (query @ keys.T).numpy()
            return children, logits
        together = _by_node(nodes)
        if len(together) * PAIRS_A_NODE <= nodes.size:
            return children, _grouped_logits(query.numpy(), keys.numpy(), children, together)
        gathered = keys[torch.from_numpy(np.maximum(children, 0))]
        logits = torch.matmul(gathered, query[..., None])[..., 0].numpy()
        logits[children < 0] = -np.inf
        return children, logits

    def _code_vectors(self, level: int, nodes: NDArray[np.integer]) -> Tensor:
        tokens = self.index.child_token[level][np.maximum(nodes, 0)].astype(np.int64)
        vectors: Tensor = self.model.codes[level](torch.from_numpy(tokens))
        return vectors


def _by_node(nodes: NDArray[np.int32]) -> list[Ints]:
    """Which places of int32[B, W] hold each node, one array of flat places a node; padding is left out."""
    flat = nodes.reshape(-1)
    order = np.argsort(flat, kind="stable")
    order = order[flat[order] >= 0]
    return np.split(order, np.flatnonzero(np.diff(flat[order])) + 1) if len(order) else []


def _grouped_logits(query: Floats, keys: Floats, children: NDArray[np.int32], together: list[Ints]) -> Floats:
    """Logits of all children, one matrix product a node: float32[B, W, d] to float32[B, W, F], -inf at padding.

    In a batch many beams stand at the same node; gathering its children's keys for each of them would move a hundred
    times as many bytes as there are keys.
    """
    batch, width, fan = children.shape
    flat_query, flat_children = query.reshape(batch * width, -1), children.reshape(batch * width, fan)
    logits = np.full((batch * width, fan), -np.inf, dtype=np.float32)
    for places in together:
        own = flat_children[places[0]]
        count = int((own >= 0).sum())
        # siblings are neighbours in memory
        logits[places, :count] = flat_query[places] @ keys[own[0] : own[0] + count].T
    return logits.reshape(batch, width, fan)


def _tokens(index: ConstraintIndex, level: int) -> Tensor:
    return torch.from_numpy(index.child_token[level].astype(np.int64))


def _paths(index: ConstraintIndex) -> Ints:
    """Node of each leaf at each depth: int64[n_leaves, L + 1]."""
    leaves = np.arange(index.leaves)
    columns = [np.zeros(len(leaves), dtype=np.int64)]
    columns += [
        np.searchsorted(index.leaf_low[level], leaves, side="right") - 1 for level in range(1, index.levels + 1)
    ]
    return np.stack(columns, axis=1)


def _merge_leaves(
    reached: Floats, leaves: NDArray[np.int32], leaf_item: NDArray[np.int32], shared: NDArray[np.bool_]
) -> None:
    """Give one leaf of each item what all its leaves have come to, and close the others; in place.

    Args:
        reached: float32[B, W, F] log-probabilities of leaves.
        leaves: int32[B, W, F], -1 where there is none.
        leaf_item: int32[n_leaves].
        shared: bool[n_leaves], which leaves have a fellow at all; only these are looked at.
    """
    rows, beams, places = np.nonzero(np.isfinite(reached) & shared[leaves])
    if not len(rows):
        return
    keys = rows * np.int64(len(leaf_item)) + leaf_item[leaves[rows, beams, places]]
    order = np.argsort(keys, kind="stable")
    rows, beams, places, keys = rows[order], beams[order], places[order], keys[order]
    opens = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    together = np.logaddexp.reduceat(reached[rows, beams, places], opens)
    reached[rows, beams, places] = -np.inf
    reached[rows[opens], beams[opens], places[opens]] = together


def _log_softmax(logits: Floats) -> Floats:
    """Over the last axis; rows of only -inf (closed beams) stay -inf."""
    highest = logits.max(axis=-1, keepdims=True)
    shifted = logits - np.where(np.isfinite(highest), highest, 0)
    mass = np.exp(shifted).sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.asarray(shifted - np.log(mass), dtype=np.float32) if mass.all() else _guarded(shifted, mass)


def _guarded(shifted: Floats, mass: Floats) -> Floats:
    return np.asarray(shifted - np.log(np.where(mass > 0, mass, 1)), dtype=np.float32)


def _best(reached: Floats, children: NDArray[np.int32], keep: int) -> tuple[NDArray[np.int32], Floats, Ints]:
    """The ``keep`` best children of each row: nodes int32[B, keep], scores, and the beam each came from."""
    nodes, scores, parents, _ = _best_places(reached, children, keep)
    return nodes, scores, parents


def _best_places(
    reached: Floats, children: NDArray[np.int32], keep: int
) -> tuple[NDArray[np.int32], Floats, Ints, Ints]:
    """As :func:`_best`, and where each stood: int64[B, keep] in ``reached`` flattened by row."""
    batch, _, fan = reached.shape
    flat = reached.reshape(batch, -1)
    if keep < flat.shape[1]:
        chosen = np.argpartition(-flat, keep - 1, axis=1)[:, :keep]
    else:
        chosen = np.broadcast_to(np.arange(flat.shape[1]), flat.shape).copy()
    nodes = np.take_along_axis(children.reshape(batch, -1), chosen, axis=1)
    scores = np.take_along_axis(flat, chosen, axis=1)
    order = np.lexsort((nodes, -scores), axis=1)
    nodes = np.take_along_axis(nodes, order, axis=1)
    scores = np.take_along_axis(scores, order, axis=1)
    chosen = np.take_along_axis(chosen, order, axis=1).astype(np.int64)
    nodes = np.where(np.isfinite(scores), nodes, -1).astype(np.int32)
    return nodes, scores, chosen // fan, chosen
