"""What the classifier sees of a text: mean-pooled hidden states of the first layers of MiniLM.

The first layers say as much about emotion as the last, which was trained for topic, and cost a fraction of it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys_core.encoders.minilm import SentenceModel
from recsys_core.encoders.text import MODEL_PACKAGE, model_folder

_BATCH = 32
_LONGEST = 4_000
_CHUNK = 512
"""Texts that are sorted by length together."""


class LayerFeatures:
    """Feature vectors of texts, on the CPU; the model is loaded on first use. Safe to share between threads.

    Args:
        layers: layers of MiniLM whose mean-pooled states are joined, ascending; 0 is the embedding.
        max_tokens: longer texts are cut.
        model: package or folder of the sentence model.
    """

    def __init__(self, layers: Sequence[int], max_tokens: int = 96, model: str = MODEL_PACKAGE) -> None:
        self.layers = tuple(layers)
        self._max_tokens = max_tokens
        self._name = model
        self._lock = threading.Lock()
        self._loaded: SentenceModel | None = None

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[len(texts), len(layers) * width]``.

        Texts of like length share a batch, so little is spent on padding; characters after the 4,000th are not read.

        Raises:
            ConfigError: the sentence model isn't installed or can't be read.
        """
        model = self._model()
        rows = np.empty((len(texts), len(self.layers) * model.dimensions), dtype=np.float32)
        for low in range(0, len(texts), _CHUNK):
            tokens = model.tokenize([_clean(text) for text in texts[low : low + _CHUNK]])
            order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
            for start in range(0, len(order), _BATCH):
                chosen = order[start : start + _BATCH]
                batch = model.pooled_layers([tokens[row] for row in chosen], self.layers, quick=True)
                rows[[low + row for row in chosen]] = batch.numpy()
        return rows

    def _model(self) -> SentenceModel:
        with self._lock:
            if self._loaded is None:
                self._loaded = SentenceModel(model_folder(self._name), self._max_tokens, _BATCH)
            return self._loaded


def _clean(text: str) -> str:
    # a lone surrogate can't be encoded as UTF-8 and would stop the tokenizer
    return text[:_LONGEST].encode("utf-8", "replace").decode("utf-8")
