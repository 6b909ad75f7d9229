"""A circuit breaker: a server that failed several times in a row is left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["closed", "open", "trying"]


class BreakerConfig(BaseModel):
    """When a server is left alone, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    failures: int = Field(default=3, ge=1)
    """So many failures in a row open the breaker."""
    pause_s: float = Field(default=2.0, gt=0)
    """Seconds until one request may try again; doubles with every try that fails."""
    longest_pause_s: float = Field(default=60.0, gt=0)
    """No pause is longer."""


class Breaker:
    """Counts one server's failures. Safe to use from several threads.

    Args:
        config: when it opens.
        clock: seconds, ever growing.
    """

    def __init__(self, config: BreakerConfig | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config or BreakerConfig()
        self._clock = clock
        self._failures = 0
        self._pause = self.config.pause_s
        self._until = 0.0
        self._trying = False
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        """``closed``: requests go through; ``open``: they don't; ``trying``: one does, and decides."""
        with self._lock:
            if self._failures < self.config.failures:
                return "closed"
            return "trying" if self._trying else "open"

    def allows(self) -> bool:
        """Whether a request may go through now; whoever gets True reports back with :meth:`report`."""
        with self._lock:
            if self._failures < self.config.failures:
                return True
            if self._trying or self._clock() < self._until:
                return False
            self._trying = True
            return True

    def report(self, succeeded: bool) -> None:
        """How a request that was allowed went."""
        with self._lock:
            tried, self._trying = self._trying, False
            if succeeded:
                self._failures, self._pause = 0, self.config.pause_s
                return
            self._failures += 1
            if self._failures >= self.config.failures:
                if tried:
                    self._pause = min(2 * self._pause, self.config.longest_pause_s)
                self._until = self._clock() + self._pause
