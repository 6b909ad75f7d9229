"""The network of SASRec: item vectors in, one state a position out, tensors only."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_core.baselines.sasrec.config import SasRecConfig
from recsys_core.errors import ConfigError
from recsys_core.generator.model import Block


class SasRecModel(nn.Module):
    """Causal transformer over item vectors (Kang & McAuley 2018, arXiv 1808.09781).

    A learned start position stands before the first item, so that an empty history has a state too.

    Args:
        config: shape.
        n_items: size of the catalogue.
        content: float32[n_items, d_content], centred unit rows; d_content 0 for none.

    Raises:
        ConfigError: ``heads`` does not divide ``width``.
    """

    content: Tensor

    def __init__(self, config: SasRecConfig, n_items: int, content: Tensor) -> None:
        super().__init__()
        if config.width % config.heads:
            raise ConfigError(f"baseline sasrec: heads={config.heads} does not divide width={config.width}")
        self.config = config
        self.n_items = n_items
        self.register_buffer("content", content, persistent=False)
        self.items = nn.Embedding(n_items, config.width)
        self.content_in = nn.Linear(content.shape[1], config.width, bias=False) if content.shape[1] else None
        self.start = nn.Parameter(torch.zeros(config.width))
        self.positions = nn.Embedding(config.window + 1, config.width)
        self.blocks = nn.ModuleList(Block(config.width, config.heads, config.dropout) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.log_scale = nn.Parameter(torch.tensor(config.start_scale).log(), requires_grad=config.cosine)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.items.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)

    def item_vectors(self, items: Tensor | None = None) -> Tensor:
        """Learned vector plus mapped content: float32[n, d] of int64[n] items, or of the whole catalogue."""
        learned: Tensor = self.items.weight if items is None else self.items(items)
        if self.content_in is None:
            return learned
        vectors: Tensor = learned + self.content_in(self.content if items is None else self.content[items])
        return vectors

    def forward(self, inputs: Tensor) -> Tensor:
        """States.

        Args:
            inputs: float32[B, T, d], item vectors, right-padded with anything: no earlier position sees it.

        Returns:
            float32[B, T + 1, d]; state t knows the first t items.
        """
        x = torch.cat([self.start.expand(len(inputs), 1, -1), inputs], dim=1)
        x = self.dropout(x + self.positions.weight[: x.shape[1]])
        for block in self.blocks:
            x = block(x)
        states: Tensor = self.norm(x)
        return states

    def keys(self, vectors: Tensor) -> Tensor:
        """What states are multiplied with: item vectors float32[n, d], of unit length for cosine logits."""
        return functional.normalize(vectors, dim=-1) if self.config.cosine else vectors

    def logits(self, states: Tensor, keys: Tensor) -> Tensor:
        """Scores float32[B, n] of float32[B, d] states against :meth:`keys`."""
        if self.config.cosine:
            # beyond e^4.6 = 100 the softmax is as good as hard
            states = functional.normalize(states, dim=-1) * self.log_scale.clamp(max=4.6).exp()
        return states @ keys.T

    def loss(self, history: Tensor, targets: Tensor, drawn: Tensor | None = None) -> Tensor:
        """Mean cross-entropy of the next item.

        Args:
            history: int64[B, T], right-padded with -1.
            targets: int64[B, T + 1], -1 = none.
            drawn: int64[m] negatives that all positions share, beside the other targets of the batch; None for the
                softmax over the whole catalogue. With every item drawn the two are equal.
        """
        known, wanted = history.clamp(min=0), targets >= 0
        aims = targets[wanted]
        if drawn is None:
            vectors, pool = self.item_vectors(), None
            inputs, aim_rows = functional.embedding(known, vectors), aims
        else:
            # vectors of the items at hand only: on a large catalogue the content map would cost more than the rest
            needed, rows = torch.unique(torch.cat([aims, drawn, known.flatten()]), return_inverse=True)
            vectors, pool = self.item_vectors(needed), rows[: len(aims) + len(drawn)].unique()
            inputs = functional.embedding(rows[len(aims) + len(drawn) :].view_as(known), vectors)
            aim_rows = torch.searchsorted(pool, rows[: len(aims)])
        keys = self.keys(vectors if pool is None else vectors[pool])
        return functional.cross_entropy(self.logits(self(inputs)[wanted], keys), aim_rows)
