"""What a unit of counted work costs on this machine: non-negative least squares of processor time on counts.

Processor time of one configuration varies by several percent from run to run, counts don't. So a handful of batches
is timed once, a price for each kind of work follows, and from then on a configuration's cost is its counts times
these prices: the same each time, and near what the processor takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import nnls


class Timed(NamedTuple):
    """One batch: counts by kind, and processor seconds."""

    work: Mapping[str, float]
    seconds: float


class Prices(BaseModel):
    """Microseconds a unit, by kind of work."""

    model_config = ConfigDict(extra="forbid")

    us: dict[str, float] = Field(default_factory=dict)
    """Kind -> microseconds."""
    error: float = 0.0
    """Median relative difference between priced and measured time of the batches they were fitted to."""
    batches: int = 0
    """How many those were."""

    def of(self, work: Mapping[str, float]) -> dict[str, float]:
        """Microseconds by kind."""
        return {kind: self.us.get(kind, 0.0) * count for kind, count in work.items()}


def fit_prices(timed: Sequence[Timed]) -> Prices:
    """Prices under which counts come nearest to the measured times, relative errors counting alike.

    Args:
        timed: batches of several sizes and configurations, the more unlike the better.
    """
    kinds = sorted({kind for batch in timed for kind in batch.work})
    seconds = np.maximum([batch.seconds for batch in timed], 1e-6)
    counts = np.array([[batch.work.get(kind, 0.0) for kind in kinds] for batch in timed])
    scale = np.maximum(counts.max(axis=0), 1.0)
    weights, _ = nnls(counts / scale / seconds[:, None], np.ones(len(timed)))
    prices = weights / scale
    error = float(np.median(np.abs(counts @ prices / seconds - 1.0)))
    us = {kind: float(price) * 1e6 for kind, price in zip(kinds, prices, strict=True)}
    return Prices(us=us, error=round(error, 4), batches=len(timed))
