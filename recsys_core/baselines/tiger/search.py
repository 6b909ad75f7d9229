"""Beam search over the semantic IDs that exist, and the exact scores that it approximates."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from recsys_core.baselines.tiger.model import TigerModel
from recsys_core.constraints import ConstraintIndex


@torch.inference_mode()
def beam_search(
    model: TigerModel, index: ConstraintIndex, history: Tensor, lengths: Tensor, width: int
) -> tuple[Tensor, Tensor]:
    """The most likely items, as far as a beam finds them.

    Codes without an item below them are never followed, and their probability is not shared out among the others.

    Args:
        model: in evaluation mode.
        index: of the model's semantic IDs.
        history: int64[B, T] item indices, right-padded with -1.
        lengths: int64[B], how many of them are items.
        width: beams kept after each level.

    Returns:
        Items int64[B, W] and their log-probabilities float32[B, W], best first; W is at most ``width``; -1 and -inf
        where fewer items were reached.
    """
    memory = model.encode(history)
    sight = model.sight(memory, lengths[:, None])
    nodes, total = np.zeros((len(history), 1), dtype=np.int32), torch.zeros(len(history), 1)
    inputs, past = model.decoder_input(0, None, lengths[:, None]), None
    for level in range(model.levels):
        states, past = model.decode(inputs[:, :, None], memory, sight, past)
        codes = functional.log_softmax(model.logits(level, states[:, :, 0]), dim=-1)
        children, tokens = (torch.from_numpy(a) for a in index.children(level, nodes))
        reached = total[..., None] + codes.gather(-1, tokens.clamp(min=0).long())
        reached = reached.masked_fill(children < 0, -torch.inf).flatten(1)
        total, chosen = reached.topk(min(width, reached.shape[1]), dim=1)
        alive = total > -torch.inf
        nodes = torch.where(alive, children.flatten(1).gather(1, chosen), -1).numpy()
        if level + 1 < model.levels:
            rows, parents = torch.arange(len(history))[:, None], chosen // children.shape[2]
            past = [(keys[rows, parents], values[rows, parents]) for keys, values in past]
            code = tokens.flatten(1).gather(1, chosen).clamp(min=0).long()
            inputs = model.decoder_input(level + 1, code, lengths[:, None])
    items = np.where(nodes >= 0, index.leaf_item[np.maximum(nodes, 0)], -1).astype(np.int64)
    return torch.from_numpy(items), total


@torch.inference_mode()
def exact_log_probabilities(model: TigerModel, history: Tensor, lengths: Tensor) -> Tensor:
    """Log-probability of every item's semantic ID: float32[B, n_items]. Slow; arguments as in :func:`beam_search`."""
    memory = model.encode(history)
    items = torch.arange(len(model.sids)).expand(len(history), -1)
    states = model.teacher_forced(items, lengths[:, None], memory)
    total = torch.zeros(items.shape)
    for level in range(model.levels):
        codes = functional.log_softmax(model.logits(level, states[:, :, level]), dim=-1)
        total += codes.gather(-1, model.sids[items, level, None])[..., 0]
    return total
