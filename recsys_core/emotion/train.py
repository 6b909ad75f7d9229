"""Fitting the head of the emotion classifier; a minute or two on two cores beside the feature vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors.numpy import save
from torch import Tensor, nn

from recsys_core.durable import write_atomic, write_json
from recsys_core.emotion.classes import EMOTIONS
from recsys_core.emotion.classifier import CARD, WEIGHTS, EmotionCard, EmotionClassifier, head_logits, softmax
from recsys_core.emotion.data import LICENCE, MAPPING, Labelled
from recsys_core.emotion.features import LayerFeatures
from recsys_core.emotion.scores import macro_f1

Progress = Callable[[str, int, int], None]


class EmotionTrainConfig(BaseModel):
    """How the head is fitted."""

    model_config = ConfigDict(extra="forbid")

    layers: list[int] = Field(default=[1, 2, 3], min_length=1)
    """Layers of MiniLM that are read; 0 is the embedding."""
    max_tokens: int = Field(default=96, ge=8, le=256)
    """Longer texts are cut."""
    hidden: int = Field(default=192, ge=1, le=512)
    """Width of the hidden layer."""
    dropout: float = Field(default=0.4, ge=0, lt=1)
    """Share of inputs and hidden units left out in training."""
    epochs: int = Field(default=12, ge=1)
    """Passes over the training texts."""
    batch: int = Field(default=256, ge=1)
    """Texts a step."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest rate of the one-cycle schedule."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Of AdamW."""


def train_emotion(
    train: Labelled,
    dev: Labelled,
    config: EmotionTrainConfig,
    *,
    seed: int,
    command: str,
    progress: Progress | None = None,
) -> EmotionClassifier:
    """Fit head, temperature and decision offsets; the last two on `dev`.

    Args:
        train: texts to learn from.
        dev: texts to choose by; never the test set.
        config: how.
        seed: of initial weights, order and dropout.
        command: told on the card.
        progress: called with (stage, done, total).
    """
    reader = LayerFeatures(config.layers, config.max_tokens)
    features = _features(reader, train.texts, "reading training texts", progress)
    dev_features = _features(reader, dev.texts, "reading development texts", progress)
    weights = _fit(features, train.targets, config, seed, progress)
    logits = head_logits(dev_features, weights)
    temperature = _temperature(logits, dev.targets)
    weights = _without_prior(weights, train.targets, temperature)
    shares = softmax(head_logits(dev_features, weights) / temperature)
    card = EmotionCard(
        name=f"MiniLM layers {', '.join(map(str, config.layers))} + head",
        layers=config.layers,
        max_tokens=config.max_tokens,
        temperature=temperature,
        decision_offsets=_offsets(shares[:, : len(EMOTIONS)], dev),
        command=command,
        seed=seed,
        data="GoEmotions, training part; temperature and offsets on its development part",
        data_licence=LICENCE,
        mapping=MAPPING,
    )
    return EmotionClassifier(card, dict(weights))


def save_emotion(classifier: EmotionClassifier, folder: Path) -> int:
    """Write weights (half precision) and card; returns the weights' size in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = save({name: value.astype(np.float16) for name, value in classifier.weights.items()})
    write_atomic(folder / WEIGHTS, raw)
    write_json(folder / CARD, classifier.card.model_dump())
    return len(raw)


def _features(reader: LayerFeatures, texts: list[str], stage: str, progress: Progress | None) -> NDArray[np.float32]:
    rows = []
    for low in range(0, len(texts), 1024):
        rows.append(reader.encode(texts[low : low + 1024]))
        if progress:
            progress(stage, min(len(texts), low + 1024), len(texts))
    return np.concatenate(rows)


def _fit(
    features: NDArray[np.float32],
    targets: NDArray[np.float32],
    config: EmotionTrainConfig,
    seed: int,
    progress: Progress | None,
) -> dict[str, NDArray[np.float32]]:
    torch.manual_seed(seed)
    mean, scale = features.mean(axis=0), 1.0 / (features.std(axis=0) + 1e-3)
    inputs = torch.from_numpy((features - mean) * scale)
    wanted = torch.from_numpy(targets)
    first, second = nn.Linear(features.shape[1], config.hidden), nn.Linear(config.hidden, targets.shape[1])
    network = nn.Sequential(nn.Dropout(config.dropout), first, nn.ReLU(), nn.Dropout(config.dropout), second)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    steps = config.epochs * -(-len(inputs) // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=steps)
    for epoch in range(config.epochs):
        order = torch.randperm(len(inputs))
        for low in range(0, len(order), config.batch):
            rows = order[low : low + config.batch]
            loss: Tensor = F.cross_entropy(network(inputs[rows]), wanted[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        if progress:
            progress("fitting the head", epoch + 1, config.epochs)
    # rounded as they will be stored, so that what is measured now is what is loaded later
    raw = {"mean": mean, "scale": scale}
    for name, layer in (("1", first), ("2", second)):
        raw[f"w{name}"] = layer.weight.detach().numpy().T.copy()
        raw[f"b{name}"] = layer.bias.detach().numpy()
    return {name: value.astype(np.float16).astype(np.float32) for name, value in raw.items()}


def _without_prior(
    weights: dict[str, NDArray[np.float32]], targets: NDArray[np.float32], temperature: float
) -> dict[str, NDArray[np.float32]]:
    """All seven classes as likely beforehand.

    A third of the training comments hold no emotion and one in seventy holds fear; how it is in what people will read
    is not known, so what the comments were like is taken out (Saerens et al., 2002).
    """
    shift = temperature * np.log(targets.mean(axis=0) * targets.shape[1])
    shifted: NDArray[np.float32] = (weights["b2"] - shift).astype(np.float16).astype(np.float32)
    return {**weights, "b2": shifted}


def _temperature(logits: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """The temperature with the least cross-entropy, by grid."""

    def loss(temperature: float) -> float:
        return float(-(targets * np.log(softmax(logits / temperature) + 1e-9)).sum(axis=1).mean())

    return min((round(0.5 + 0.05 * step, 2) for step in range(51)), key=loss)


def _offsets(shares: NDArray[np.float32], dev: Labelled) -> list[float]:
    """Offsets in proportion to how rare an emotion is; the proportion is the best of a few on `dev`."""
    single = (dev.targets.max(axis=1) == 1.0) & (dev.targets[:, len(EMOTIONS)] == 0.0)
    truth = dev.targets[single].argmax(axis=1)
    logs = np.log(shares[single] + 1e-9)
    rare = -np.log(np.bincount(truth, minlength=len(EMOTIONS)) / max(1, len(truth)) + 1e-6)
    rare -= rare.mean()

    def score(strength: float) -> float:
        return macro_f1(truth, (logs + strength * rare).argmax(axis=1)).value

    best = max((round(0.1 * step, 1) for step in range(-10, 6)), key=score)
    return [round(float(value), 4) for value in best * rare]
