"""The emotion classifier: a small trained head over the first layers of MiniLM.

The head's weights are part of the package; `sidra train-emotion` makes them again. Knows nothing of training.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file

from recsys_core.emotion.classes import EMOTIONS
from recsys_core.emotion.features import LayerFeatures
from recsys_core.errors import ConfigError

WEIGHTS = "head.safetensors"
CARD = "card.json"
_REMEMBERED = 20_000


class EmotionCard(BaseModel):
    """What the weights are and how they came about; lies beside them as ``card.json``."""

    model_config = ConfigDict(extra="forbid")

    name: str
    """What reports call the classifier."""
    layers: list[int] = Field(min_length=1)
    """Layers of the sentence model that it reads."""
    max_tokens: int = Field(ge=8, le=256)
    """Longer texts are cut."""
    temperature: float = Field(default=1.0, gt=0)
    """Divides the logits; fitted on the development set."""
    decision_offsets: list[float] = Field(min_length=len(EMOTIONS), max_length=len(EMOTIONS))
    """Added to the log-probabilities before the likeliest emotion is named; fitted on the development set."""
    command: str
    """Command that made the weights."""
    seed: int
    """Its seed."""
    data: str
    """What it was trained on."""
    data_licence: str
    """Licence of that."""
    mapping: str
    """How its labels became six, and after whom."""
    scores: dict[str, float] = Field(default_factory=dict)
    """Measured when the weights were made."""


class EmotionClassifier:
    """Probabilities of six emotions; what a row lacks to 1 is the probability of none.

    All seven are as likely beforehand, whatever the training texts were like.

    Args:
        card: what the weights are.
        weights: ``mean``, ``scale`` [d]; ``w1`` [d, h], ``b1`` [h]; ``w2`` [h, 7], ``b2`` [7], the seventh for none.
    """

    def __init__(self, card: EmotionCard, weights: dict[str, NDArray[np.floating]]) -> None:
        self.card = card
        self._features = LayerFeatures(card.layers, card.max_tokens)
        self.weights = {name: np.asarray(value, dtype=np.float32) for name, value in weights.items()}
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()

    @classmethod
    def load(cls, path: Path | None = None) -> EmotionClassifier:
        """The classifier in a folder, or the one that comes with Sidra.

        Raises:
            ConfigError: files are missing or damaged.
        """
        folder = path if path is not None else Path(str(files("recsys_core.emotion"))) / "weights"
        try:
            card = EmotionCard.model_validate(json.loads((folder / CARD).read_text(encoding="utf-8")))
            weights = load_file(folder / WEIGHTS)
            _check(weights)
        except (OSError, ValueError, KeyError, ValidationError, SafetensorError) as error:
            raise ConfigError(
                f"{folder} holds no usable emotion classifier ({error}); make one with `sidra train-emotion`, or "
                "install Sidra again"
            ) from error
        return cls(card, weights)

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.card.name

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[len(texts), 6]`` in the order of ``EMOTIONS``; rows sum to at most 1.

        The last 20,000 different texts are remembered by their hash. Empty texts hold no emotion.

        Raises:
            ConfigError: the sentence model isn't installed.
        """
        out = np.zeros((len(texts), len(EMOTIONS)), dtype=np.float32)
        keys = [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest() for text in texts]
        with self._lock:
            for row, key in enumerate(keys):
                if (found := self._known.get(key)) is not None:
                    out[row] = found
            missing = {
                key: text for key, text in zip(keys, texts, strict=True) if key not in self._known and text.strip()
            }
        if not missing:
            return out
        made = dict(zip(missing, self._compute(list(missing.values())), strict=True))
        for row, key in enumerate(keys):
            if key in made:
                out[row] = made[key]
        with self._lock:
            self._known |= made
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return out

    def emotions(self, texts: Sequence[str]) -> list[str]:
        """The likeliest emotion of each text, rare emotions given the weight that the card says."""
        scores = np.log(self.probabilities(texts) + 1e-9) + np.asarray(self.card.decision_offsets)
        return [EMOTIONS[column] for column in scores.argmax(axis=1)]

    def _compute(self, texts: list[str]) -> NDArray[np.float32]:
        logits = head_logits(self._features.encode(texts), self.weights) / self.card.temperature
        return softmax(logits)[:, : len(EMOTIONS)]


def head_logits(features: NDArray[np.float32], weights: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """``float32[n, 7]`` of feature vectors ``float32[n, d]``: one hidden layer with a ReLU."""
    normal = (features - weights["mean"]) * weights["scale"]
    hidden = np.maximum(normal @ weights["w1"] + weights["b1"], 0.0)
    logits: NDArray[np.float32] = (hidden @ weights["w2"] + weights["b2"]).astype(np.float32)
    return logits


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows that sum to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _check(weights: dict[str, NDArray[np.floating]]) -> None:
    width, hidden = weights["w1"].shape
    shapes = {
        "mean": (width,),
        "scale": (width,),
        "b1": (hidden,),
        "w2": (hidden, len(EMOTIONS) + 1),
        "b2": (len(EMOTIONS) + 1,),
    }
    for name, shape in shapes.items():
        if weights[name].shape != shape:
            raise ValueError(f"{name} has the shape {weights[name].shape}, not {shape}")
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise ValueError("a weight is not a number")
