"""What every way of making semantic IDs offers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recsys_core.sids.quality import SidQuality

Vectors = NDArray[np.float32]
"""``float32[n, d]``, row = item index."""

Sids = NDArray[np.int32]
"""``int32[n, L]``, row = item index."""


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
