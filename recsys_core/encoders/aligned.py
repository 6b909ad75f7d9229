"""Aligned vectors: one space for what items say, what relates them and who chose them together.

After SIGMA's unified latent space (arXiv 2602.22913, section on multi-view alignment): a tower reads content vectors
and is trained with an in-batch contrastive loss on related pairs, ``L_CL = -1/2B sum log P(i'|i)`` in both directions,
and with a distillation, ``L_KD = sum_j P_cf(j|i) log(P_cf(j|i) / P(j|i))``, whose teacher is the softmax of the
similarities between collaborative vectors. SIGMA tunes a language model; here a small tower on top of a frozen sentence
encoder is trained, which takes seconds. Any part can be switched off by a weight of 0.

New items and search texts get their vectors from the tower alone. Items of the training set may have an offset of their
own on top (``item_offsets``); it is dropped at random while training, after DropoutNet (Volkovs et al. 2017), so that
vectors with and without it share one space.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, ValidationError

from recsys_core.encoders.alignment_pairs import AlignmentViews
from recsys_core.encoders.collaborative import normalised
from recsys_core.encoders.protocol import TrainSequences
from recsys_core.errors import BuildError, ConfigError, DataError

Floats = NDArray[np.float32]
Tell = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""

SCHEMA = "1"
"""Goes up whenever an older file can no longer be read."""


class AlignedConfig(BaseModel):
    """Shape of the tower, weight of each part, and how long it trains."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: PositiveInt = 128
    """Width of the vectors."""
    hidden: NonNegativeInt = 256
    """Width of the hidden layer beside the linear map; 0 leaves a linear tower."""
    item_offsets: bool = True
    """Whether items of the training set get a learned offset on top of the tower."""
    cooccurrence_weight: NonNegativeFloat = 1.0
    """Weight of the contrast on items near each other in a history; 0 leaves it out."""
    category_weight: NonNegativeFloat = 0.2
    """Weight of the contrast on items that share a rare tag; 0 leaves it out."""
    search_weight: NonNegativeFloat = 0.2
    """Weight of the contrast between items and their queries; 0 leaves it out."""
    distillation_weight: NonNegativeFloat = 1.0
    """Weight of the distillation of collaborative similarities; 0 leaves it out."""
    window: PositiveInt = 5
    """Two items of a history are a pair when at most so many steps apart; a gap of g counts 1/g."""
    temperature: float = Field(default=0.07, gt=0)
    """Cosines are divided by this before the softmax."""
    teacher_temperature: float = Field(default=0.1, gt=0)
    """The same for the teacher's cosines."""
    epochs: PositiveInt = 4
    """Passes over the training positions."""
    batch: int = Field(default=512, ge=2)
    """Pairs a step from behaviour; a quarter as many from tags and queries."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest rate; it rises over the first tenth and falls as a cosine."""
    weight_decay: NonNegativeFloat = 0.01
    """Of the tower, by AdamW."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of content values that are dropped while training."""
    offset_dropout: float = Field(default=0.5, ge=0, le=1)
    """Share of items whose offset is dropped in each step."""


