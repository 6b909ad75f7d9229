"""Concurrent calls answered together: whoever finds nobody at work answers for all who wait.

Nothing runs in the background. A call that comes while nobody is at work becomes the leader: it takes the calls that
wait, answers them as one batch, and hands each its own result. Calls that arrive meanwhile form the next batch. A
leader without company starts at once; with company (others on their way in, or a batch of several just before) it
waits a moment for them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")
R = TypeVar("R")

STILL_BUSY = 5
"""For so many windows after a batch of several, more are expected."""


class BatchConfig(BaseModel):
    """How concurrent calls are joined."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(default=32, ge=1, le=64)
    """Calls answered together at most; 1 answers each alone."""
    window_ms: float = Field(default=2.0, ge=0, le=100)
    """How long a leader with company waits for others."""
    lanes: int = Field(default=1, ge=1, le=16)
    """Batches that may be at work at the same time; more than one needs as many cores to spare."""


class _Job(Generic[T, R]):
    def __init__(self, item: T) -> None:
        self.item = item
        self.done = False
        self.result: R | None = None
        self.error: BaseException | None = None


class Batcher(Generic[T, R]):
    """Joins calls from many threads.

    Args:
        answer: items, and how many calls wait or are in this batch, to one result an item, in order.
        config: how.
    """

    def __init__(self, answer: Callable[[Sequence[T], int], Sequence[R]], config: BatchConfig | None = None) -> None:
        self.config = config or BatchConfig()
        self._answer = answer
        self._changed = threading.Condition()
        self._queue: deque[_Job[T, R]] = deque()
        self._leaders = 0
        self._coming = 0
        self._company_until = 0.0

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Around what a call does before :meth:`submit`, so that a leader knows somebody is on the way."""
        with self._changed:
            self._coming += 1
        try:
            yield
        finally:
            with self._changed:
                self._coming -= 1
                self._changed.notify_all()

    def submit(self, item: T) -> R:
        """Answer one item, together with others that wait.

        Raises:
            Exception: whatever answering this item alone raises; another item's error is never seen.
        """
        job: _Job[T, R] = _Job(item)
        with self._changed:
            self._queue.append(job)
            self._changed.notify_all()
        while True:
            with self._changed:
                # somebody else may have this job in hand already: then there is nothing to lead
                while not job.done and (self._leaders >= self.config.lanes or not self._queue):
                    self._changed.wait()
                if job.done:
                    break
                batch, waiting = self._lead()
            try:
                self._run(batch, waiting)
            finally:
                with self._changed:
                    self._leaders -= 1
                    if len(batch) > 1:
                        self._company_until = time.monotonic() + STILL_BUSY * self.config.window_ms / 1e3
                    for each in batch:
                        each.done = True
                    self._changed.notify_all()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def _lead(self) -> tuple[list[_Job[T, R]], int]:
        """Become a leader (the lock is held): the jobs to answer, and how many there are in all."""
        self._leaders += 1
        end = time.monotonic() + self.config.window_ms / 1e3
        while len(self._queue) < self.config.size and (left := end - time.monotonic()) > 0:
            if not self._coming and time.monotonic() > self._company_until:
                break
            self._changed.wait(left)
        waiting = len(self._queue)
        return [self._queue.popleft() for _ in range(min(waiting, self.config.size))], waiting

    def _run(self, batch: Sequence[_Job[T, R]], waiting: int) -> None:
        if not batch:
            return
        try:
            for job, result in zip(batch, self._answer([job.item for job in batch], waiting), strict=True):
                job.result = result
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            # one of them is at fault: each alone, so that only that one fails
            for job in batch:
                self._run([job], waiting)
        except BaseException as error:
            for job in batch:
                job.error = error
            raise
