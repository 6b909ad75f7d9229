"""The model's distribution over items: a product of softmaxes down the trie of semantic IDs.

At every node the softmax runs over the children that exist, so the probabilities of all items sum to one by
construction, in the hybrid and in the pure layout. This module holds the slow and exact form, over all nodes at once;
the beam search in :mod:`recsys_core.generator.beam` visits only what it keeps, and tests hold the two against each
other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.generator.model import CompactModel


class TrieTensors(NamedTuple):
    """The constraint index as torch tensors; ``l`` runs over levels, a node's number is the index's.

    Attributes:
        parent: per level, int64[nodes at depth l + 1], the parent of each child.
        token: per level, int64[nodes at depth l + 1], row of the level's output table.
        prefix: per level, int64[nodes at depth l, l], the tokens that lead to each node.
        node: int64[n_items, L + 1], the node of each item's main leaf at each depth.
        leaf_item: int64[n_leaves].
    """

    parent: tuple[Tensor, ...]
    token: tuple[Tensor, ...]
    prefix: tuple[Tensor, ...]
    node: Tensor
    leaf_item: Tensor

    @classmethod
    def from_index(cls, index: ConstraintIndex, *, hybrid: bool) -> TrieTensors:
        """Read the arrays; at the hybrid layout's last level the token is the item index itself."""
        parents, tokens, prefixes = [], [], [np.zeros((1, 0), dtype=np.int64)]
        node = np.zeros((len(index), index.levels + 1), dtype=np.int64)
        leaves = np.asarray(index.item_leaf, dtype=np.int64)
        for level in range(index.levels):
            start = np.asarray(index.child_start[level], dtype=np.int64)
            parent = np.repeat(np.arange(len(start) - 1), np.diff(start))
            token = np.asarray(index.child_token[level], dtype=np.int64)
            if hybrid and level == index.levels - 1:
                token = np.asarray(index.leaf_item, dtype=np.int64)
            parents.append(torch.from_numpy(parent))
            tokens.append(torch.from_numpy(token.copy()))
            prefixes.append(np.concatenate([prefixes[-1][parent], token[:, None]], axis=1))
            node[:, level + 1] = np.searchsorted(index.leaf_low[level + 1], leaves, side="right") - 1
        return cls(
            tuple(parents),
            tuple(tokens),
            tuple(torch.from_numpy(p) for p in prefixes[:-1]),
            torch.from_numpy(node),
            torch.from_numpy(np.asarray(index.leaf_item, dtype=np.int64).copy()),
        )


def all_log_probabilities(
    model: CompactModel, trie: TrieTensors, states: Tensor, wish: Tensor, *, chunk: int = 64
) -> Tensor:
    """Exact log-probability of every item.

    Args:
        model: in evaluation mode.
        trie: of the same SIDs.
        states: float32[B, d], from :meth:`CompactModel.forward`.
        wish: float32[B, w], of the same rows.
        chunk: rows at a time, to bound memory at about ``chunk * n_items * d`` floats.

    Returns:
        float32[B, n_items]; ``exp`` of each row sums to 1.
    """
    item_vectors = model.item_vectors()
    keys = [model.keys(level, item_vectors) for level in range(model.levels)]
    rows = range(0, len(states), chunk)
    return torch.cat([_log_probabilities(model, trie, states[r : r + chunk], wish[r : r + chunk], keys) for r in rows])


def _log_probabilities(
    model: CompactModel, trie: TrieTensors, states: Tensor, wish: Tensor, keys: list[Tensor]
) -> Tensor:
    total = states.new_zeros(len(states), 1)
    for level, (parent, token, prefix) in enumerate(zip(trie.parent, trie.token, trie.prefix, strict=True)):
        if level == 0:
            logits = model.query(0, states, wish) @ keys[0][token].T
        else:
            vectors = model.prefix_vectors(prefix, level).expand(len(states), -1, -1)
            at_nodes = model.query(
                level,
                states[:, None, :].expand(-1, len(prefix), -1),
                wish[:, None, :].expand(-1, len(prefix), -1),
                vectors,
            )
            logits = _child_logits(at_nodes, parent, keys[level][token])
        highest = logits.new_full((len(states), len(prefix)), -torch.inf)
        highest = highest.scatter_reduce(1, parent.expand_as(logits), logits, "amax")
        mass = torch.zeros_like(highest).scatter_add_(1, parent.expand_as(logits), (logits - highest[:, parent]).exp())
        total = (total - highest - mass.log())[:, parent] + logits
    items = len(trie.node)
    if items == len(trie.leaf_item):
        by_item = torch.empty_like(total)
        by_item[:, trie.leaf_item] = total
        return by_item
    owner = trie.leaf_item.expand_as(total)
    best = total.new_full((len(total), items), -torch.inf).scatter_reduce(1, owner, total, "amax")
    mass = torch.zeros_like(best).scatter_add_(1, owner, (total - best[:, trie.leaf_item]).exp())
    return best + mass.log()


def _child_logits(queries: Tensor, parent: Tensor, keys: Tensor) -> Tensor:
    """Each node's query against its children's keys: float32[B, nodes, d], int64[C], float32[C, d] to float32[B, C].

    Children of a node are neighbours, so a matrix product a node does it; the nodes are padded to the widest unless
    that would mostly multiply padding.
    """
    nodes = queries.shape[1]
    widths = torch.bincount(parent, minlength=nodes)
    widest = int(widths.max())
    if nodes * widest > 16 * len(parent):
        return torch.einsum("bcd,cd->bc", queries[:, parent], keys)
    first = widths.cumsum(0) - widths
    place = torch.arange(len(parent)) - first[parent]
    padded = keys.new_zeros(nodes, widest, keys.shape[1])
    padded[parent, place] = keys
    return torch.bmm(queries.transpose(0, 1), padded.transpose(1, 2))[parent, :, place].T
