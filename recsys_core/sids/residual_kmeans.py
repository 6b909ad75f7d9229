"""Residual k-means: each level clusters what the levels before it left unexplained.

Deterministic: the same vectors, configuration and seed give the same codebooks byte for byte, because training is
single-threaded and seeded. Knows nothing of items or SID layouts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys_core.sids.codebooks import decoded, residual_candidates, residual_codes
from recsys_core.sids.kmeans import reseed_dead, train_centroids
from recsys_core.sids.shape import CodebookShape, checked_vectors, fitting_vectors


class ResidualKMeansConfig(CodebookShape):
    """Shape and training of the codebooks."""

    iterations: int = Field(default=25, ge=1, le=1000)
    """Lloyd iterations a level."""


class ResidualKMeans:
    """A stack of codebooks; see :class:`~recsys_core.sids.protocol.Quantizer`.

    Args:
        config: shape and training.
    """

    name = "residual_kmeans"
    keeps_own_paths = True
    terminal = False

    def __init__(self, config: ResidualKMeansConfig | None = None) -> None:
        self.config = config or ResidualKMeansConfig()
        self.codebooks: list[NDArray[np.float32]] = []
        """Per level ``float32[codes, d]``, filled by :meth:`fit`."""

    @property
    def levels(self) -> int:
        """Codes a path."""
        return self.config.levels

    @property
    def code_sizes(self) -> list[int]:
        """Codes of each level; empty before :meth:`fit`."""
        return [len(book) for book in self.codebooks]

    def fit(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """Learn the codebooks from ``float32[n, d]`` and return the codes of these vectors, ``int32[n, levels]``.

        Raises:
            BuildError: no vectors, NaN or infinite values, all vectors equal, or fewer items than codes.
        """
        residual = checked_vectors(vectors).copy()
        codes = self.config.resolve_codes(residual)
        self.codebooks = []
        columns = []
        for level in range(self.config.levels):
            codebook = train_centroids(residual, codes, self.config.iterations, self.config.seed + level)
            codebook, column = reseed_dead(residual, codebook)
            self.codebooks.append(codebook)
            columns.append(column)
            residual -= codebook[column]
        return np.stack(columns, axis=1)

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """Codes of ``float32[n, d]`` under the learned codebooks: ``int32[n, levels]``.

        Raises:
            BuildError: called before :meth:`fit`, NaN or infinite values, or another width than the codebooks'.
        """
        return residual_codes(fitting_vectors(vectors, self.codebooks), self.codebooks)

    def candidates(self, vectors: NDArray[np.float32], count: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """See :func:`~recsys_core.sids.codebooks.residual_candidates`."""
        return residual_candidates(fitting_vectors(vectors, self.codebooks), self.codebooks, count)

    def decode(self, codes: NDArray[np.int32]) -> NDArray[np.float32]:
        """The vectors that codes ``int[n, levels]`` stand for: ``float32[n, d]``."""
        return decoded(codes, self.codebooks)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What :meth:`from_arrays` needs."""
        return {f"level_{level}": book for level, book in enumerate(self.codebooks)}

    @classmethod
    def from_arrays(cls, config: ResidualKMeansConfig, arrays: Mapping[str, NDArray[Any]]) -> ResidualKMeans:
        """The quantizer that gave these :meth:`arrays`.

        Raises:
            KeyError: an array is missing.
        """
        quantizer = cls(config)
        quantizer.codebooks = [arrays[f"level_{level}"] for level in range(config.levels)]
        return quantizer
