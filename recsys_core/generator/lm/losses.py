"""What training minimises: the semantic ID down the trie, the item among the whole catalogue, and words.

Rows are looked up with ``embedding``, whose gradient is added up several times faster than that of indexing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_core.generator.lm.config import LmTrainConfig
from recsys_core.generator.lm.documents import Rows
from recsys_core.generator.lm.model import LmModel
from recsys_core.generator.trie import TrieTensors


class LmLoss(nn.Module):
    """The model and its loss in one module, so that data-parallel wrappers see one forward call.

    The probability of an item is the one that is served: at each level a softmax over the children that exist.

    Args:
        model: its rows are read afresh at each call.
        trie: of the catalogue's semantic IDs.
        config: weights and sample sizes.
    """

    node: Tensor

    def __init__(self, model: LmModel, trie: TrieTensors, config: LmTrainConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config
        layout = model.layout
        for level, size in enumerate(layout.code_sizes):
            nodes = int(trie.parent[level].max()) + 1
            table = torch.zeros(nodes, size, dtype=torch.bool)
            table[trie.parent[level], trie.token[level]] = True
            self.register_buffer(f"children_{level}", table, persistent=False)
        self.register_buffer("node", trie.node, persistent=False)
        self.siblings = _Siblings(trie, config.sampled_siblings) if layout.hybrid else None

    def forward(self, rows: Rows, generator: torch.Generator) -> Tensor:
        """Weighted mean loss a target.

        Args:
            rows: packed documents, on the model's device.
            generator: for sampled negatives, on the processor.
        """
        states = self.model(rows.tokens, rows.position, rows.sees, rows.depth)
        with torch.autocast(states.device.type, enabled=False):
            # softmaxes over thousands of cosines need the full precision
            return self._total(rows, states.float().flatten(0, 1), generator)

    def _total(self, rows: Rows, flat: Tensor, generator: torch.Generator) -> Tensor:
        model, config = self.model, self.config
        item_rows = model.item_outputs()
        total: Tensor = flat.sum() * 0.0
        if len(rows.targets):
            each = config.auxiliary_weight * self._auxiliary(
                functional.embedding(rows.states[:, 0], flat), rows.targets, item_rows, generator
            )
            for level in range(model.layout.levels):
                each = each + self._level(
                    level, functional.embedding(rows.states[:, level], flat), rows.targets, item_rows, generator
                )
            total = total + (each * rows.weights).sum() / rows.weights.sum().clamp(min=1e-6)
        if len(rows.words):
            logits = functional.embedding(rows.word_states, flat) @ model.text_out.T
            total = total + config.text_weight * functional.cross_entropy(logits, rows.words)
        return total

    def _level(
        self, level: int, states: Tensor, targets: Tensor, item_rows: Tensor, generator: torch.Generator
    ) -> Tensor:
        model = self.model
        query = states * model.scale(level)
        parents = self.node[targets, level]
        if level < len(model.layout.code_sizes):
            children = getattr(self, f"children_{level}")[parents]
            logits = (query @ model.code_outputs(level).T).masked_fill(~children, -torch.inf)
            return functional.cross_entropy(logits, model.sids[targets, level], reduction="none")
        if self.siblings is None:
            raise AssertionError("only the hybrid layout has a level of items")
        return self.siblings.loss(query, targets, parents, item_rows, generator)

    def _auxiliary(self, states: Tensor, targets: Tensor, item_rows: Tensor, generator: torch.Generator) -> Tensor:
        query = states * self.model.scale(self.model.layout.levels)
        if len(item_rows) <= self.config.full_softmax_items:
            return functional.cross_entropy(query @ item_rows.T, targets, reduction="none")
        drawn = torch.randint(len(item_rows), (self.config.sampled_items,), generator=generator).to(targets.device)
        pool, wanted = torch.unique(torch.cat([targets, drawn]), return_inverse=True)
        return functional.cross_entropy(
            query @ functional.embedding(pool, item_rows).T, wanted[: len(targets)], reduction="none"
        )


class _Members(NamedTuple):
    """Items that share a node: int64[N, M], -1 = none, and how many of the node each stands for, float32[N, 1]."""

    items: Tensor
    stands_for: Tensor


class _Siblings(nn.Module):
    """Softmax over the items under one prefix: all of them where they are few, a sample where they are many."""

    high: Tensor
    low: Tensor
    leaf_item: Tensor

    def __init__(self, trie: TrieTensors, sampled: int) -> None:
        super().__init__()
        parents = trie.parent[-1]
        counts = torch.bincount(parents)
        self.sampled = sampled
        self.widest = int(counts.max())
        high = counts.cumsum(0)
        self.register_buffer("high", high, persistent=False)
        self.register_buffer("low", high - counts, persistent=False)
        self.register_buffer("leaf_item", trie.leaf_item, persistent=False)

    def loss(
        self, query: Tensor, targets: Tensor, parents: Tensor, item_rows: Tensor, generator: torch.Generator
    ) -> Tensor:
        members = self._members(parents, generator)
        own = (query * functional.embedding(targets, item_rows)).sum(-1, keepdim=True)
        others = torch.einsum("nd,nmd->nm", query, functional.embedding(members.items.clamp(min=0), item_rows))
        others = others + members.stands_for.log()
        others = others.masked_fill((members.items < 0) | (members.items == targets[:, None]), -torch.inf)
        return -functional.log_softmax(torch.cat([own, others], dim=1), dim=1)[:, 0]

    def _members(self, parents: Tensor, generator: torch.Generator) -> _Members:
        low, high = self.low[parents][:, None], self.high[parents][:, None]
        if self.widest <= 2 * self.sampled:
            leaves = low + torch.arange(self.widest, device=parents.device)
            inside = leaves < high
            items = torch.where(inside, self.leaf_item[torch.where(inside, leaves, 0)], -1)
            return _Members(items, torch.ones_like(low, dtype=torch.float32))
        draws = torch.rand(len(parents), self.sampled, generator=generator).to(parents.device)
        items = self.leaf_item[low + (draws * (high - low)).long()]
        return _Members(items, (high - low).float() / self.sampled)


def parameter_groups(model: LmModel, config: LmTrainConfig) -> list[dict[str, object]]:
    """Decay on matrices of transformer and projections; none on token tables, norms and factors.

    Weights that came pretrained learn more slowly: ``factor`` of a group is on its learning rate.
    """
    tables = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    tables |= {id(model.text_in), id(model.text_out)}
    pretrained = {id(p) for p in model.backbone.parameters()} | {id(model.text_in), id(model.text_out)}
    slow = config.pretrained_rate if model.config.pretrained else 1.0
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            decay = config.weight_decay if parameter.ndim >= 2 and id(parameter) not in tables else 0.0
            groups.setdefault((decay, slow if id(parameter) in pretrained else 1.0), []).append(parameter)
    return [{"params": p, "weight_decay": decay, "factor": factor} for (decay, factor), p in groups.items()]
