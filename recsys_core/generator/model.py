"""The ``compact`` model: one position per item, a small depth head that emits the semantic ID level by level.

It knows nothing of files, requests or constraints: tensors in, tensors out.

The history is a sequence of item vectors (learned + projected text + code vectors) behind one position that carries the
instruction's sentence vector. The state after the last item is turned into one distribution a level; all logits are
cosines times a learned factor. In the hybrid layout (SIGMA, arXiv 2602.22913) the last level's output vectors are the
item vectors themselves; in the pure layout every level has a table of codes.

Logits are a sum of two experts: *taste* (the state against output vectors) and *wish* (the instruction against vectors
of their own). A bounded cosine can't carry both: with taste alone a genre named in words reached six of the top ten
items, and the wish only by pushing taste aside.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_core.errors import ConfigError
from recsys_core.generator.config import CompactConfig


class CatalogueTensors(NamedTuple):
    """What the model must know of the catalogue.

    Attributes:
        sids: int64[n_items, L], one semantic ID an item.
        text: float32[n_items, d_text], centred and L2-normalised text vectors.
        code_sizes: vocabulary size of each level that has a code table (L - 1 levels when hybrid, else L).
        hybrid: whether the last level is the item-unique token.
    """

    sids: Tensor
    text: Tensor
    code_sizes: tuple[int, ...]
    hybrid: bool


class Instruction(NamedTuple):
    """An instruction as the model uses it.

    Attributes:
        state: float32[B, d], added to the input and to every state.
        wish: float32[B, w], unit length; zero where there is no instruction, so that it then changes nothing.
    """

    state: Tensor
    wish: Tensor


class Block(nn.Module):
    """Pre-norm transformer block with causal attention."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_feed = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map float32[B, T, d] to float32[B, T, d]; position t sees positions up to t."""
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in self.qkv(self.norm_attention(x)).chunk(3, dim=-1)
        )
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.dropout(self.out(attended.transpose(1, 2).reshape(batch, length, width)))
        hidden: Tensor = x + self.dropout(self.down(functional.gelu(self.up(self.norm_feed(x)))))
        return hidden


