"""One row of the table: a recommender, what it cost, and where each user's target stood in its list."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.metrics import Interval, bootstrap_mean, ndcg_at, recall_at

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

CUTS = (5, 10)
"""Cut-offs of recall and NDCG."""


class Entry(BaseModel):
    """A recommender as measured."""

    model_config = ConfigDict(extra="forbid")

    model: str
    """Name in the table."""
    measures: dict[str, Interval]
    """``recall@10`` ... with bootstrap intervals over users."""
    parameters: int
    """Numbers learned."""
    seconds: float
    """Wall-clock time to fit, choice of settings included."""
    cpu_seconds: float
    """Processor time to fit, all threads together, choice of settings included."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What it was fitted with, and what was chosen on validation."""
    validation: dict[str, float] = Field(default_factory=dict)
    """What validation said while choosing; never a test figure."""
    ranks: list[int]
    """Per user, place of the target from 1; 0 when it isn't among the first ten or was never proposed."""

    def per_user(self) -> dict[str, Floats]:
        """Recall and NDCG of each user by name."""
        ranks = np.array(self.ranks, dtype=np.int64)
        users: dict[str, Floats] = {}
        for cut in CUTS:
            users |= {f"recall@{cut}": recall_at(ranks, cut), f"ndcg@{cut}": ndcg_at(ranks, cut)}
        return users


def make_entry(
    model: str,
    ranks: Ints,
    cost: Cost,
    parameters: int,
    *,
    seed: int,
    settings: dict[str, Any] | None = None,
    validation: dict[str, float] | None = None,
) -> Entry:
    """Measure a row.

    Args:
        model: its name.
        ranks: int64[n_users], places from 1, 0 for a miss.
        cost: of the fit.
        parameters: numbers learned.
        seed: of the bootstrap.
        settings: for the record.
        validation: for the record.
    """
    kept = np.where(ranks <= max(CUTS), ranks, 0)
    entry = Entry(
        model=model,
        measures={},
        parameters=parameters,
        seconds=round(cost.seconds, 1),
        cpu_seconds=round(cost.cpu_seconds, 1),
        settings=settings or {},
        validation=validation or {},
        ranks=kept.tolist(),
    )
    measures = {name: bootstrap_mean(values, seed=seed) for name, values in entry.per_user().items()}
    return entry.model_copy(update={"measures": measures})


@dataclass
class Cost:
    """Time spent inside ``with``; processor time counts all threads and finished children."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    _started: tuple[float, float] = field(default=(0.0, 0.0), repr=False)

    def __enter__(self) -> Cost:
        self._started = (time.monotonic(), _processor())
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._started[0]
        self.cpu_seconds += _processor() - self._started[1]


def _processor() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
