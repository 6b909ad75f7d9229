"""The lazy decoder (LazyAR of GR4AD, arXiv 2602.22732): lower layers that run once a request, whatever the beam.

Of L layers the first K see the prompt and *which level* is to be written, but no code: their states ``m`` are the same
for all beams, so one token a level goes through them, all levels at once. Only the last L - K layers are
autoregressive. Between the two a code enters by

    Fuse(m, s) = W_f [m * (W_g s); s]

with ``s`` the code's input vector. Two things are ours: ``m`` and ``s`` are brought to one length first, since
input vectors start a hundred times shorter than states and a product of the two would drown; and levels don't see one
another in the lower layers, so that a state depends on prompt and level alone. The paper's auxiliary loss on the
parallel part isn't built.

No stock engine runs such a model: see :func:`refuse_lazy`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from recsys_core.errors import ConfigError, ReleaseError
from recsys_core.generator.lm.base import StockModel

LAZY_FILE = "lazy_decoder.safetensors"
"""Weights that the stock layout has no place for."""

ARCHITECTURE = "SidraLazyLlamaForCausalLM"
"""What ``config.json`` calls such a model, so that an engine that would run it as a plain Llama refuses it."""


class LazyDecoder(nn.Module):
    """What the lower layers read in place of codes, and how a code joins their states.

    Args:
        layers: K, how many layers run once a request.
        levels: codes that the decoder reads, one less than the length of a semantic ID.
        width: d.
    """

    def __init__(self, layers: int, levels: int, width: int) -> None:
        super().__init__()
        self.layers = layers
        self.place = nn.Embedding(levels, width)
        self.gate = nn.Linear(width, width, bias=False)
        self.mix = nn.Linear(2 * width, width, bias=False)
        nn.init.normal_(self.place.weight, std=0.02)
        nn.init.normal_(self.gate.weight, std=1 / math.sqrt(width))
        nn.init.normal_(self.mix.weight, std=1 / math.sqrt(2 * width))

    def fuse(self, shared: Tensor, code: Tensor) -> Tensor:
        """Input of the upper layers: two [..., d] to [..., d].

        Args:
            shared: states of the lower layers at a level.
            code: input vectors of the codes before it.
        """
        shared = functional.rms_norm(shared, shared.shape[-1:], eps=1e-6)
        code = functional.rms_norm(code, code.shape[-1:], eps=1e-6)
        fused: Tensor = self.mix(torch.cat([shared * self.gate(code), code], dim=-1))
        return fused

    def save(self, folder: Path) -> None:
        """Write the weights, and mark ``config.json`` as no stock model's."""
        save_file({n: t.detach().float().cpu().contiguous() for n, t in self.state_dict().items()}, folder / LAZY_FILE)
        path = folder / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config["architectures"] = [ARCHITECTURE]
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, layers: int, levels: int, width: int) -> LazyDecoder:
        """Open what :meth:`save` wrote.

        Raises:
            ReleaseError: the file is missing, damaged, or of another shape.
        """
        decoder = cls(layers, levels, width)
        try:
            decoder.load_state_dict(load_file(folder / LAZY_FILE))
        except (OSError, RuntimeError, SafetensorError) as error:
            raise ReleaseError(f"{folder / LAZY_FILE} can't be loaded ({error}); run `sidra build` again") from error
        return decoder.eval().requires_grad_(False)


def refuse_lazy(lazy_layers: int, engine: str) -> None:
    """Stop where an engine would run a lazy decoder as a plain model and answer something else than was trained.

    Args:
        lazy_layers: of the model's layout.
        engine: its name, for the sentence.

    Raises:
        ConfigError: the model has a lazy decoder.
    """
    if lazy_layers:
        raise ConfigError(
            f"lm.model.lazy_layers={lazy_layers}: {engine} runs every layer at every token, and the lower layers "
            "of this model must see the prompt alone; serve it in process, or build with lm.model.lazy_layers=0"
        )


class LayerCache:
    """Keys and values of some layers, in the form that stock attention asks for.

    Args:
        kept: of earlier tokens by layer number, each [B, heads, P, d_head].
    """

    def __init__(self, kept: dict[int, tuple[Tensor, Tensor]] | None = None) -> None:
        self.kept = dict(kept or {})

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Add those of new tokens and return them all."""
        if layer_idx in self.kept:
            before = self.kept[layer_idx]
            keys, values = torch.cat([before[0], keys], dim=2), torch.cat([before[1], values], dim=2)
        self.kept[layer_idx] = (keys, values)
        return keys, values


def run_layers(
    backbone: StockModel,
    layers: range,
    hidden: Tensor,
    position: Tensor,
    sees: Tensor,
    cache: LayerCache | None = None,
) -> Tensor:
    """Some layers of a Llama, without its final norm: [B, T, d] to [B, T, d].

    Args:
        backbone: from scratch.
        layers: which.
        hidden: what the first of them reads.
        position: int64[B, T].
        sees: bool[B, 1, T, P + T], which kept (P) and new tokens each new token attends to.
        cache: kept keys and values; those of the new tokens are added.
    """
    rotary = backbone.rotary_emb(hidden, position_ids=position)
    for number in layers:
        hidden = backbone.layers[number](
            hidden,
            attention_mask=sees,
            position_ids=position,
            past_key_values=cache,
            use_cache=cache is not None,
            position_embeddings=rotary,
        )
    return hidden
