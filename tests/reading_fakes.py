"""Readings without a model: emotions by the word list, likeness by shared words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.llm.none import NoChatModel
from agents.llm.protocol import ChatModel
from agents.reading.calming import Rewriter
from agents.reading.meter import Meter
from agents.reading.service import Readings
from agents.store import ReadingStore
from recsys_core.emotion import LexiconScorer


class WordEncoder:
    """Vectors of hashed words, of length one."""

    def encode_texts(self, texts: Sequence[str], *more: Any) -> np.ndarray:
        rows = np.zeros((len(texts), 256), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                rows[row, sum(word.strip(".,:!?").encode("utf-8", "replace")) % 256] += 1.0
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def plain_readings(store: ReadingStore, llm: ChatModel | None = None, folder: Path | None = None) -> Readings:
    """Readings that load nothing."""
    meter = Meter(LexiconScorer())
    return Readings(store, llm or NoChatModel(), meter, Rewriter(meter, folder, WordEncoder()))  # type: ignore[arg-type]
