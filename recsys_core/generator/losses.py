"""What training minimises: the semantic ID's negative log-likelihood, and the item's among the whole catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from recsys_core.generator.meaning import balanced
from recsys_core.generator.model import CompactModel
from recsys_core.generator.trie import TrieTensors


@dataclass(frozen=True, eq=False)
class Pool:
    """The items that one training step looks at; on a large catalogue reading all of them would cost most of the step.

    Attributes:
        items: int64[P], ascending, each once.
        place: int64[n_items], position of each item in ``items``; -1 outside.
        log_chance: float32[P], logarithm of the probability that an item gets into the pool.
    """

    items: Tensor
    place: Tensor
    log_chance: Tensor


class SidLoss:
    """Cross-entropy down the trie plus the auxiliary item softmax (recipe measured for two cores).

    Args:
        model: its tables are read afresh at each call.
        trie: of the catalogue's semantic IDs.
        full: whether every softmax runs over all items; otherwise over a pool.
        sampled_items: items drawn evenly into each pool, beside those of the batch.
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
        every = torch.arange(self.n_items)
        self.everything = Pool(every, every, torch.zeros(self.n_items))

    def pool(self, history: Tensor, targets: Tensor, generator: torch.Generator) -> Pool:
        """The items of a step: those of the batch and some drawn evenly, or all.

        An item is in the pool the likelier, the more popular it is; its ``log_chance`` is taken off its logit, or
        popularity would be punished.

        Args:
            history: int64[B, T], -1 at padding.
            targets: int64[N].
            generator: for the draw.
        """
        if self.full:
            return self.everything
        drawn = torch.randint(self.n_items, (self.sampled_items,), generator=generator)
        items = torch.unique(torch.cat([history[history >= 0], targets, drawn]))
        place = torch.full((self.n_items,), -1)
        place[items] = torch.arange(len(items))
        expected = len(targets) * self.share[items] + self.sampled_items / self.n_items
        return Pool(items, place, torch.log(-torch.expm1(-expected)))

    def __call__(
        self,
        states: Tensor,
        wish: Tensor,
        targets: Tensor,
        item_keys: Tensor,
        pool: Pool,
        weights: Tensor | None = None,
        told: Tensor | None = None,
    ) -> Tensor:
        """Mean loss.

        What words add is learned on top of taste as it is: targets under a condition are often far ahead in the
        history, and if they bent taste, plain requests would pay for it.

        Args:
            states: float32[N, d].
            wish: float32[N, w].
            targets: int64[N] item indices, all in the pool.
            item_keys: float32[P, d + w], of the pool's items.
            pool: from :meth:`pool`.
            weights: float32[N], how much each target counts; all alike when None.
            told: bool[N], targets under a condition in words: they train the wish and nothing else; none when None.
        """
        if told is None or not bool(told.any()):
            total = self._each(states, wish, targets, item_keys, pool, bends=True)
        else:
            total = states.new_zeros(len(targets))
            for rows, bends in ((~told, True), (told, False)):
                if bool(rows.any()):
                    each = self._each(states[rows], wish[rows], targets[rows], item_keys, pool, bends=bends)
                    total = total.masked_scatter(rows, each)
        return total.mean() if weights is None else (total * weights).sum() / weights.sum().clamp(min=1e-6)

    def _each(
        self, states: Tensor, wish: Tensor, targets: Tensor, item_keys: Tensor, pool: Pool, *, bends: bool
    ) -> Tensor:
        """Loss of each target: float32[N]; without ``bends``, gradients reach the wish only."""
        wanted = pool.place[targets]
        item_keys = self._part(item_keys, bends)
        query = self._part(self.model.query(self.model.levels, states, wish), bends)
        logits = query @ item_keys.T - pool.log_chance
        total = self.auxiliary_weight * functional.cross_entropy(logits, wanted, reduction="none")
        for level in range(self.model.levels):
            total = total + self._level(level, states, wish, targets, item_keys, pool, bends)
        return total

    def _part(self, vectors: Tensor, bends: bool) -> Tensor:
        """The vectors as they are, or with the gradient of their wish alone, which comes last."""
        if bends:
            return vectors
        width = self.model.config.wish_width
        return torch.cat([vectors[:, :-width].detach(), vectors[:, -width:]], dim=1)

    def _level(
        self, level: int, states: Tensor, wish: Tensor, targets: Tensor, item_keys: Tensor, pool: Pool, bends: bool
    ) -> Tensor:
        model = self.model
        sids = model.sids[targets]
        query = model.query(level, states, wish, model.prefix_vectors(sids, level) if level else None)
        query = self._part(query, bends)
        parents = self.trie.node[targets, level]
        if level < len(model.codes):
            logits = query @ self._part(model.keys(level), bends).T
            open_logits = logits.masked_fill(~self.children[level][parents], -torch.inf)
            return functional.cross_entropy(open_logits, sids[:, level], reduction="none")
        outside = self.trie.node[pool.items, -2][None, :] != parents[:, None]
        logits = query @ item_keys.T - pool.log_chance
        return functional.cross_entropy(logits.masked_fill(outside, -torch.inf), pool.place[targets], reduction="none")


def grounding_loss(model: CompactModel, wish: Tensor, means: Tensor, item_keys: Tensor) -> Tensor:
    """How badly the wish alone tells the items it means from the others: balanced binary cross-entropy.

    Args:
        model: for its factor and threshold.
        wish: float32[G, w].
        means: bool[G, P].
        item_keys: float32[P, d + w], of the auxiliary head.
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


def parameter_groups(model: CompactModel, weight_decay: float) -> list[dict[str, Sequence[torch.nn.Parameter] | float]]:
    """Decay on weight matrices of transformer and projections; none on embeddings, biases, norms and factors."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    decayed = [p for p in model.parameters() if p.ndim >= 2 and id(p) not in embeddings]
    chosen = {id(p) for p in decayed}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
