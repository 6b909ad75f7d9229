"""What every way of making semantic IDs offers: a quantizer finds codes, a tokenizer makes unique SIDs of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from recsys_core.sids.quality import SidQuality

Vectors = NDArray[np.float32]
"""``float32[n, d]``, row = item index."""

Codes = NDArray[np.int32]
"""``int32[n, levels]``, row = item index; several items may have the same."""

Sids = NDArray[np.int32]
"""``int32[n, L]``, row = item index."""


class Quantizer(Protocol):
    """Vectors to code paths. Knows nothing of items, SIDs or layouts."""

    name: str
    """The name that settings and saved files use."""
    keeps_own_paths: bool
    """Whether :meth:`encode` gives a vector that was fitted the path that :meth:`fit` gave it."""
    terminal: bool
    """Whether the last code of each level means "the path has ended", so that paths differ in length."""

    @property
    def config(self) -> BaseModel:
        """Shape and training."""
        ...

    @property
    def codebooks(self) -> list[NDArray[np.float32]]:
        """Per level ``float32[codes, d]`` in the space of the vectors; a path stands for the sum of its rows.

        Empty before :meth:`fit`.
        """
        ...

    @property
    def levels(self) -> int:
        """Codes a path."""
        ...

    @property
    def code_sizes(self) -> list[int]:
        """Codes of each level, the one that ends a path included; empty before :meth:`fit`."""
        ...

    def fit(self, vectors: Vectors) -> Codes:
        """Learn the codebooks and return the paths of these vectors.

        Raises:
            BuildError: NaN or constant vectors, or fewer items than codes.
        """
        ...

    def encode(self, vectors: Vectors) -> Codes:
        """Paths of further vectors under the learned codebooks.

        Raises:
            BuildError: before :meth:`fit`, NaN values, or another width.
            ConfigError: this quantizer can't encode further items.
        """
        ...

    def candidates(self, vectors: Vectors, count: int) -> tuple[Codes, NDArray[np.float32]]:
        """The best few paths of each vector, for choosing among them later (DREAM, arXiv 2606.06947, stage 1).

        Args:
            vectors: ``float32[n, d]``.
            count: distinct paths a vector.

        Returns:
            ``int32[n, count, levels]``, best first, the first that of :meth:`encode`, and scores
            ``float32[n, count]``, which never rise along a row.

        Raises:
            BuildError: as :meth:`encode`.
            ConfigError: there aren't that many paths, or this quantizer can't encode further items.
        """
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that was learned."""
        ...

    @classmethod
    def from_arrays(cls, config: Any, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The quantizer with this configuration that gave these :meth:`arrays`.

        Raises:
            KeyError: an array is missing.
        """
        ...


class SidTokenizer(Protocol):
    """Learns codes from the catalogue's vectors and gives every item a SID of its own."""

    def fit(self, vectors: Vectors) -> Sids:
        """Learn the codes and return the unique SIDs of these items.

        Raises:
            BuildError: NaN or constant vectors, or fewer items than codes.
        """
        ...

    def encode(self, vectors: Vectors) -> Sids:
        """SIDs of *further* items, which are remembered as taken; no SID given earlier changes."""
        ...

    def quality(self) -> SidQuality:
        """How well the codes describe the items they were learned from."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything that :meth:`encode` needs."""
        ...