class DepthHead(nn.Module):
    """What the codes chosen so far change about the state; zero at the start, so every level begins from the state."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(2 * width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, state: Tensor, prefix: Tensor) -> Tensor:
        """Map two float32[..., d] to the correction float32[..., d]."""
        correction: Tensor = self.down(functional.gelu(self.up(torch.cat([state, prefix], dim=-1))))
        return correction


class CompactModel(nn.Module):
    """Item-level causal transformer with a depth head over semantic-ID levels."""

    sids: Tensor
    text: Tensor

    def __init__(self, config: CompactConfig, catalogue: CatalogueTensors) -> None:
        super().__init__()
        if config.width % config.heads:
            raise ConfigError(
                f"generator.model.heads={config.heads} does not divide generator.model.width={config.width}"
            )
        self.config = config
        self.hybrid = catalogue.hybrid
        self.levels = catalogue.sids.shape[1]
        self.code_sizes = catalogue.code_sizes
        n_items, d_text = catalogue.text.shape
        width, wish = config.width, config.wish_width
        self.register_buffer("sids", catalogue.sids.long(), persistent=False)
        self.register_buffer("text", catalogue.text.float(), persistent=False)
        self.items = nn.Embedding(n_items, width)
        self.codes = nn.ModuleList(nn.Embedding(size, width) for size in catalogue.code_sizes)
        self.text_in = nn.Linear(d_text, width, bias=False)
        self.instruction_in = nn.Sequential(nn.Linear(d_text, width * 2), nn.GELU(), nn.Linear(width * 2, width))
        self.no_instruction = nn.Parameter(torch.zeros(width))
        self.steer = nn.Linear(width, width)
        self.wish_in = nn.Sequential(nn.Linear(d_text, wish * 2), nn.GELU(), nn.Linear(wish * 2, wish))
        self.wish_items = nn.Embedding(n_items, wish)
        self.wish_text = nn.Linear(d_text, wish, bias=False)
        self.wish_codes = nn.ModuleList(nn.Embedding(size, wish) for size in catalogue.code_sizes)
        self.positions = nn.Embedding(config.window + 1, width)
        self.blocks = nn.ModuleList(Block(width, config.heads, config.dropout) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.depth = nn.ModuleList(DepthHead(width) for _ in range(self.levels - 1))
        # logs of the factors, one a level and one for the auxiliary item head
        self.log_scales = nn.Parameter(torch.full((self.levels + 1,), config.start_scale).log())
        self.log_wish_scales = nn.Parameter(torch.full((self.levels + 1,), config.start_scale / 2).log())
        # for the question whether an item is what the words mean, see losses.fit_logits
        self.log_fit_scale = nn.Parameter(torch.tensor(config.start_scale).log())
        self.fit_threshold = nn.Parameter(torch.tensor(config.start_scale / 3))
        self.dropout = nn.Dropout(config.dropout)
        tables = [self.items, self.positions, self.wish_items, *self.codes, *self.wish_codes]
        for embedding in tables:
            nn.init.normal_(embedding.weight, std=0.02)

    def item_vectors(self) -> Tensor:
        """Unnormalised vectors float32[n_items, d] that stand for items on input and on output."""
        vectors: Tensor = self.items.weight + self.text_in(self.text)
        return vectors

    def instruct(self, sentence: Tensor, present: Tensor) -> Instruction:
        """Embed sentence vectors.

        Args:
            sentence: float32[B, d_text]; rows without an instruction are ignored.
            present: bool[B].
        """
        state = torch.where(present[:, None], self.instruction_in(sentence), self.no_instruction)
        wish = functional.normalize(self.wish_in(sentence), dim=-1) * present[:, None]
        return Instruction(state, wish)

    def forward(self, history: Tensor, instruction: Instruction, item_vectors: Tensor | None = None) -> Tensor:
        """States after each position.

        Args:
            history: int64[B, T], item indices, right-padded with -1 (padding is seen by no earlier position).
            instruction: from :meth:`instruct`.
            item_vectors: float32[n_items, d] from :meth:`item_vectors`, when at hand.

        Returns:
            float32[B, T + 1, d]; state 0 knows only the instruction, state t the first t items as well.
        """
        vectors = self.item_vectors() if item_vectors is None else item_vectors
        known = history.clamp(min=0)
        inputs = functional.embedding(known, vectors)
        for level, table in enumerate(self.codes):
            inputs = inputs + table(self.sids[known, level])
        x = torch.cat([instruction.state[:, None, :], inputs], dim=1)
        x = x + self.positions.weight[: x.shape[1]]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        # the instruction also reaches every state directly: two layers of attention tend to dilute it
        states: Tensor = self.norm(x) + self.steer(instruction.state)[:, None, :]
        return states

    def query(self, level: int, state: Tensor, wish: Tensor, prefix: Tensor | None = None) -> Tensor:
        """What the keys of a level are multiplied with to give logits.

        Args:
            level: 0-based; ``self.levels`` is the auxiliary head over all items.
            state: float32[..., d].
            wish: float32[..., w], from :meth:`instruct`.
            prefix: float32[..., d], sum of the code vectors chosen so far; needed from level 1 on.

        Returns:
            float32[..., d + w].
        """
        if prefix is not None:
            state = state + self.depth[level - 1](state, prefix)
        taste_scale = self.log_scales[level].clamp(max=4.6).exp()
        wish_scale = self.log_wish_scales[level].clamp(max=4.6).exp()
        return torch.cat([functional.normalize(state, dim=-1) * taste_scale, wish * wish_scale], dim=-1)

    def keys(self, level: int, item_vectors: Tensor | None = None) -> Tensor:
        """Output vectors of a level, both halves of unit length: float32[V, d + w].

        V is the level's code vocabulary, or the items at the hybrid layout's last level and for the auxiliary head.
        """
        if level >= len(self.codes):
            taste = self.item_vectors() if item_vectors is None else item_vectors
            wish = self.wish_items.weight + self.wish_text(self.text)
        else:
            every = torch.arange(self.code_sizes[level])
            taste, wish = self.codes[level](every), self.wish_codes[level](every)
        return torch.cat([functional.normalize(taste, dim=-1), functional.normalize(wish, dim=-1)], dim=-1)

    def prefix_vectors(self, sids: Tensor, level: int) -> Tensor:
        """Sum of the code vectors of the first ``level`` codes: int64[..., L] to float32[..., d]."""
        total: Tensor = self.codes[0](sids[..., 0])
        for earlier in range(1, level):
            total = total + self.codes[earlier](sids[..., earlier])
        return total
