"""What training minimises: the semantic ID's negative log-likelihood, and the item's among the whole catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from recsys_core.generator.meaning import balanced
from recsys_core.generator.model import CompactModel
from recsys_core.generator.siblings import sibling_cross_entropy
from recsys_core.generator.trie import TrieTensors


@dataclass(frozen=True, eq=False)
class Pool:
    """The items that one training step looks at; on a large catalogue reading all of them would cost most of the step.

    Attributes:
        items: int64[P], ascending, each once.
        place: int64[n_items], position of each item in ``items``; -1 outside.
        offset: float32[P], added to the items' logits to make up for how they got into the pool.
    """

    items: Tensor
    place: Tensor
    offset: Tensor


class Kind(NamedTuple):
    """What a group of targets teaches."""

    speaks: bool
    """Whether words were said; without any the wish is zero."""
    bends: bool
    """Whether taste learns from them; otherwise the wish alone does."""


SILENT, SPOKEN, TOLD = Kind(False, True), Kind(True, True), Kind(True, False)


class SidLoss:
    """Cross-entropy down the trie plus the auxiliary item softmax (recipe measured for two cores).

    Args:
        model: its tables are read afresh at each call.
        trie: of the catalogue's semantic IDs.
        full: whether every softmax runs over all items; otherwise over a pool.
        sampled_items: items drawn evenly into each pool, beside those of the batch.
        auxiliary_weight: weight of the auxiliary softmax.
        correction: 1 takes the logarithm of an item's chance to get into the pool off its logit, which makes a sampled
            softmax stand for the whole one; 0 takes nothing off.
    """

    def __init__(
        self,
        model: CompactModel,
        trie: TrieTensors,
        *,
        full: bool,
        sampled_items: int,
        auxiliary_weight: float,
        correction: float = 0.0,
    ) -> None:
        self.model = model
        self.trie = trie
        self.full = full
        self.sampled_items = sampled_items
        self.auxiliary_weight = auxiliary_weight
        self.correction = correction
        self.n_items = len(trie.node)
        self.share = torch.softmax(model.popularity, dim=0)
        """float32[n_items]: share of each item in the training interactions, each counted once more than it has."""
        self.children = [_children_table(trie, level, model) for level in range(model.levels)]
        every = torch.arange(self.n_items)
        self.everything = Pool(every, every, torch.zeros(self.n_items))

    def pool(self, history: Tensor, targets: Tensor, generator: torch.Generator) -> Pool:
        """The items of a step: those of the batch and some drawn evenly, or all.

        An item is in the pool the likelier, the more popular it is. What :attr:`correction` doesn't make up for is
        learned: popular items then score below their share.

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
        return Pool(items, place, -self.correction * torch.log(-torch.expm1(-expected)))

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
        told = torch.zeros(len(targets), dtype=torch.bool) if told is None else told
        speaks = (wish != 0).any(dim=1)
        total = states.new_zeros(len(targets))
        for rows, kind in ((~told & ~speaks, SILENT), (~told & speaks, SPOKEN), (told, TOLD)):
            if bool(rows.any()):
                chosen = rows.nonzero()[:, 0]
                each = self._each(states[chosen], wish[chosen], targets[chosen], item_keys, pool, kind)
                total = total.index_copy(0, chosen, each)
        return total.mean() if weights is None else (total * weights).sum() / weights.sum().clamp(min=1e-6)

    def _each(self, states: Tensor, wish: Tensor, targets: Tensor, item_keys: Tensor, pool: Pool, kind: Kind) -> Tensor:
        """Loss of each target, all of one kind: float32[N]."""
        model = self.model
        query = model.query(model.levels, states, wish)
        logits = self._logits(query, item_keys, pool.offset, kind)
        total = self.auxiliary_weight * functional.cross_entropy(logits, pool.place[targets], reduction="none")
        for level in range(model.levels):
            total = total + self._level(level, states, wish, targets, item_keys, pool, kind)
        return total

    def _logits(self, query: Tensor, keys: Tensor, bias: Tensor | None, kind: Kind) -> Tensor:
        """Dense logits, expert by expert, so that no product is made that gives nothing: float32[N, V]."""
        width, wish = self.model.config.width, self.model.config.wish_width
        with torch.set_grad_enabled(kind.bends and torch.is_grad_enabled()):
            # what content and popularity are compared with isn't learned
            fixed = query[:, width:-wish] @ keys[:, width:-wish].detach().T
            logits = torch.addmm(fixed if bias is None else fixed + bias, query[:, :width], keys[:, :width].T)
        return torch.addmm(logits, query[:, -wish:], keys[:, -wish:].T) if kind.speaks else logits

    def _part(self, vectors: Tensor, kind: Kind) -> Tensor:
        """The columns of queries or keys that count for a kind of targets, with the gradients that it sends."""
        wish = self.model.config.wish_width
        if not kind.speaks:
            return vectors[:, :-wish]
        return vectors if kind.bends else torch.cat([vectors[:, :-wish].detach(), vectors[:, -wish:]], dim=1)

    def _level(
        self, level: int, states: Tensor, wish: Tensor, targets: Tensor, item_keys: Tensor, pool: Pool, kind: Kind
    ) -> Tensor:
        model = self.model
        sids = model.sids[targets]
        query = model.query(level, states, wish, model.prefix_vectors(sids, level) if level else None)
        parents = self.trie.node[targets, level]
        if level < len(model.codes):
            logits = self._logits(query, model.keys(level), None, kind)
            open_logits = logits.masked_fill(~self.children[level][parents], -torch.inf)
            return functional.cross_entropy(open_logits, sids[:, level], reduction="none")
        owner, place = self.trie.node[pool.items, -2], pool.place[targets]
        query, keys = self._part(query, kind), self._part(item_keys, kind)
        return sibling_cross_entropy(query, keys, pool.offset, parents, owner, place)


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
