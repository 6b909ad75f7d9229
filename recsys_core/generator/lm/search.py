"""Beam search down the constraint index with a stock causal LM, for a batch of requests with their own rules.

As in the compact family: what a rule forbids is closed inside the search, a prefix is kept only when an allowed item
lies under it, and log-probabilities are those over the whole catalogue, whatever the rule.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.constraints.restriction import Restriction
from recsys_core.generator.exact import Expansion
from recsys_core.generator.fusion import Fusion, fuse, spread
from recsys_core.generator.lm.engine import LmEngine, Prompts, Tree
from recsys_core.generator.widths import widths_at

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


class Found(NamedTuple):
    """What a search found.

    Attributes:
        items: int64[B, P] item indices, best first, -1 where there are no more.
        log_probability: float32[B, P], -inf where there are no more.
        fused: float32[B, P], what the order follows; equals ``log_probability`` where nothing is sharpened.
        spread: float32[B], standard deviation of the kept prefixes' log-probabilities.
        expanded: int64[B], prefixes that were expanded, the root among them.
        forwarded: codes that went through the model, padding included.
    """

    items: Ints
    log_probability: Floats
    fused: Floats
    spread: Floats
    expanded: Ints
    forwarded: int


class Children(NamedTuple):
    """All children of some nodes: int32[B, W, F] (-1 = padding) and log-probability given the node, -inf at padding."""

    nodes: NDArray[np.int32]
    log_probability: Floats


class LmSearch:
    """An engine and an index, ready to be searched.

    Args:
        engine: of the same semantic IDs.
        index: of the catalogue.
    """

    def __init__(self, engine: LmEngine, index: ConstraintIndex) -> None:
        self.engine = engine
        self.index = index
        tokens = [np.asarray(t, dtype=np.int64) for t in index.child_token]
        if engine.layout.hybrid:
            tokens[-1] = np.asarray(index.leaf_item, dtype=np.int64)
        self.tokens = tokens
        # rows in the order of the nodes: the children of a node are then neighbours in memory
        self.rows = [
            rows[torch.from_numpy(token).to(rows.device)] for rows, token in zip(engine.rows, tokens, strict=True)
        ]
        leaves = np.arange(index.leaves, dtype=np.int64)
        starts = [index.leaf_low[level] for level in range(1, index.levels + 1)]
        # node of each leaf at each depth
        self.path = np.stack(
            [np.zeros_like(leaves), *(np.searchsorted(s, leaves, side="right") - 1 for s in starts)], axis=1
        )

    @torch.inference_mode()
    def search(
        self, prompts: Prompts, restriction: Restriction, widths: Ints, pool: int, fusion: Fusion | None = None
    ) -> Found:
        """Find the most probable allowed items of each request.

        Args:
            prompts: B requests.
            restriction: one rule a request, in order.
            widths: int64[B], how many prefixes each request keeps at each level, or int64[B, L - 1] by level.
            pool: at most so many items come back a request.
            fusion: how prefix and item scores are combined; the model's own probabilities when None.

        Returns:
            Items, each once, and log-probabilities: exact for an item of one semantic ID, for an item of several the
            sum over those that the beam reached. Ties go to the smaller semantic ID.
        """
        batch = len(prompts.states)
        rows = np.arange(batch)[:, None]
        nodes, scores = np.zeros((batch, 1), np.int32), np.zeros((batch, 1), np.float32)
        tree = self.engine.tree(prompts)
        above = np.zeros((batch, 1), dtype=np.int64)
        count = np.zeros(batch, dtype=np.int64)
        for level in range(self.index.levels):
            expanded, tree = self.expand(level, nodes, prompts, tree, above)
            count += (nodes >= 0).sum(axis=1)
            reached = scores[:, :, None] + expanded.log_probability
            closed = ~restriction.open(level + 1, expanded.nodes, rows[:, :, None])
            reached[closed] = -np.inf
            if level == self.index.levels - 1:
                fused = reached
                if fusion is not None:
                    fused = fuse(scores, expanded.log_probability, fusion)
                    fused[closed] = -np.inf
                found = self._found(reached, fused, expanded.nodes, pool)
                return Found(*found, spread=spread(scores), expanded=count, forwarded=batch * tree.tokens)
            width = widths_at(widths, level)
            keep = min(int(width.max(initial=1)), reached[0].size)
            nodes, scores, parents = _best(reached, expanded.nodes, keep)
            beyond = np.arange(keep)[None, :] >= width[:, None]
            nodes, scores = np.where(beyond, -1, nodes), np.where(beyond, -np.inf, scores).astype(np.float32)
            # numbers in the tree of the codes that lead to the new nodes' parents
            above = parents + (tree.tokens - expanded.nodes.shape[1])
        raise AssertionError("an index has at least one level")

    def _found(
        self, reached: Floats, fused: Floats, leaves: NDArray[np.int32], pool: int
    ) -> tuple[Ints, Floats, Floats]:
        """The ``pool`` best items by fused score, and both scores: three [B, W, F] to three [B, pool]."""
        batch = len(reached)
        exact, order = reached.reshape(batch, -1), fused.reshape(batch, -1)
        places = leaves.reshape(batch, -1)
        if self.index.leaves > len(self.index):
            exact, order = self._added_up(exact, places), self._added_up(order, places)
            places = np.broadcast_to(self.index.item_leaf, exact.shape)
        chosen = np.lexsort((places, -order), axis=1)[:, :pool]
        ranked, best = np.take_along_axis(order, chosen, axis=1), np.take_along_axis(places, chosen, axis=1)
        items = np.where(np.isfinite(ranked), self.index.leaf_item[np.maximum(best, 0)], -1).astype(np.int64)
        return items, np.take_along_axis(exact, chosen, axis=1), ranked

    def _added_up(self, scores: Floats, leaves: NDArray[np.int32]) -> Floats:
        """Log-probabilities of reached leaves, added up by item: two [B, N] to float32[B, n_items]."""
        rows, columns = np.nonzero(np.isfinite(scores))
        total = np.full((len(scores), len(self.index)), -np.inf, dtype=np.float32)
        np.logaddexp.at(total, (rows, self.index.leaf_item[leaves[rows, columns]]), scores[rows, columns])
        return total

    @torch.inference_mode()
    def log_probabilities(self, prompts: Prompts, items: Ints) -> Floats:
        """Exact log-probability of given items, without a search.

        Args:
            prompts: B requests.
            items: int64[B, M] item indices; -1 is padding.

        Returns:
            float32[B, M]; -inf at padding.
        """
        known, start = np.maximum(items, 0), self.index.item_leaf_start
        first, end = start[known], start[known + 1]
        total = self._leaf_log_probabilities(prompts, self.index.item_leaf[known])
        for further in range(1, int((end - first).max(initial=1))):
            there = first + further < end
            leaves = self.index.item_leaves[np.where(there, first + further, first)]
            total = np.where(there, np.logaddexp(total, self._leaf_log_probabilities(prompts, leaves)), total)
        return np.where(items >= 0, total, -np.inf).astype(np.float32)

    def _leaf_log_probabilities(self, prompts: Prompts, leaves: NDArray[np.int32]) -> Floats:
        """Exact log-probability of each leaf of int32[B, M]."""
        total = np.zeros(leaves.shape, dtype=np.float32)
        tree = self.engine.tree(prompts)
        width = leaves.shape[1]
        for level in range(self.index.levels):
            own = self.path[leaves, level + 1]
            above = np.broadcast_to(tree.tokens - width + np.arange(width), leaves.shape)
            expanded, tree = self.expand(level, self.path[leaves, level].astype(np.int32), prompts, tree, above)
            # siblings have consecutive numbers, so the own place is the distance from the first
            place = (own - expanded.nodes[:, :, 0])[:, :, None]
            total += np.take_along_axis(expanded.log_probability, place, axis=2)[:, :, 0]
        return total

    def expand(
        self, level: int, nodes: NDArray[np.int32], prompts: Prompts, tree: Tree, above: Ints
    ) -> tuple[Children, Tree]:
        """Children of some nodes.

        Args:
            level: their depth.
            nodes: int32[B, W], -1 is padding.
            prompts: B requests.
            tree: codes that ran before.
            above: int64[B, W], number in the tree of the code before each node's own; read from depth 2 on.

        Returns:
            The children, and the tree with the nodes' own codes at its end.
        """
        children, _ = self.index.children(level, nodes)
        if level == 0:
            states: Tensor = prompts.states[:, None, :].expand(-1, nodes.shape[1], -1)
        else:
            codes = torch.from_numpy(self.tokens[level - 1][np.maximum(nodes, 0)])
            states, tree = self.engine.grow(prompts, tree, level - 1, codes, torch.from_numpy(np.array(above)))
        gathered = self.rows[level][torch.from_numpy(np.maximum(children, 0)).to(states.device)]
        logits = torch.matmul(gathered, states[..., None])[..., 0]
        padding = torch.from_numpy(children < 0).to(states.device)
        # closed beams have no children at all: their rows stay -inf instead of becoming "not a number"
        normalised = torch.log_softmax(logits.masked_fill(padding, -1e30), dim=-1).masked_fill(padding, -torch.inf)
        return Children(children, normalised.cpu().numpy()), tree


class LmExpander:
    """Prefixes of the exact search (:class:`recsys_core.generator.exact.Expander`): each code runs once."""

    def __init__(self, search: LmSearch, prompts: Prompts) -> None:
        self._search = search
        self._prompts = prompts
        self._tree = search.engine.tree(prompts)
        self.forwarded = 0
        """Codes that went through the model, padding included."""

    @torch.inference_mode()
    def expand(self, level: int, nodes: NDArray[np.int32], above: Ints) -> Expansion:
        """See the protocol; a prefix is known by the number of its last code in the tree."""
        before = self._tree.tokens
        children, self._tree = self._search.expand(level, nodes, self._prompts, self._tree, above)
        self.forwarded += len(nodes) * (self._tree.tokens - before)
        handles = np.broadcast_to(before + np.arange(nodes.shape[1]), nodes.shape).astype(np.int64)
        return Expansion(children.nodes, children.log_probability, handles)

    def keep(self, rows: Ints) -> None:
        """See the protocol."""
        self._prompts, self._tree = self._prompts.take(rows), self._tree.take(rows)


def _best(
    reached: Floats, children: NDArray[np.int32], keep: int
) -> tuple[NDArray[np.int32], Floats, NDArray[np.int64]]:
    """The ``keep`` best children of each row: nodes int32[B, keep], scores, and the beam each came from."""
    batch, _, fan = reached.shape
    scores, nodes = reached.reshape(batch, -1), children.reshape(batch, -1)
    order = np.lexsort((nodes, -scores), axis=1)[:, :keep]
    scores, nodes = np.take_along_axis(scores, order, axis=1), np.take_along_axis(nodes, order, axis=1)
    nodes = np.where(np.isfinite(scores), nodes, -1).astype(np.int32)
    return nodes, scores, (order // fan).astype(np.int64)
