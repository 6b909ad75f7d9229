"""The language model as it is trained, and how it folds into a stock causal LM.

Logits of semantic-ID tokens are cosines times a learned factor (measured: without that a small generator loses a third
of its recall), an item's vector is learned + projected content + its code vectors, and a word's vector, from scratch,
learned + projected content of the items that it is used of. No stock architecture has these, but all fold into plain
weights: the final RMSNorm's weight is held at 1, so every state has length sqrt(d), and the rows of ``lm_head`` are
unit vectors times factor / sqrt(d); the rows of ``embed_tokens`` are the sums. What is saved is an ordinary Llama (or
whatever the pretrained model was), with the same logits.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM

from recsys_core.errors import ConfigError
from recsys_core.generator.lm.base import Base, StockModel
from recsys_core.generator.lm.config import LmConfig
from recsys_core.generator.lm.layout import TokenLayout
from recsys_core.generator.lm.lazy import LazyDecoder, run_layers

MAX_LOG_SCALE = 4.6
"""Factors stay under 100."""


class LmModel(nn.Module):
    """A transformer with factored input and output rows.

    Args:
        config: shape.
        layout: of the tokens.
        base: where training starts from.
        sids: int64[n_items, L].
        content: float32[n_items, d_c], centred unit rows; d_c may be 0.
        word_content: float32[text_tokens, d_c], what each word is about
            (:func:`recsys_core.generator.lm.words.word_content`); nothing known when None.
    """

    sids: Tensor
    content: Tensor
    word_content: Tensor

    def __init__(
        self,
        config: LmConfig,
        layout: TokenLayout,
        base: Base,
        sids: Tensor,
        content: Tensor,
        word_content: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.layout = layout
        self.backbone: StockModel = base.backbone
        width = base.text_in.shape[1]
        self.width = width
        self.backbone.set_input_embeddings(nn.Embedding(1, width))
        self.backbone.get_input_embeddings().weight.requires_grad_(False)
        self.backbone.norm.weight.data.fill_(1.0)
        self.backbone.norm.weight.requires_grad_(False)
        self.register_buffer("sids", sids.long(), persistent=False)
        self.register_buffer("content", content.float(), persistent=False)
        about = torch.zeros(layout.text_tokens, 0) if word_content is None else word_content
        self.register_buffer("word_content", about, persistent=False)
        self.text_in = nn.Parameter(base.text_in.clone())
        self.text_out = nn.Parameter(base.text_out.clone())
        spread = float(base.text_in.std())
        self.codes = nn.ModuleList(_table(size, width, spread) for size in layout.code_sizes)
        self.items = _table(layout.n_items, width, spread)
        self.content_in = _projection(content.shape[1], width, spread)
        self.codes_out = nn.ModuleList()
        self.items_out: nn.Embedding | None = None
        self.content_out: nn.Linear | None = None
        if not config.shared_vectors:
            self.codes_out.extend(_table(size, width, spread) for size in layout.code_sizes)
            self.items_out = _table(layout.n_items, width, spread)
            self.content_out = _projection(content.shape[1], width, spread)
        # logs of the factors, one a level and one for the auxiliary softmax over all items
        self.log_scales = nn.Parameter(torch.full((layout.levels + 1,), config.start_scale).log())
        self.lazy: LazyDecoder | None = None
        if config.lazy_layers:
            if layout.levels < 2:
                raise ConfigError(
                    f"lm.model.lazy_layers={config.lazy_layers}: semantic IDs of one level have no codes to read; "
                    "choose 0"
                )
            self.lazy = LazyDecoder(config.lazy_layers, layout.levels - 1, width)
        self.dropout = nn.Dropout(config.dropout)
        for block in self.backbone.layers:
            # stock blocks have no dropout on what they add; a hook gives them one while training
            block.self_attn.register_forward_hook(self._drop)
            block.mlp.register_forward_hook(self._drop)

    def _code_table(self, level: int, *, writing: bool = False) -> nn.Embedding:
        table = (self.codes_out if writing else self.codes)[level]
        if not isinstance(table, nn.Embedding):
            raise TypeError(f"level {level} has a {type(table).__name__} for a table")
        return table

    def _drop(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (self.dropout(output[0]), *output[1:])
        return self.dropout(output)

    def item_inputs(self) -> Tensor:
        """Input rows of items: float32[n_items, d]."""
        rows = _with_content(self.items, self.content_in, self.content)
        for level, table in enumerate(self.codes):
            rows = rows + table(self.sids[:, level])
        return rows

    def input_rows(self) -> Tensor:
        """Input rows of all tokens: float32[V, d]."""
        words = self.text_in
        if self.word_content.shape[1]:
            words = words + self.content_in(self.word_content)
        return torch.cat([words, *(self._code_table(n).weight for n in range(len(self.codes))), self.item_inputs()])

    def code_outputs(self, level: int) -> Tensor:
        """Output rows of a level's codes, without its factor: float32[codes, d], length 1 / sqrt(d)."""
        weight = self._code_table(level, writing=not self.config.shared_vectors).weight
        return functional.normalize(weight, dim=-1) / math.sqrt(self.width)

    def item_outputs(self) -> Tensor:
        """Output rows of items, without a factor: float32[n_items, d], length 1 / sqrt(d)."""
        if self.items_out is None or self.content_out is None:
            rows = _with_content(self.items, self.content_in, self.content)
        else:
            rows = _with_content(self.items_out, self.content_out, self.content)
        return functional.normalize(rows, dim=-1) / math.sqrt(self.width)

    def scale(self, level: int) -> Tensor:
        """Factor on the cosines of a level; ``layout.levels`` is the auxiliary softmax."""
        return self.log_scales[level].clamp(max=MAX_LOG_SCALE).exp()

    def output_rows(self) -> Tensor:
        """Output rows of all tokens, factors included: float32[V, d]."""
        layout = self.layout
        codes = [self.code_outputs(level) * self.scale(level) for level in range(len(layout.code_sizes))]
        # in the pure layout items are never answered with, and their rows carry the auxiliary softmax's factor
        items = self.item_outputs() * self.scale(layout.levels - 1 if layout.hybrid else layout.levels)
        return torch.cat([self.text_out, *codes, items])

    def forward(self, tokens: Tensor, position: Tensor, sees: Tensor, depth: Tensor | None = None) -> Tensor:
        """States after each token.

        Args:
            tokens: int64[R, T].
            position: int64[R, T].
            sees: bool[R, 1, T, T].
            depth: int64[R, T], which code of its branch each token is, 0 on the trunk; read by a lazy decoder only.
                All are on the trunk when None.

        Returns:
            [R, T, d], each of length sqrt(d).
        """
        inputs = self.dropout(functional.embedding(tokens, self.input_rows()))
        if self.lazy is not None:
            return self._lazily(self.lazy, inputs, position, sees, torch.zeros_like(tokens) if depth is None else depth)
        states: Tensor = self.backbone(
            inputs_embeds=inputs, position_ids=position, attention_mask=sees, use_cache=False
        ).last_hidden_state
        return states

    def _lazily(self, lazy: LazyDecoder, inputs: Tensor, position: Tensor, sees: Tensor, depth: Tensor) -> Tensor:
        trunk = (depth == 0)[..., None]
        places = self.dropout(lazy.place((depth - 1).clamp(min=0)))
        itself = torch.eye(depth.shape[1], dtype=torch.bool, device=depth.device)
        # below, a branch token sees the trunk and itself, as if it were the only one
        blind = sees & (trunk[:, None, None, :, 0] | itself)
        every = range(len(self.backbone.layers))
        shared = run_layers(self.backbone, every[: lazy.layers], torch.where(trunk, inputs, places), position, blind)
        hidden = torch.where(trunk, shared, lazy.fuse(shared, inputs))
        states: Tensor = self.backbone.norm(run_layers(self.backbone, every[lazy.layers :], hidden, position, sees))
        return states

    @torch.no_grad()
    def fold(self) -> StockModel:
        """The same model as a stock causal LM, in float32 on the processor, in evaluation mode.

        A lazy decoder's own weights come along as its ``lazy_decoder``, which only
        :class:`recsys_core.generator.lm.engine.LmEngine` reads.
        """
        config = copy.deepcopy(self.backbone.config)
        config.vocab_size, config.tie_word_embeddings = self.layout.size, False
        config.bos_token_id, config.eos_token_id, config.pad_token_id = (
            self.layout.begin,
            self.layout.end,
            self.layout.pad,
        )
        config.dtype = torch.float32
        # made without weights: drawing random ones would cost time and move the random state of training
        auto: Any = AutoModelForCausalLM
        with torch.device("meta"):
            causal: StockModel = auto.from_config(config, attn_implementation="sdpa")
        weights = {f"model.{n}": t.detach().float().cpu() for n, t in self.backbone.state_dict().items()}
        weights["model.embed_tokens.weight"] = self.input_rows().detach().float().cpu()
        weights["lm_head.weight"] = self.output_rows().detach().float().cpu()
        causal.load_state_dict({n: t.clone() for n, t in weights.items()}, strict=True, assign=True)
        # not part of the weights, and left empty by the line above
        causal.base_model.rotary_emb = type(causal.base_model.rotary_emb)(config)
        causal.lazy_decoder = None if self.lazy is None else copy.deepcopy(self.lazy).float().cpu()
        return causal.eval().requires_grad_(False)


def _table(rows: int, width: int, spread: float) -> nn.Embedding:
    table = nn.Embedding(rows, width)
    nn.init.normal_(table.weight, std=spread)
    return table


def _projection(content: int, width: int, spread: float) -> nn.Linear:
    projection: nn.Linear = nn.utils.skip_init(nn.Linear, content, width, bias=False)  # type: ignore[no-untyped-call]
    if content:
        # unit rows in, so each output starts with the spread of a learned row or, from scratch, of a default layer
        nn.init.normal_(projection.weight, std=max(spread, 1 / math.sqrt(3 * content)))
    return projection


def _with_content(table: nn.Embedding, projection: nn.Linear, content: Tensor) -> Tensor:
    rows: Tensor = table.weight
    return rows + projection(content) if content.shape[1] else rows
