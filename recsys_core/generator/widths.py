"""How wide a beam is: by level (after the dynamic beam of GR4AD, arXiv 2602.22732) and by load."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Ints = NDArray[np.int64]


class BeamConfig(BaseModel):
    """Widths of a beam search."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    growth: float = Field(default=1.0, ge=1, le=8)
    """The last level of prefixes has the width that was asked for, each one before it that divided by this: 2 makes
    128, 256, 512 of a beam of 512 on three levels. Shallow prefixes are few and told apart best. Nothing changes where
    semantic IDs have one level of prefixes."""
    calm: int = Field(default=0, ge=0)
    """Requests waiting in the engine from which beams are narrowed, in proportion; 0 never narrows."""
    floor: int = Field(default=5, ge=1)
    """Load narrows no beam below this."""

    def by_level(self, beams: Ints, levels: int) -> Ints:
        """Widths at each level of prefixes.

        Args:
            beams: int64[B], width at the last one.
            levels: length of a semantic ID.

        Returns:
            int64[B, max(1, levels - 1)], each at least 1; int64[B] where all levels are as wide.
        """
        if self.growth == 1:
            return np.asarray(beams, dtype=np.int64)
        prefixes = max(1, levels - 1)
        shares = self.growth ** -np.arange(prefixes - 1, -1, -1, dtype=np.float64)
        return np.maximum(1, np.ceil(np.asarray(beams)[:, None] * shares)).astype(np.int64)

    def under_load(self, beam: int, waiting: int) -> int:
        """The width of a request among so many: beam * calm / waiting, between ``floor`` and what was asked for."""
        if not self.calm or waiting <= self.calm:
            return beam
        return min(beam, max(self.floor, round(beam * self.calm / waiting)))


def widths_at(widths: Ints, level: int) -> Ints:
    """Width of each request at a level of prefixes: int64[B] or int64[B, L - 1] to int64[B]."""
    return widths if widths.ndim == 1 else widths[:, level]
