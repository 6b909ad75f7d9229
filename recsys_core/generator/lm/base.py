"""Where training starts from: a small Llama with random weights, or a pretrained instruct model."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaModel

from recsys_core.errors import ConfigError
from recsys_core.generator.lm.config import LmConfig
from recsys_core.generator.lm.vocabulary import TokenLayout

StockModel = Any
"""A transformers ``PreTrainedModel``; its own annotations say less than what is used of it here."""

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
"""Architectures that end in a plain RMSNorm and an output layer without bias (SmolLM2 is a ``llama``)."""


class Base(NamedTuple):
    """Where training starts from.

    Attributes:
        backbone: transformer without embeddings and output layer.
        text_in: float32[text_tokens, d], input rows of words and marks.
        text_out: float32[text_tokens, d], output rows of words and marks, for a final norm without weight.
    """

    backbone: StockModel
    text_in: Tensor
    text_out: Tensor


def base_from_scratch(config: LmConfig, layout: TokenLayout, levels: int) -> Base:
    """A small Llama with random weights (under torch's current seed).

    Raises:
        ConfigError: heads don't divide the width.
    """
    if config.width % (2 * config.heads):
        raise ConfigError(
            f"lm.model.width={config.width} is no even multiple of lm.model.heads={config.heads}; "
            "rotary positions need heads of even size"
        )
    llama = LlamaConfig(
        vocab_size=1,
        hidden_size=config.width,
        intermediate_size=config.feed_forward,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        head_dim=config.width // config.heads,
        # the longest prompt, its answer and some room; positions are rotary, so that room costs nothing
        max_position_embeddings=layout.text_limit + layout.window + levels + 64,
        # the library's 0.02 suits thousands of dimensions; narrow blocks would begin as almost nothing
        initializer_range=(3 * config.width) ** -0.5,
        tie_word_embeddings=False,
        # numbers of tokens come with folding; this configuration has a vocabulary of one
        bos_token_id=None,
        eos_token_id=None,
    )
    llama._attn_implementation = "sdpa"
    rows = torch.randn(2, layout.text_tokens, config.width) * 0.02
    return Base(LlamaModel(llama), rows[0], rows[1])


def base_from_pretrained(name: str, layout: TokenLayout) -> Base:
    """A pretrained causal LM, its final norm's weight moved into the output rows.

    Args:
        name: folder or hub name.
        layout: of its tokenizer, extended.

    Raises:
        ConfigError: it can't be loaded, or isn't one of :data:`FAMILIES`.
    """
    try:
        causal: StockModel = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32, attn_implementation="sdpa")
    except (OSError, ValueError) as error:
        raise ConfigError(f"lm.model.pretrained={name!r} can't be loaded ({error})") from error
    if causal.config.model_type not in FAMILIES:
        raise ConfigError(
            f"lm.model.pretrained={name!r} is of the family {causal.config.model_type!r}, whose final norm can't "
            f"be folded; choose one of {', '.join(FAMILIES)}"
        )
    backbone = causal.base_model
    norm = backbone.norm
    known = min(layout.text_tokens, causal.get_input_embeddings().weight.shape[0])
    text_in = causal.get_input_embeddings().weight.detach()[:known].clone()
    text_out = causal.get_output_embeddings().weight.detach()[:known] * norm.weight.detach()
    missing = layout.text_tokens - known
    text_in = torch.cat([text_in, text_in.mean(0, keepdim=True).expand(missing, -1)])
    text_out = torch.cat([text_out, text_out.mean(0, keepdim=True).expand(missing, -1)])
    return Base(backbone, text_in, text_out)
