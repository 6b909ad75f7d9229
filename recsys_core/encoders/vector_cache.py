"""Vectors on disk, found again by the content they were made from. Any damaged file is as good as none."""

from __future__ import annotations

import hashlib
import io
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys_core.durable import write_atomic

log = logging.getLogger(__name__)


class VectorCache:
    """One file a batch of texts.

    Args:
        folder: made when first written to.
        fingerprint: what, besides the texts, the vectors depend on (the model's hash and limits).
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = folder
        self._fingerprint = fingerprint

    def path(self, texts: Sequence[str]) -> Path:
        """Where the vectors of exactly these texts, in this order, are or would be."""
        digest = hashlib.sha256(self._fingerprint.encode())
        for text in texts:
            raw = text.encode("utf-8", "replace")
            digest.update(len(raw).to_bytes(8, "little"))
            digest.update(raw)
        return self.folder / f"{digest.hexdigest()}.npz"

    def get(self, texts: Sequence[str], dimensions: int) -> NDArray[np.float32] | None:
        """``float32[len(texts), dimensions]``, or None when absent or damaged."""
        path = self.path(texts)
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as archive:
                vectors: NDArray[np.float32] = archive["vectors"]
                intact = archive["digest"].item() == _digest(vectors)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            log.warning("cached vectors %s are damaged (%s); making them again", path.name, error)
            return None
        if not intact or vectors.shape != (len(texts), dimensions) or vectors.dtype != np.float32:
            log.warning("cached vectors %s are damaged (checksum or shape); making them again", path.name)
            return None
        return vectors

    def put(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Keep vectors; another process never sees half a file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        archive = io.BytesIO()
        np.savez(archive, vectors=vectors, digest=np.array(_digest(vectors)))
        write_atomic(self.path(texts), archive.getvalue())


def _digest(vectors: NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(vectors).tobytes()).hexdigest()
