"""Training of the alignment tower: contrastive loss on each view, distillation of collaborative similarities."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recsys_core.encoders.aligned import AlignedConfig, Floats, Tell, centred
from recsys_core.encoders.alignment_pairs import AlignmentViews, Ints, Pairs, behaviour_pairs, search_items, tag_pairs
from recsys_core.encoders.collaborative import normalised
from recsys_core.encoders.protocol import TrainSequences
from recsys_core.errors import BuildError

OFFSET_RATE = 5.0
"""Offsets of rarely drawn items move this many times faster than the tower, which every item moves."""


class Tower(nn.Module):
    """Content (float32[B, d], centred and normalised) to unit vectors (float32[B, width]).

    Args:
        inputs: d.
        config: shape and dropout.
    """

    def __init__(self, inputs: int, config: AlignedConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, config.width)
        # an orthogonal map keeps the distances of the content as far as the width allows: training starts from there
        nn.init.orthogonal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.inner = nn.Linear(inputs, config.hidden) if config.hidden else None
        self.outer = nn.Linear(config.hidden, config.width, bias=False) if config.hidden else None
        if self.outer is not None:
            nn.init.zeros_(self.outer.weight)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, content: Tensor) -> Tensor:
        """See the class."""
        x = self.dropout(content)
        y: Tensor = self.linear(x)
        if self.inner is not None and self.outer is not None:
            y = y + self.outer(functional.silu(self.inner(x)))
        return functional.normalize(y, dim=-1)

    def arrays(self, mean: Floats) -> dict[str, Floats]:
        """Weights under the names of :func:`recsys_core.encoders.aligned.tower`."""
        named: dict[str, Tensor] = {"linear": self.linear.weight, "bias": self.linear.bias}
        if self.inner is not None and self.outer is not None:
            named |= {"in_weight": self.inner.weight, "in_bias": self.inner.bias, "out_weight": self.outer.weight}
        return {"mean": mean, **{name: t.detach().numpy().copy() for name, t in named.items()}}


class Items(nn.Module):
    """Vectors of catalogue items: tower plus, most of the time, an offset of their own.

    Args:
        content: float32[n_items, d], centred and normalised.
        config: settings.
    """

    def __init__(self, content: Tensor, config: AlignedConfig) -> None:
        super().__init__()
        self.content = content
        self.tower = Tower(content.shape[1], config)
        self.offset = nn.Parameter(torch.zeros(len(content), config.width), requires_grad=config.item_offsets)
        self.kept = 1.0 - config.offset_dropout

    def forward(self, items: Tensor) -> Tensor:
        """int64[B] item indices to unit vectors float32[B, width]."""
        vectors: Tensor = self.tower(self.content[items])
        if not self.offset.requires_grad:
            return vectors
        kept = (torch.rand(len(items), 1) < self.kept).to(vectors.dtype)
        return functional.normalize(vectors + kept * self.offset[items], dim=-1)


def train_tower(
    content: Floats,
    train: TrainSequences,
    views: AlignmentViews,
    config: AlignedConfig,
    seed: int,
    tell: Tell | None,
) -> tuple[dict[str, Floats], Floats, dict[str, float]]:
    """Weights of the tower, item offsets float32[n_items, width], and mean losses of the last epoch.

    Raises:
        BuildError: no part has anything to learn from, or a loss isn't finite.
    """
    known = content.any(axis=1)
    mean = content[known].mean(axis=0).astype(np.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Items(torch.from_numpy(centred(content, mean)), config)
        losses = _optimise(model, _Steps(content, mean, train, views, config, seed), config, tell)
    return model.tower.arrays(mean), model.offset.detach().numpy().copy(), losses


class _Steps:
    """What each step of the training learns from."""

    def __init__(
        self,
        content: Floats,
        mean: Floats,
        train: TrainSequences,
        views: AlignmentViews,
        config: AlignedConfig,
        seed: int,
    ) -> None:
        self.config = config
        teaches = config.distillation_weight > 0 and views.collaborative is not None
        behaves = config.cooccurrence_weight > 0 or teaches
        nothing: Iterator[Pairs] = iter(())
        side = max(2, config.batch // 4)
        self.behaviour = behaviour_pairs(train, config.window, config.batch, seed) if behaves else nothing
        self.tags = tag_pairs(views.tags, side, seed) if config.category_weight else nothing
        self.search = search_items(views.queries, content, side, seed) if config.search_weight else nothing
        self.queries = None if views.queries is None else torch.from_numpy(centred(views.queries, mean))
        self.teacher = (
            torch.from_numpy(normalised(views.collaborative)) if teaches and views.collaborative is not None else None
        )
        self.steps = max(1, math.ceil(len(train.items) / config.batch))

    def losses(self, model: Items) -> dict[str, tuple[float, Tensor]]:
        """Part -> (weight, loss) of one step; parts that are off or have no data are missing."""
        config = self.config
        parts: dict[str, tuple[float, Tensor]] = {}
        pairs = next(self.behaviour, None)
        if pairs is not None and len(pairs.left) > 1:
            left, right = model(torch.from_numpy(pairs.left)), model(torch.from_numpy(pairs.right))
            if config.cooccurrence_weight:
                loss = contrast(left, right, pairs, config.temperature)
                parts["cooccurrence"] = config.cooccurrence_weight, loss
            if self.teacher is not None:
                loss = self._distil(self.teacher, left, right, pairs)
                parts["distillation"] = config.distillation_weight, loss
        pairs = next(self.tags, None)
        if pairs is not None:
            left, right = model(torch.from_numpy(pairs.left)), model(torch.from_numpy(pairs.right))
            parts["category"] = config.category_weight, contrast(left, right, pairs, config.temperature)
        pairs = next(self.search, None)
        if pairs is not None and self.queries is not None:
            rows = torch.from_numpy(pairs.left)
            loss = contrast(model(rows), model.tower(self.queries[rows]), pairs, config.temperature)
            parts["search"] = config.search_weight, loss
        return parts

    def _distil(self, teacher: Tensor, left: Tensor, right: Tensor, pairs: Pairs) -> Tensor:
        # half of the pairs, both sides: the cost grows with the square, and partners give the teacher something to say
        half = (len(left) + 1) // 2
        drawn = np.concatenate([pairs.left[:half], pairs.right[:half]])
        items, first = np.unique(drawn, return_index=True)
        students = torch.cat([left[:half], right[:half]])[torch.from_numpy(first)]
        return distillation(
            students, teacher[torch.from_numpy(items)], self.config.temperature, self.config.teacher_temperature
        )


def contrast(left: Tensor, right: Tensor, pairs: Pairs, temperature: float) -> Tensor:
    """Symmetric in-batch InfoNCE of unit vectors float32[B, width].

    A candidate that is one of the two items of the pair itself, or of the same group, isn't a negative of it. Negatives
    come as often as items are drawn, so popular ones are pushed away more: similarity tends to pointwise mutual
    information rather than to popularity.
    """
    logits = left @ right.T / temperature
    forward = torch.from_numpy(_not_negative(pairs.left, pairs.right, pairs.group))
    backward = torch.from_numpy(_not_negative(pairs.right, pairs.left, pairs.group))
    target = torch.arange(len(left))
    there = functional.cross_entropy(logits.masked_fill(forward, -torch.inf), target)
    back = functional.cross_entropy(logits.T.masked_fill(backward, -torch.inf), target)
    return (there + back) / 2


def distillation(student: Tensor, teacher: Tensor, temperature: float, teacher_temperature: float) -> Tensor:
    """KL(teacher || student) of the similarity to the other items of the batch, mean over items with a teacher.

    Args:
        student: float32[B, width], unit rows of distinct items.
        teacher: float32[B, c], unit rows; items with a zero row neither learn nor are learned about.
        temperature: of the student's cosines.
        teacher_temperature: of the teacher's.
    """
    taught = teacher.abs().sum(dim=1) > 0
    student, teacher = student[taught], teacher[taught]
    if len(student) < 3:  # with one other item both distributions are certain
        return student.sum() * 0.0
    itself = torch.eye(len(student), dtype=torch.bool)
    lowest = torch.finfo(torch.float32).min  # not -inf: 0 * -inf in the product of the two would be NaN
    wanted = functional.log_softmax((teacher @ teacher.T / teacher_temperature).masked_fill(itself, lowest), dim=1)
    given = functional.log_softmax((student @ student.T / temperature).masked_fill(itself, lowest), dim=1)
    return (
        functional.kl_div(
            given.masked_fill(itself, 0.0), wanted.masked_fill(itself, 0.0), reduction="none", log_target=True
        )
        .masked_fill(itself, 0.0)
        .sum(dim=1)
        .mean()
    )


def _not_negative(anchor: Ints, candidate: Ints, group: Ints) -> NDArray[np.bool_]:
    same = np.equal.outer(candidate, candidate) | np.equal.outer(anchor, candidate)
    same |= np.equal.outer(group, group) & (group >= 0)[:, None]
    np.fill_diagonal(same, False)
    return np.asarray(same, dtype=np.bool_)


def _optimise(model: Items, data: _Steps, config: AlignedConfig, tell: Tell | None) -> dict[str, float]:
    groups = [{"params": list(model.tower.parameters()), "lr": config.learning_rate}]
    if config.item_offsets:
        offsets = {"params": [model.offset], "lr": OFFSET_RATE * config.learning_rate, "weight_decay": 0.0}
        groups.append(offsets)
    optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    total = config.epochs * data.steps
    warm = max(1, total // 10)

    def rate(step: int) -> float:
        return min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * step / total)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    model.train()
    means: dict[str, float] = {}
    for epoch in range(config.epochs):
        sums: dict[str, list[float]] = {}
        for _ in range(data.steps):
            parts = data.losses(model)
            if not parts:
                raise BuildError(
                    "aligned vectors: no two items are related by histories, tags or queries; leave it out"
                )
            loss = torch.stack([weight * part for weight, part in parts.values()]).sum()
            if not torch.isfinite(loss):
                raise BuildError(f"aligned vectors: the loss became {loss.item()}; lower `learning_rate`")
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            for name, (_, part) in parts.items():
                sums.setdefault(name, []).append(float(part.detach()))
        means = {name: float(np.mean(values)) for name, values in sums.items()}
        if tell is not None:
            tell("aligning item vectors", epoch + 1, config.epochs)
    return means
