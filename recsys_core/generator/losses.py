"""What training minimises: the semantic ID's negative log-likelihood, and the item's among the whole catalogue."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from recsys_core.generator.meaning import balanced
from recsys_core.generator.model import CompactModel
from recsys_core.generator.trie import TrieTensors

SAMPLED_SIBLINGS = 64
"""Items of the target's own bucket that stand in for all of them when the catalogue is large."""


class SidLoss:
    """Cross-entropy down the trie plus the auxiliary item softmax (recipe measured for two cores).

    Args:
        model: its tables are read afresh at each call.
        trie: of the catalogue's semantic IDs.
        full: whether every softmax runs over all items; otherwise negatives are sampled.
        sampled_items: shared negatives of the auxiliary softmax when not ``full``.
        auxiliary_weight: weight of the auxiliary softmax.
    """

    def __init__(
        self, model: CompactModel, trie: TrieTensors, *, full: bool, sampled_items: int, auxiliary_weight: float
    ) -> None:
        self.model = model
        self.trie = trie
        self.full = full
        self.sampled_items = sampled_items
        self.auxiliary_weight = auxiliary_weight
        self.n_items = len(trie.node)
        self.share = torch.softmax(model.popularity, dim=0)
        """float32[n_items]: share of each item in the training interactions, each counted once more than it has."""
        self.children = [_children_table(trie, level, model) for level in range(model.levels)]
        last_parent = trie.node[:, -2]
        self.bucket_low, self.bucket_high = _ranges(trie.parent[-1], int(last_parent.max()) + 1)

    def __call__(
        self, states: Tensor, wish: Tensor, targets: Tensor, item_vectors: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Mean loss.

        Args:
            states: float32[N, d].
            wish: float32[N, w].
            targets: int64[N] item indices.
            item_vectors: float32[n_items, d].
            generator: for sampled negatives.
        """
        item_keys = self.model.keys(self.model.levels, item_vectors)
        total = self.auxiliary_weight * self._auxiliary(states, wish, targets, item_keys, generator)
        for level in range(self.model.levels):
            total = total + self._level(level, states, wish, targets, item_keys, generator)
        return total

    def _level(
        self,
        level: int,
        states: Tensor,
        wish: Tensor,
        targets: Tensor,
        item_keys: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        model = self.model
        sids = model.sids[targets]
        query = model.query(level, states, wish, model.prefix_vectors(sids, level) if level else None)
        parents = self.trie.node[targets, level]
        if level < len(model.codes):
            logits = query @ model.keys(level).T
            return functional.cross_entropy(
                logits.masked_fill(~self.children[level][parents], -torch.inf), sids[:, level]
            )
        if not self.full:
            return self._sampled_bucket(query, targets, parents, item_keys, generator)
        outside = self.trie.node[:, -2][None, :] != parents[:, None]
        return functional.cross_entropy((query @ item_keys.T).masked_fill(outside, -torch.inf), targets)

    def _sampled_bucket(
        self, query: Tensor, targets: Tensor, parents: Tensor, item_keys: Tensor, generator: torch.Generator
    ) -> Tensor:
        low, high = self.bucket_low[parents], self.bucket_high[parents]
        draws = torch.rand(len(targets), SAMPLED_SIBLINGS, generator=generator)
        negatives = self.trie.leaf_item[low[:, None] + (draws * (high - low)[:, None]).long()]
        own = (query * functional.embedding(targets, item_keys)).sum(-1, keepdim=True)
        # embedding, not indexing: its backward adds rows up ten times faster
        others = torch.einsum("nd,nmd->nm", query, functional.embedding(negatives, item_keys))
        # each draw stands for (bucket size) / (draws) members
        others = others + ((high - low).float() / SAMPLED_SIBLINGS).log()[:, None]
        others = others.masked_fill(negatives == targets[:, None], -torch.inf)
        return functional.cross_entropy(torch.cat([own, others], dim=1), torch.zeros_like(targets))

    def _auxiliary(
        self, states: Tensor, wish: Tensor, targets: Tensor, item_keys: Tensor, generator: torch.Generator
    ) -> Tensor:
        query = self.model.query(self.model.levels, states, wish)
        if self.full:
            return functional.cross_entropy(query @ item_keys.T, targets)
        drawn = torch.randint(self.n_items, (self.sampled_items,), generator=generator)
        pool, wanted = torch.unique(torch.cat([targets, drawn]), return_inverse=True)
        # an item is in the pool the likelier, the more popular it is; uncorrected, that would punish popularity
        expected = len(targets) * self.share[pool] + self.sampled_items / self.n_items
        logits = query @ item_keys.index_select(0, pool).T - torch.log(-torch.expm1(-expected))
        return functional.cross_entropy(logits, wanted[: len(targets)])


def grounding_loss(model: CompactModel, wish: Tensor, means: Tensor, item_keys: Tensor) -> Tensor:
    """How badly the wish alone tells the items it means from the others: balanced binary cross-entropy.

    Args:
        model: for its factor and threshold.
        wish: float32[G, w].
        means: bool[G, n_items].
        item_keys: float32[n_items, d + w], of the auxiliary head.
    """
    cosines = wish @ item_keys[:, -wish.shape[-1] :].T
    return balanced(cosines * model.log_fit_scale.clamp(max=4.6).exp() - model.fit_threshold, means)


def _children_table(trie: TrieTensors, level: int, model: CompactModel) -> Tensor:
    """bool[nodes at ``level``, vocabulary]: which tokens continue each node; empty where items are the tokens."""
    if level >= len(model.codes):
        return torch.empty(0)
    nodes = int(trie.parent[level].max()) + 1
    table = torch.zeros(nodes, model.code_sizes[level], dtype=torch.bool)
    table[trie.parent[level], trie.token[level]] = True
    return table


def _ranges(parents: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
    counts = torch.bincount(parents, minlength=nodes)
    high = counts.cumsum(0)
    return high - counts, high


def parameter_groups(model: CompactModel, weight_decay: float) -> list[dict[str, Sequence[torch.nn.Parameter] | float]]:
    """Decay on weight matrices of transformer and projections; none on embeddings, biases, norms and factors."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    decayed = [p for p in model.parameters() if p.ndim >= 2 and id(p) not in embeddings]
    chosen = {id(p) for p in decayed}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
