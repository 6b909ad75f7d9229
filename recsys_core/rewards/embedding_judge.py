"""The default judge: cosine of sentence vectors. Every distinct text is encoded once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys_core.encoders.protocol import Progress
from recsys_core.encoders.text import TextEncoder


class EmbeddingJudge:
    """Cosine between the vectors of two texts.

    An empty text says nothing and scores 0 with everything, so that ties make it chance; the sentence model would give
    it an arbitrary direction.

    Args:
        encoder: sentence encoder; vectors of long lists come from its cache on disk where it has one.
        progress: called with (done, total) texts while new ones are encoded.

    Attributes:
        name: ``embedding``.
    """

    name = "embedding"

    def __init__(self, encoder: TextEncoder | None = None, progress: Progress | None = None) -> None:
        self._encoder = encoder or TextEncoder()
        self._progress = progress
        self._known: dict[str, NDArray[np.float32]] = {}

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[len(texts), d]``, rows of length 1, or 0 for an empty text."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            found = self._encoder.encode_texts(missing, self._progress)
            for text, vector in zip(missing, found, strict=True):
                self._known[text] = vector if text.strip() else np.zeros_like(vector)
        if not texts:
            return np.zeros((0, 1), dtype=np.float32)
        return np.stack([self._known[text] for text in texts])

    def scores(self, queries: Sequence[str], candidates: Sequence[str]) -> NDArray[np.float32]:
        """``float32[Q, C]`` cosines, -1 to 1."""
        if not queries or not candidates:
            return np.zeros((len(queries), len(candidates)), dtype=np.float32)
        return np.asarray(self.vectors(queries) @ self.vectors(candidates).T, dtype=np.float32)
