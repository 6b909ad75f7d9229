"""Whether a promoted plan keeps its promises in use: answers in time, and quality over the floor on what people do.

Quality in use is measured as it was in the study, on the people who come: the newest item of somebody's history is
hidden, the plan and the release as it was built both rank it, and the paired difference counts. Nothing is asked of
anybody, and nothing is kept but numbers.
"""

from __future__ import annotations

import math
from collections import deque
from threading import Lock

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from recsys_core.tuning.promotion import Promotion


class InUseConfig(BaseModel):
    """When there is enough to say something."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: int = Field(default=200, ge=20)
    """Newest answers that latency is judged by, and as many that have to be there."""
    samples: int = Field(default=100, ge=30)
    """Fewest people before quality is judged."""
    kept: int = Field(default=2_000, ge=100)
    """Newest samples that count."""
    confidence: float = Field(default=0.99, gt=0.5, lt=1)
    """Of the bound that has to be under the floor. It is looked at again and again, so it is stricter than once."""
    every: int = Field(default=25, ge=1)
    """Quality is judged after so many new samples."""


class InUse:
    """What is known of one promoted plan in use. Safe to share between threads.

    Args:
        promotion: what was promised.
        config: when to judge.
    """

    def __init__(self, promotion: Promotion, config: InUseConfig | None = None) -> None:
        self.promotion = promotion
        self.config = config or InUseConfig()
        self._times: deque[float] = deque(maxlen=self.config.window)
        self._own: deque[float] = deque(maxlen=self.config.kept)
        self._built: deque[float] = deque(maxlen=self.config.kept)
        self._count = 0
        self._breach = ""
        self._lock = Lock()

    def served(self, milliseconds: float) -> None:
        """An answer took so long."""
        with self._lock:
            self._times.append(milliseconds)

    def sampled(self, own: float, built: float) -> None:
        """The same question under the plan and as built: quality of both, 0 to 1."""
        with self._lock:
            self._own.append(own)
            self._built.append(built)
            self._count += 1

    def breach(self) -> str:
        """Which promise is broken, in a sentence; empty while all hold or too little is known."""
        with self._lock:
            self._breach = self._breach or self._late() or self._poor()
            return self._breach

    def figures(self) -> dict[str, float]:
        """What is known, for the page: answers, p95 in ms, samples, share of quality kept."""
        with self._lock:
            found = {"answers": float(len(self._times)), "samples": float(len(self._own))}
            if self._times:
                found["p95_ms"] = float(np.percentile(self._times, 95))
            if sum(self._built) > 0:
                found["quality_kept"] = float(sum(self._own) / sum(self._built))
            return found

    def _late(self) -> str:
        if len(self._times) < self.config.window:
            return ""
        slow = float(np.percentile(self._times, 95))
        if slow <= self.promotion.latency_ms:
            return ""
        return (
            f"latency: 19 of 20 of the last {len(self._times)} answers take up to {slow:.0f} ms, "
            f"{self.promotion.latency_ms:g} are allowed"
        )

    def _poor(self) -> str:
        n = len(self._own)
        if n < self.config.samples or self._count % self.config.every:
            return ""
        own, built = np.array(self._own), np.array(self._built)
        base = float(built.mean())
        if base <= 0:
            return ""
        excess = own - self.promotion.floor * built
        # below the floor beyond doubt: the upper bound of the excess is under 0
        upper = float(excess.mean()) + float(stats.t.ppf(self.config.confidence, n - 1)) * float(
            excess.std(ddof=1)
        ) / math.sqrt(n)
        if upper >= 0:
            return ""
        return (
            f"quality: {own.mean() / base:.3f} of what the release as built gives the same {n} people, below the floor "
            f"{self.promotion.floor:g} with {self.config.confidence:.0%} confidence"
        )
