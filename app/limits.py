"""Limits on how often one caller and one user may ask: token buckets in memory, one set a process."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_BUCKETS = 10_000
"""Callers remembered at a time; the one that asked longest ago is forgotten first."""


class RateLimit:
    """A bucket for each name: holds a minute's worth, refills steadily.

    Args:
        per_minute: requests a minute; 0 limits nothing.
        clock: seconds that never go back.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> int:
        """Take one token of a name.

        Returns:
            0 when there was one, else the whole seconds to wait for the next.
        """
        if self.per_minute <= 0:
            return 0
        rate = self.per_minute / 60.0
        with self._lock:
            now = self._clock()
            left, then = self._buckets.pop(name, (float(self.per_minute), now))
            left = min(float(self.per_minute), left + (now - then) * rate)
            enough = left >= 1.0
            self._buckets[name] = (left - 1.0 if enough else left, now)
            while len(self._buckets) > MOST_BUCKETS:
                self._buckets.popitem(last=False)
        return 0 if enough else max(1, math.ceil((1.0 - left) / rate))
