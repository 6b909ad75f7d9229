"""Sentence vectors by sentence-transformers: any model the library can load, at the price of a slow import.

Used for long lists, where the import doesn't matter, and for every model that :mod:`recsys_core.encoders.minilm`
doesn't know.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys_core.errors import ConfigError


class LibraryModel:
    """A ``SentenceTransformer`` on the CPU, from files only.

    Args:
        folder: in sentence-transformers layout.
        max_tokens: longer texts are cut.
        batch_size: sentences a forward pass; the library sorts them by length.

    Raises:
        ConfigError: the folder can't be loaded.
    """

    def __init__(self, folder: Path, max_tokens: int, batch_size: int) -> None:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        # its own progress bar would run through ours
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ConfigError(f"setting `text.model`: {folder} can't be loaded ({error})") from error
        self._model.max_seq_length = max_tokens
        self._batch_size = batch_size
        self.dimensions: int = self.encode([""]).shape[1]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[len(texts), dimensions]``, rows L2-normalised."""
        vectors = self._model.encode(
            list(texts), batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)
