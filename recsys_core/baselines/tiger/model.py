"""The network of TIGER: an encoder over the history's tokens and a decoder that writes one semantic ID.

Rajput et al. 2023, "Recommender Systems with Generative Retrieval" (arXiv 2305.05065). Two changes make training fit on
a processor. The encoder is causal, so that one pass over a history serves the predictions at all of its positions: the
decoder of a position sees the items before it only, with a learned term for how long ago they were, which the paper's
bidirectional encoder knows by itself. And a level's softmax runs over that level's codes, not over the codes of all
levels. The paper's user token is left out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_core.baselines.tiger.config import TigerConfig
from recsys_core.errors import ConfigError
from recsys_core.generator.model import Block

KeysValues = tuple[Tensor, Tensor]


class Memory(NamedTuple):
    """An encoded history, as the decoder reads it.

    Attributes:
        layers: per decoder layer, keys and values float32[B, heads, S, d / heads].
        item: int64[S], how many items were read up to each token; 0 at the start token.
    """

    layers: list[KeysValues]
    item: Tensor


class DecoderBlock(nn.Module):
    """Pre-norm block: attention among the tokens of one semantic ID, attention to the history, feed-forward."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_self = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.self_out = nn.Linear(width, width)
        self.norm_cross = nn.LayerNorm(width)
        self.cross_query = nn.Linear(width, width)
        self.cross_keys_values = nn.Linear(width, 2 * width)
        self.cross_out = nn.Linear(width, width)
        self.norm_feed = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def read(self, memory: Tensor) -> KeysValues:
        """Keys and values of the history float32[B, S, d]: two float32[B, heads, S, d / heads]."""
        keys, values = (self._heads(part) for part in self.cross_keys_values(memory).chunk(2, dim=-1))
        return keys, values

    def forward(
        self, x: Tensor, memory: KeysValues, sight: Tensor, past: KeysValues | None
    ) -> tuple[Tensor, KeysValues]:
        """Tokens of N semantic IDs for each of B histories.

        Args:
            x: float32[B, N, m, d]; m is 1 when there is a past.
            memory: from :meth:`read`.
            sight: from :meth:`TigerModel.sight`.
            past: keys and values of the tokens before, each float32[B, N, heads, tokens, d / heads].

        Returns:
            float32[B, N, m, d], and keys and values including these tokens.
        """
        batch, count, tokens, width = x.shape
        query, key, value = (self._heads(part) for part in self.qkv(self.norm_self(x)).chunk(3, dim=-1))
        if past is not None:
            key, value = torch.cat([past[0], key], dim=-2), torch.cat([past[1], value], dim=-2)
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=past is None)
        x = x + self.dropout(self.self_out(attended.transpose(-3, -2).reshape(x.shape)))

        flat = self.cross_query(self.norm_cross(x)).reshape(batch, count * tokens, width)
        if sight.shape[2] > 1:
            sight = sight.repeat_interleave(tokens, dim=2)
        attended = functional.scaled_dot_product_attention(self._heads(flat), *memory, attn_mask=sight)
        x = x + self.dropout(self.cross_out(attended.transpose(1, 2).reshape(x.shape)))
        x = x + self.dropout(self.down(functional.gelu(self.up(self.norm_feed(x)))))
        return x, (key, value)

    def _heads(self, x: Tensor) -> Tensor:
        """float32[..., tokens, d] to float32[..., heads, tokens, d / heads]."""
        return x.view(*x.shape[:-1], self.heads, x.shape[-1] // self.heads).transpose(-3, -2)


class TigerModel(nn.Module):
    """Encoder-decoder over semantic IDs.

    Args:
        config: shape.
        sids: int64[n_items, L], one unique semantic ID an item.

    Raises:
        ConfigError: ``heads`` does not divide ``width``.
    """

    sids: Tensor
    first_code: Tensor

    def __init__(self, config: TigerConfig, sids: Tensor) -> None:
        super().__init__()
        if config.width % config.heads:
            raise ConfigError(f"baseline tiger: heads={config.heads} does not divide width={config.width}")
        self.config = config
        self.levels = sids.shape[1]
        self.code_sizes: list[int] = (sids.amax(dim=0) + 1).tolist()
        self.register_buffer("sids", sids, persistent=False)
        sizes = torch.tensor([0, *self.code_sizes])
        self.register_buffer("first_code", sizes.cumsum(0)[:-1], persistent=False)
        width, shape = config.width, (config.width, config.heads, config.dropout)
        self.codes = nn.Embedding(sum(self.code_sizes), width)
        self.levels_in = nn.Embedding(self.levels, width)
        self.slots = nn.Embedding(self.levels, width)
        self.positions = nn.Embedding(config.window + 2, width)
        self.recency = nn.Embedding(config.window + 1, config.heads)
        self.start = nn.Parameter(torch.zeros(width))
        self.encoder = nn.ModuleList(Block(*shape) for _ in range(config.encoder_layers))
        self.norm_encoder = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(DecoderBlock(*shape) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(width)
        scales = torch.full((self.levels,), config.start_scale).log()
        self.log_scales = nn.Parameter(scales, requires_grad=config.cosine)
        self.dropout = nn.Dropout(config.dropout)
        for table in (self.codes, self.levels_in, self.slots, self.positions):
            nn.init.normal_(table.weight, std=0.02)
        nn.init.zeros_(self.recency.weight)

    def encode(self, history: Tensor) -> Memory:
        """Read histories once.

        Args:
            history: int64[B, T] item indices, right-padded with -1 (padding is seen by no earlier token).
        """
        batch, length = history.shape
        tokens = self.codes(self.sids[history.clamp(min=0)] + self.first_code) + self.levels_in.weight
        tokens = tokens + self.positions.weight[1 : length + 1, None]
        x = torch.cat([self.start.expand(batch, 1, -1), tokens.flatten(1, 2)], dim=1)
        x = self.dropout(x)
        for block in self.encoder:
            x = block(x)
        x = self.norm_encoder(x)
        item = (torch.arange(x.shape[1]) + self.levels - 1) // self.levels
        layers = [block.read(x) for block in self.decoder if isinstance(block, DecoderBlock)]
        return Memory(layers, item)

    def sight(self, memory: Memory, known: Tensor) -> Tensor:
        """What is added to the decoder's attention to the history: a learned term by age, -inf beyond what is known.

        Args:
            memory: of the histories.
            known: int64[B or 1, N or 1], how many items of the history each semantic ID may see.

        Returns:
            float32[B or 1, heads, N or 1, S].
        """
        age = known[:, :, None] - memory.item
        terms: Tensor = self.recency(age.clamp(min=0)).permute(0, 3, 1, 2)
        return terms.masked_fill((age < 0)[:, None], -torch.inf)

    def decoder_input(self, slot: int, previous: Tensor | None, known: Tensor) -> Tensor:
        """What stands at a slot of the semantic ID being written.

        Args:
            slot: 0-based level that is to be predicted.
            previous: int64[...], code of the level before; None at slot 0.
            known: int64[...], how many items the history has.

        Returns:
            float32[..., d].
        """
        x: Tensor = self.positions(known + 1) + self.slots.weight[slot]
        return x if previous is None else x + self.codes(previous + self.first_code[slot - 1])

    def decode(
        self, x: Tensor, memory: Memory, sight: Tensor, past: list[KeysValues] | None = None
    ) -> tuple[Tensor, list[KeysValues]]:
        """Run the decoder; shapes as in :meth:`DecoderBlock.forward`, a past for each layer."""
        x, kept = self.dropout(x), []
        for number, (block, read) in enumerate(zip(self.decoder, memory.layers, strict=True)):
            x, keys_values = block(x, read, sight, past[number] if past else None)
            kept.append(keys_values)
        return self.norm(x), kept

    def logits(self, level: int, states: Tensor) -> Tensor:
        """Scores of a level's codes: float32[..., d] to float32[..., V]."""
        low = int(self.first_code[level])
        codes = self.codes.weight[low : low + self.code_sizes[level]]
        if not self.config.cosine:
            return states @ codes.T
        scale = self.log_scales[level].clamp(max=4.6).exp()
        return (functional.normalize(states, dim=-1) * scale) @ functional.normalize(codes, dim=-1).T

    def teacher_forced(self, items: Tensor, known: Tensor, memory: Memory) -> Tensor:
        """States from which the codes of given items are predicted, each code from those before it.

        Args:
            items: int64[B, N] item indices.
            known: int64[B or 1, N or 1], how many items of the history each may see.
            memory: of B histories.

        Returns:
            float32[B, N, L, d].
        """
        sids = self.sids[items]
        inputs = [
            self.decoder_input(slot, sids[..., slot - 1] if slot else None, known.expand_as(items))
            for slot in range(self.levels)
        ]
        states, _ = self.decode(torch.stack(inputs, dim=2), memory, self.sight(memory, known))
        return states

    def loss(self, history: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of a code, over all positions at once.

        Args:
            history: int64[B, T], right-padded with -1.
            targets: int64[B, T + 1], the item after each number of history items; -1 = none.
        """
        memory, wanted = self.encode(history), targets >= 0
        known = torch.arange(targets.shape[1])[None]
        states = self.teacher_forced(targets.clamp(min=0), known, memory)[wanted]
        sids = self.sids[targets[wanted]]
        losses = [
            functional.cross_entropy(self.logits(level, states[:, level]), sids[:, level])
            for level in range(self.levels)
        ]
        return torch.stack(losses).mean()
