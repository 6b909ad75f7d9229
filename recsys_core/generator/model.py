"""The ``compact`` model: one position per item, a small depth head that emits the semantic ID level by level.

It knows nothing of files, requests or constraints: tensors in, tensors out.

The history is a sequence of item vectors (learned + projected text + code vectors) behind one position that carries the
instruction's sentence vector. The state after the last item is turned into one distribution a level; all logits are
cosines times a learned factor. In the hybrid layout (SIGMA, arXiv 2602.22913) the last level's output vectors are the
item vectors themselves; in the pure layout every level has a table of codes.

Logits are a sum of experts: *taste* (the state against output vectors), *content* (what the history's items are
about, read with learned attention, against what each item is about) *wish* (the instruction against vectors of
their own), and a prior on what is popular, whose strength depends on the person and on the words. Bounded cosines can't
carry all in one: with taste alone a genre named in words reached six of the top ten items, and the wish only by pushing
taste aside. Content is compared in a space that training doesn't bend, so items that
nobody has acted on are told apart as well as others.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_core.errors import ConfigError
from recsys_core.generator.config import CompactConfig
from recsys_core.generator.meaning import MeaningTower


class CatalogueTensors(NamedTuple):
    """What the model must know of the catalogue.

    Attributes:
        sids: int64[n_items, L], one semantic ID an item.
        text: float32[n_items, d_text], centred and L2-normalised text vectors.
        code_sizes: vocabulary size of each level that has a code table (L - 1 levels when hybrid, else L).
        hybrid: whether the last level is the item-unique token.
        counts: int64[n_items], training interactions of each item.
    """

    sids: Tensor
    text: Tensor
    code_sizes: tuple[int, ...]
    hybrid: bool
    counts: Tensor


class Instruction(NamedTuple):
    """An instruction as the model uses it.

    Attributes:
        state: float32[B, d], added to the input and to every state.
        wish: float32[B, w], unit length; zero where there is no instruction, so that it then changes nothing.
    """

    state: Tensor
    wish: Tensor


class ContentReader(nn.Module):
    """Which items of the history say what is wanted next: causal attention whose values are fixed content vectors.

    It begins as plain recency, the n-th newest item with weight proportional to ``1 / n``.
    """

    def __init__(self, width: int, window: int, rank: int = 16) -> None:
        super().__init__()
        self.ask = nn.Linear(width, rank, bias=False)
        self.offer = nn.Linear(width, rank, bias=False)
        nn.init.zeros_(self.ask.weight)
        self.recency = nn.Parameter(-torch.arange(1, window + 1).float().log())

    def forward(self, states: Tensor, inputs: Tensor, content: Tensor) -> Tensor:
        """Content of what matters.

        Args:
            states: float32[B, T + 1, d]; state t has seen items before position t.
            inputs: float32[B, T, d], vectors of the items.
            content: float32[B, T, c], content vectors of the items, 0 at padding.

        Returns:
            float32[B, T + 1, c]; 0 where there is no history; shorter than 1 where the items that matter differ.
        """
        batch, length, _ = inputs.shape
        if not length:
            return content.new_zeros(batch, 1, content.shape[-1])
        logits: Tensor = self.ask(states) @ self.offer(inputs).transpose(1, 2)
        # item j is the (t - j)-th newest of what state t has seen
        age = torch.arange(length + 1)[:, None] - torch.arange(length)[None, :]
        logits = logits + self.recency[(age - 1).clamp(0, len(self.recency) - 1)]
        logits = logits.masked_fill(age <= 0, -torch.inf)
        weights = torch.cat([logits.new_zeros(batch, 1, length), functional.softmax(logits[:, 1:], dim=-1)], dim=1)
        read: Tensor = weights @ content
        return read


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
    content: Tensor
    code_content: Tensor
    popularity: Tensor
    code_popularity: Tensor
    item_offset: Tensor

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
        basis = principal_directions(catalogue.text.float(), config.content_width)
        self.register_buffer("basis", basis)
        self.register_buffer("content", functional.normalize(self.text @ basis, dim=-1))
        self.register_buffer("code_content", mean_content(self.sids, self.content, catalogue.code_sizes))
        self.content_width = self.content.shape[1]
        self.state_width = width + self.content_width + 1
        self.register_buffer("popularity", centred_log(catalogue.counts))
        self.register_buffer("code_popularity", code_popularity(self.sids, catalogue.counts, catalogue.code_sizes))
        # added to the logits of single items; 0 for all that training has seen
        self.register_buffer("item_offset", torch.zeros(n_items))
        # how strongly popularity counts: one factor a level, and what person and words add to it
        self.popularity_scales = nn.Parameter(torch.full((self.levels + 1,), config.start_popularity))
        self.popularity_taste = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.popularity_taste.weight)
        self.reader = ContentReader(width, config.window)
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
        self.log_content_scales = nn.Parameter(torch.full((self.levels + 1,), config.start_scale / 2).log())
        # for the question whether an item is what the words mean, see losses.grounding_loss
        self.log_fit_scale = nn.Parameter(torch.tensor(config.start_scale).log())
        self.fit_threshold = nn.Parameter(torch.tensor(config.start_scale / 3))
        self.meaning = MeaningTower(n_items, d_text)
        self.dropout = nn.Dropout(config.dropout)
        tables = [self.items, self.positions, self.wish_items, *self.codes, *self.wish_codes]
        for embedding in tables:
            nn.init.normal_(embedding.weight, std=0.02)

    def item_vectors(self, items: Tensor | None = None) -> Tensor:
        """Unnormalised vectors that stand for items on input and on output.

        Args:
            items: int64[P], which; all when None.

        Returns:
            float32[P, d].
        """
        if items is None or len(items) == len(self.text):
            vectors: Tensor = self.items.weight + self.text_in(self.text)
            return vectors
        some: Tensor = self.items(items) + self.text_in(self.text[items])
        return some

    def instruct(self, sentence: Tensor, present: Tensor) -> Instruction:
        """Embed sentence vectors.

        Args:
            sentence: float32[B, d_text]; rows without an instruction are ignored.
            present: bool[B].
        """
        state = torch.where(present[:, None], self.instruction_in(sentence), self.no_instruction)
        wish = functional.normalize(self.wish_in(sentence), dim=-1) * present[:, None]
        return Instruction(state, wish)

    def forward(
        self,
        history: Tensor,
        instruction: Instruction,
        item_vectors: Tensor | None = None,
        place: Tensor | None = None,
    ) -> Tensor:
        """States after each position.

        Args:
            history: int64[B, T], item indices, right-padded with -1 (padding is seen by no earlier position).
            instruction: from :meth:`instruct`.
            item_vectors: float32[P, d] from :meth:`item_vectors`, when at hand.
            place: int64[n_items], row of each item in ``item_vectors`` where those are not of all items.

        Returns:
            float32[B, T + 1, d + c + 1]: taste, content, and what is added to the strength of popularity; state 0
            knows only the instruction, state t the first t items as well.
        """
        vectors = self.item_vectors() if item_vectors is None else item_vectors
        known = history.clamp(min=0)
        inputs = functional.embedding(known if place is None else place[known].clamp(min=0), vectors)
        for level, table in enumerate(self.codes):
            inputs = inputs + table(self.sids[known, level])
        x = torch.cat([instruction.state[:, None, :], inputs], dim=1)
        x = x + self.positions.weight[: x.shape[1]]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        # the instruction also reaches every state directly: two layers of attention tend to dilute it
        states: Tensor = self.norm(x) + self.steer(instruction.state)[:, None, :]
        about = functional.embedding(known, self.content) * (history >= 0)[..., None]
        return torch.cat([states, self.reader(states, inputs, about), self.popularity_taste(states)], dim=-1)

    def query(self, level: int, state: Tensor, wish: Tensor, prefix: Tensor | None = None) -> Tensor:
        """What the keys of a level are multiplied with to give logits.

        Args:
            level: 0-based; ``self.levels`` is the auxiliary head over all items.
            state: float32[..., d + c + 1], from :meth:`forward`.
            wish: float32[..., w], from :meth:`instruct`.
            prefix: float32[..., d], sum of the code vectors chosen so far; needed from level 1 on.

        Returns:
            float32[..., d + c + 2 + w].
        """
        width, above = self.config.width, self.config.width + self.content_width
        taste, content, popular = state[..., :width], state[..., width:above], state[..., above:]
        if prefix is not None:
            taste = taste + self.depth[level - 1](taste, prefix)
        content_scale = self.log_content_scales[level].clamp(max=4.6).exp()
        taste_scale = self.log_scales[level].clamp(max=4.6).exp()
        wish_scale = self.log_wish_scales[level].clamp(max=4.6).exp()
        return torch.cat(
            [
                functional.normalize(taste, dim=-1) * taste_scale,
                content * content_scale,
                popular + self.popularity_scales[level],
                torch.ones_like(popular),
                wish * wish_scale,
            ],
            dim=-1,
        )

    def keys(self, level: int, item_vectors: Tensor | None = None, items: Tensor | None = None) -> Tensor:
        """Output vectors of a level, float32[V, d + c + 2 + w]: taste, content, log popularity, offset and wish.

        Taste, content and wish are of unit length.

        V is the level's code vocabulary, or the items at the hybrid layout's last level and for the auxiliary head;
        ``items`` (int64[P]) says which, and ``item_vectors`` are of the same.
        """
        if level >= len(self.codes):
            taste = self.item_vectors(items) if item_vectors is None else item_vectors
            if items is None or len(items) == len(self.text):
                wish, content = self.wish_items.weight + self.wish_text(self.text), self.content
                popular, offset = self.popularity, self.item_offset
            else:
                wish = self.wish_items(items) + self.wish_text(self.text[items])
                content, popular, offset = self.content[items], self.popularity[items], self.item_offset[items]
        else:
            size, first = self.code_sizes[level], sum(self.code_sizes[:level])
            every = torch.arange(size)
            taste, wish = self.codes[level](every), self.wish_codes[level](every)
            content, popular = self.code_content[first : first + size], self.code_popularity[first : first + size]
            offset = torch.zeros_like(popular)
        single = torch.stack([popular, offset], dim=1)
        return torch.cat([functional.normalize(taste, dim=-1), content, single, functional.normalize(wish, dim=-1)], -1)

    def prefix_vectors(self, sids: Tensor, level: int) -> Tensor:
        """Sum of the code vectors of the first ``level`` codes: int64[..., L] to float32[..., d]."""
        total: Tensor = self.codes[0](sids[..., 0])
        for earlier in range(1, level):
            total = total + self.codes[earlier](sids[..., earlier])
        return total


def principal_directions(vectors: Tensor, count: int) -> Tensor:
    """The directions in which vectors differ most, as far as there are so many: float32[n, d] to float32[d, c]."""
    count = min(count, vectors.shape[1])
    spread = (vectors.T @ vectors).double()
    # eigh is exact and quick at a few hundred dimensions, and doesn't depend on a seed
    directions: Tensor = torch.linalg.eigh(spread).eigenvectors
    return directions[:, directions.shape[1] - count :].float()


def mean_content(sids: Tensor, content: Tensor, code_sizes: tuple[int, ...]) -> Tensor:
    """What the items of each code are about on average, levels one after another.

    Args:
        sids: int64[n, L].
        content: float32[n, c].
        code_sizes: vocabulary size of each level with a code table.

    Returns:
        float32[sum(code_sizes), c], unit rows; 0 for a code of no item.
    """
    means = []
    for level, size in enumerate(code_sizes):
        total = content.new_zeros(size, content.shape[1]).index_add_(0, sids[:, level], content)
        means.append(functional.normalize(total, dim=-1))
    return torch.cat(means) if means else content.new_zeros(0, content.shape[1])


def centred_log(counts: Tensor) -> Tensor:
    """``log(1 + count)`` less its mean, so that 0 is ordinary: int64[n] to float32[n]."""
    logs = counts.float().log1p()
    return logs - logs.mean()


def code_popularity(sids: Tensor, counts: Tensor, code_sizes: tuple[int, ...]) -> Tensor:
    """:func:`centred_log` of each code's interactions, levels one after another: float32[sum(code_sizes)]."""
    totals = [counts.new_zeros(size).index_add_(0, sids[:, level], counts) for level, size in enumerate(code_sizes)]
    return torch.cat([centred_log(t) for t in totals]) if totals else torch.empty(0)