class AlignedEncoder:
    """A trained tower and the vectors of the items it was trained on.

    Args:
        weights: ``mean`` float32[d], ``linear`` [width, d], ``bias`` [width], and with a hidden layer ``in_weight``
            [hidden, d], ``in_bias`` [hidden], ``out_weight`` [width, hidden].
        item_vectors: float32[n_items, width], unit rows.
        config: settings.
        losses: mean loss of each part in the last epoch; parts that were off are missing.
    """

    def __init__(
        self, weights: dict[str, Floats], item_vectors: Floats, config: AlignedConfig, losses: dict[str, float]
    ) -> None:
        self.weights = weights
        self.item_vectors = item_vectors
        self.config = config
        self.losses = losses

    @classmethod
    def fit(
        cls,
        content: Floats,
        train: TrainSequences,
        views: AlignmentViews,
        config: AlignedConfig | None = None,
        *,
        seed: int = 0,
        tell: Tell | None = None,
    ) -> AlignedEncoder:
        """Train the tower; the same input and seed give the same bytes on one machine.

        Args:
            content: float32[n_items, d], what is known of each item without behaviour; zero rows are unknown.
            train: histories without validation and test items.
            views: what else relates items; a view without data is left out.
            config: settings.
            seed: of weights, pairs and dropout.
            tell: called after each epoch.

        Raises:
            ConfigError: all parts have weight 0.
            BuildError: NaN or infinite values, parts that disagree on the number of items, nothing to learn from, or
                a loss that isn't finite.
        """
        config = config or AlignedConfig()
        _check(content, train, views, config)
        from recsys_core.encoders.alignment_training import train_tower

        weights, offsets, losses = train_tower(content, train, views, config, seed, tell)
        vectors = normalised(tower(weights, content) + offsets)
        return cls(weights, vectors, config, losses)

    def encode(self, content: Floats) -> Floats:
        """Vectors of new items or search texts from their content alone.

        Args:
            content: float32[m, d], from the encoder that made the vectors of :meth:`fit`.

        Returns:
            float32[m, width], unit rows.

        Raises:
            BuildError: another width than in training, NaN or infinite values.
        """
        width = len(self.weights["mean"])
        if content.ndim != 2 or content.shape[1] != width:
            raise BuildError(f"aligned vectors: content of shape {content.shape}, the tower reads (n, {width})")
        _refuse_nonfinite("content", content)
        return tower(self.weights, content)

    def save(self, path: Path) -> None:
        """Write tower, vectors and settings as one safetensors file; it appears complete or not at all."""
        from safetensors.numpy import save_file

        about = {"schema": SCHEMA, "config": self.config.model_dump_json(), "losses": json.dumps(self.losses)}
        tensors = {name: np.ascontiguousarray(array) for name, array in self.weights.items()}
        part = path.with_name(f"{path.name}.part")
        save_file({**tensors, "item_vectors": np.ascontiguousarray(self.item_vectors)}, part, metadata=about)
        os.replace(part, path)

    @classmethod
    def load(cls, path: Path) -> AlignedEncoder:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: the file is missing, damaged or of another schema.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as stored:
                about = stored.metadata() or {}
                arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
            if about.get("schema") != SCHEMA:
                raise DataError(f"{path} has schema {about.get('schema')}, this Sidra reads {SCHEMA}; align again")
            config = AlignedConfig.model_validate_json(about["config"])
            return cls(arrays, arrays.pop("item_vectors"), config, json.loads(about["losses"]))
        except (OSError, SafetensorError, KeyError, ValidationError, ValueError) as error:
            raise DataError(f"{path} is not a readable alignment ({error}); align again") from error


def align(
    content: Floats,
    train: TrainSequences,
    views: AlignmentViews,
    config: AlignedConfig | None = None,
    *,
    seed: int = 0,
    tell: Tell | None = None,
) -> Floats:
    """Aligned vectors of all items: float32[n_items, width], unit rows; see :meth:`AlignedEncoder.fit`."""
    return AlignedEncoder.fit(content, train, views, config, seed=seed, tell=tell).item_vectors


def tower(weights: dict[str, Floats], content: Floats) -> Floats:
    """The tower without its training: ``unit(A x + b + C silu(D x + e))`` of the centred, normalised content."""
    x = centred(content, weights["mean"])
    y = x @ weights["linear"].T + weights["bias"]
    if "in_weight" in weights:
        hidden = x @ weights["in_weight"].T + weights["in_bias"]
        # silu; clipped where the exponential would overflow and the sigmoid is 0 or 1 in single precision anyway
        hidden *= 1.0 / (1.0 + np.exp(-np.clip(hidden, -60, 60)))
        y = y + hidden @ weights["out_weight"].T
    return normalised(y)


def centred(content: Floats, mean: Floats) -> Floats:
    """Content minus the mean, unit rows; rows of which nothing is known stay 0."""
    known = content.any(axis=1, keepdims=True)
    return normalised(np.where(known, content - mean, 0.0).astype(np.float32))


def _check(content: Floats, train: TrainSequences, views: AlignmentViews, config: AlignedConfig) -> None:
    parts = (config.cooccurrence_weight, config.category_weight, config.search_weight, config.distillation_weight)
    if not any(parts):
        raise ConfigError("aligned vectors: all four weights are 0; give one of them a weight")
    if content.ndim != 2 or content.shape[1] == 0 or not content.any():
        raise BuildError("aligned vectors: there is no content to align; the items have neither text nor tags")
    n_items = len(content)
    for name, part in (("queries", views.queries), ("collaborative", views.collaborative)):
        if part is not None and len(part) != n_items:
            raise BuildError(f"aligned vectors: {len(part)} rows of {name} for {n_items} items; build both again")
    if views.queries is not None and views.queries.shape[1] != content.shape[1]:
        raise BuildError("aligned vectors: content and queries differ in width; take one encoder for both")
    for name, part in (("content", content), ("queries", views.queries), ("collaborative", views.collaborative)):
        if part is not None:
            _refuse_nonfinite(name, part)
    if len(train.items) and not 0 <= int(train.items.min()) <= int(train.items.max()) < n_items:
        raise BuildError(f"aligned vectors: the histories name items outside a catalogue of {n_items}; build again")


def _refuse_nonfinite(name: str, part: Floats) -> None:
    bad = ~np.isfinite(part).all(axis=1)
    if bad.any():
        raise BuildError(
            f"aligned vectors: {name} has NaN or infinite values in {int(bad.sum())} of {len(part)} rows (first: row "
            f"{int(np.flatnonzero(bad)[0])}); delete the vector cache and build again"
        )
