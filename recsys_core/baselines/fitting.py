"""The training loop that the neural baselines share: batches by length, schedule, best epoch by validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from recsys_core.baselines.protocol import FitData, Floats, Ints, SequenceScorer, Tell, ndcg, validation_ranks
from recsys_core.baselines.recipe import TrainingRecipe
from recsys_core.errors import BuildError, DataError
from recsys_core.generator.data import Sequences, pieces

CLIP_NORM = 1.0
"""Longest gradient that is applied as it is."""


class Batch(NamedTuple):
    """One training step.

    Attributes:
        history: int64[B, T] item indices, right-padded with -1.
        targets: int64[B, T + 1], the item after each number of history items; -1 = none.
    """

    history: Tensor
    targets: Tensor


def check_histories(histories: Sequence[Ints], n_items: int) -> None:
    """Refuse items outside the catalogue.

    Raises:
        DataError: names the history and the item.
    """
    for row, history in enumerate(histories):
        if len(history) and (history.min() < 0 or history.max() >= n_items):
            wrong = history[(history < 0) | (history >= n_items)][0]
            raise DataError(
                f"history {row} holds item {wrong}, but the catalogue has items 0 to {n_items - 1}; "
                "fit on the catalogue that the histories come from"
            )


def check_data(data: FitData) -> None:
    """Refuse data that can't be learned from.

    Raises:
        DataError: no training items, an item outside the catalogue, or content that isn't finite.
    """
    if not len(data.items):
        raise DataError("there are no training items; give FitData at least one user's history")
    check_histories([data.items], data.n_items)
    if len(data.content) and len(data.content) != data.n_items:
        raise DataError(
            f"content has {len(data.content)} rows for {data.n_items} items; encode every item of the catalogue"
        )
    bad = np.flatnonzero(~np.isfinite(data.content).all(axis=1))
    if len(bad):
        raise DataError(
            f"content of item {bad[0]} (and {len(bad) - 1} more) isn't finite; encode it again or leave content out"
        )


def centred_content(data: FitData) -> Floats:
    """Content rows less their mean, of unit length: float32[n_items, d]; zero where a row equals the mean."""
    centred = data.content - data.content.mean(axis=0, keepdims=True, dtype=np.float64)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    rows: Floats = (centred / np.where(lengths > 1e-9, lengths, 1)).astype(np.float32)
    return rows


def pad_newest(histories: Sequence[Ints], window: int) -> tuple[Tensor, Tensor]:
    """The newest ``window`` items, right-padded with -1, and how many they are: int64[B, T], int64[B]."""
    newest = [history[-window:] for history in histories]
    lengths = np.array([len(history) for history in newest], dtype=np.int64)
    padded = np.full((len(newest), int(lengths.max(initial=0))), -1, dtype=np.int64)
    for row, history in enumerate(newest):
        padded[row, : len(history)] = history
    return torch.from_numpy(padded), torch.from_numpy(lengths)


def length_batches(data: FitData, window: int, batch_positions: int, rng: np.random.Generator) -> list[Batch]:
    """Every training item once as a target, in shuffled batches of histories of like length.

    Histories longer than ``window + 1`` are cut at places that ``rng`` chooses anew each time.
    """
    sequences = Sequences(data.offsets, data.items, np.empty(0))
    cut = [(start, stop) for start, stop, _ in pieces(sequences, window, rng)]
    lengths = np.array([stop - start for start, stop in cut])
    groups: list[list[int]] = []
    room = 0
    for number in np.lexsort((rng.random(len(cut)), lengths))[::-1].tolist():
        if not room:
            groups.append([])
            room = max(1, batch_positions // int(lengths[number]))
        groups[-1].append(number)
        room -= 1
    rng.shuffle(groups)
    batches = []
    for group in groups:
        longest = int(lengths[group].max())
        items = np.full((len(group), longest), -1, dtype=np.int64)
        inputs = np.full((len(group), longest - 1), -1, dtype=np.int64)
        for row, (start, stop) in enumerate(cut[number] for number in group):
            items[row, : stop - start] = data.items[start:stop]
            inputs[row, : stop - start - 1] = data.items[start : stop - 1]
        batches.append(Batch(torch.from_numpy(inputs), torch.from_numpy(items)))
    return batches


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, list[nn.Parameter] | float]]:
    """Decay on weight matrices of transformer and projections; none on embeddings, biases, norms and factors."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    decayed = [p for p in model.parameters() if p.ndim >= 2 and id(p) not in embeddings]
    rest = [p for p in model.parameters() if p.ndim < 2 or id(p) in embeddings]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def learning_rate(recipe: TrainingRecipe, epoch: float) -> float:
    """Up over the first epoch, then a cosine down to 5 %; with a single epoch, the warm-up takes a tenth of it."""
    warm_up = 1.0 if recipe.epochs > 1 else 0.1
    if epoch < warm_up:
        return recipe.learning_rate * max(0.02, epoch / warm_up)
    done = (epoch - warm_up) / (recipe.epochs - warm_up)
    return recipe.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def validation_sample(data: FitData, users: int, seed: int) -> FitData:
    """The data with at most ``users`` validated users, drawn by ``seed``."""
    if len(data.validation_targets) <= users:
        return data
    chosen = np.sort(np.random.default_rng(seed).choice(len(data.validation_targets), users, replace=False))
    histories = [data.validation_histories[user] for user in chosen.tolist()]
    targets = data.validation_targets[chosen]
    return FitData(data.offsets, data.items, data.n_items, data.content, data.sids, histories, targets)


def fit_epochs(
    name: str,
    model: nn.Module,
    data: FitData,
    recipe: TrainingRecipe,
    *,
    window: int,
    loss: Callable[[Batch], Tensor],
    scorer: Callable[[], SequenceScorer],
    seed: int,
    tell: Tell | None,
) -> None:
    """Train in place; the weights of the epoch with the best validation NDCG@10 stay in the model.

    Without validated users the last epoch's stay.

    Args:
        name: of the baseline, for messages.
        model: freshly made.
        data: what is learned from.
        recipe: schedule and batches.
        window: longest history.
        loss: of one batch, with the model in training mode.
        scorer: the model as it is now, in evaluation mode.
        seed: of cutting, shuffling and the validation sample; the caller seeds torch.
        tell: hears of every epoch.

    Raises:
        BuildError: the loss is not a number.
    """
    rng = np.random.default_rng(seed)
    checked = validation_sample(data, recipe.validation_users, seed)
    # one kernel for all parameters: a third of a step's time on two cores otherwise
    optimizer = torch.optim.AdamW(parameter_groups(model, recipe.weight_decay), betas=(0.9, 0.98), fused=True)
    best, kept = -1.0, {}
    for epoch in range(recipe.epochs):
        model.train()
        batches = length_batches(data, window, recipe.batch_positions, rng)
        for number, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, epoch + number / len(batches))
            value = loss(batch)
            if not math.isfinite(value.item()):
                raise BuildError(
                    f"baseline {name}: the training loss became {value.item()} in epoch {epoch + 1}; lower "
                    f"`learning_rate` (now {recipe.learning_rate:g})"
                )
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimizer.step()
        validated = len(checked.validation_targets) > 0
        quality = ndcg(validation_ranks(scorer(), checked))
        if tell:
            figure = f": validation NDCG@10 {quality:.4f}" if validated else ""
            tell(f"training {name}{figure}", epoch + 1, recipe.epochs)
        if quality > best or not validated:
            best = quality
            kept = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    model.load_state_dict(kept)
