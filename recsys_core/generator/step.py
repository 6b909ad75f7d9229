"""What one batch costs: from histories and wordings to the loss that training takes the gradient of."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys_core.generator.config import TrainConfig
from recsys_core.generator.data import Batch, Ints
from recsys_core.generator.losses import SidLoss, grounding_loss
from recsys_core.generator.model import CompactModel, Instruction


def training_loss(
    model: CompactModel,
    loss: SidLoss,
    batch: Batch,
    ground: tuple[Ints, NDArray[np.bool_]],
    config: TrainConfig,
    wordings: Tensor,
    texts: Tensor,
    generator: torch.Generator,
) -> Tensor | None:
    """Loss of one batch, ready for ``backward``.

    Args:
        model: in training mode.
        loss: of the same model.
        batch: from :func:`~recsys_core.generator.data.epoch_batches`.
        ground: from :meth:`~recsys_core.generator.data.InstructionSampler.grounding`.
        config: the recipe.
        wordings: float32[n_wordings, d_text].
        texts: float32[n_items, d_text].
        generator: of negatives and noise.

    Returns:
        float32[]; None where the batch has no target.
    """
    if not (batch.targets >= 0).any():
        return None
    # those that train the wish alone come last: their states need no gradient
    order = np.argsort(batch.conditioned, kind="stable")
    batch = _reordered(batch, order)
    free = int((~batch.conditioned).sum())
    rows, own = torch.from_numpy(batch.instruction), torch.from_numpy(batch.own_text)
    sentence = torch.where((own >= 0)[:, None], texts[own.clamp(min=0)], wordings[rows.clamp(min=0)])
    instruction = model.instruct(_noisy(sentence, config, generator), (rows >= 0) | (own >= 0))
    history, targets = torch.from_numpy(batch.history), torch.from_numpy(batch.targets)
    places = (targets >= 0).flatten().nonzero()[:, 0]
    owner = torch.div(places, targets.shape[1], rounding_mode="floor")
    chosen = targets.flatten()[places]
    pool = loss.pool(history, chosen, generator)
    item_vectors = model.item_vectors(pool.items)
    parts = []
    for part, learns in ((slice(0, free), True), (slice(free, None), False)):
        if len(history[part]):
            said = Instruction(instruction.state[part], instruction.wish[part])
            with torch.set_grad_enabled(learns):
                parts.append(model(history[part], said, item_vectors, pool.place))
    states = torch.cat(parts)
    own_states = states.flatten(0, 1).index_select(0, places)
    keys = model.keys(model.levels, item_vectors, pool.items)
    weights = value_weights(batch.values, config.value_weight)
    if weights is not None:
        weights = weights.flatten()[places]
    told = torch.from_numpy(batch.conditioned)[owner]
    value = loss(own_states, instruction.wish.index_select(0, owner), chosen, keys, pool, weights, told)
    ground_rows, means = ground
    if len(ground_rows) and config.grounding_weight > 0:
        spoken = _noisy(wordings[torch.from_numpy(ground_rows)], config, generator)
        meant = model.instruct(spoken, torch.ones(len(spoken), dtype=torch.bool)).wish
        known = torch.from_numpy(means)[:, pool.items]
        value = value + config.grounding_weight * grounding_loss(model, meant, known, keys)
    return value


def _reordered(batch: Batch, order: Ints) -> Batch:
    values = None if batch.values is None else batch.values[order]
    return Batch(
        batch.history[order],
        batch.instruction[order],
        batch.own_text[order],
        batch.targets[order],
        batch.conditioned[order],
        values,
    )


def _noisy(sentence: Tensor, config: TrainConfig, generator: torch.Generator) -> Tensor:
    return sentence + config.sentence_noise * torch.randn(sentence.shape, generator=generator)


def value_weights(values: NDArray[np.float32] | None, power: float) -> Tensor | None:
    """``(value / mean) ** power`` of each target, float32 of the same shape; None when all count alike."""
    if values is None or power == 0:
        return None
    positive = np.maximum(values, 0.0)
    return torch.from_numpy(np.asarray((positive / max(float(positive.mean()), 1e-6)) ** power, dtype=np.float32))
