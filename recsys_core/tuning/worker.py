"""Measuring in a process of its own, so that a trial that crashes, hangs or eats the memory costs that trial only."""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from recsys_core.errors import ConfigError, ReleaseError, SidraError
from recsys_core.tuning.measurement import Failure, MeasuredSystem, Measurement, PairedTime, SplitName
from recsys_core.tuning.space import Config, Space

POLL_S = 0.05
"""How often a running trial's memory and time are looked at."""


class Source(Protocol):
    """Opens a system; is sent to the worker, so it must be picklable."""

    def open(self) -> MeasuredSystem:
        """Open it."""
        ...


class TrialFailure(Exception):
    """A call that the worker didn't survive, or that raised an error.

    Args:
        kind: how.
        why: one sentence.
    """

    def __init__(self, kind: Failure, why: str) -> None:
        super().__init__(why)
        self.kind, self.why = kind, why


class Worker:
    """A system in a child process that is started anew after it died.

    Args:
        source: opens the system.
        timeout_s: longest call; opening has three times as long.
        memory_mib: most resident memory.
    """

    def __init__(self, source: Source, *, timeout_s: float = 300.0, memory_mib: float = 6000.0) -> None:
        self._source, self._timeout_s, self._memory_mib = source, timeout_s, memory_mib
        self._process: Any = None
        self._pipe: Connection | None = None
        self._space: Space | None = None
        self.restarts = -1
        """How often the process had to be started anew."""

    def fingerprint(self) -> str:
        """See :class:`MeasuredSystem`."""
        return str(self._call("fingerprint"))

    @property
    def space(self) -> Space:
        """See :class:`MeasuredSystem`."""
        if self._space is None:
            self._space = self._call("space")
        assert self._space is not None
        return self._space

    def measure(self, config: Config, split: SplitName) -> Measurement:
        """Measure, or tell in the measurement how that failed."""
        began = time.perf_counter()
        try:
            measured: Measurement = self._call("measure", config, split)
        except TrialFailure as failure:
            return Measurement(failure=failure.kind, why=failure.why, seconds=time.perf_counter() - began)
        return measured

    def paired(self, config: Config, blocks: int) -> PairedTime | None:
        """Processor time in turns; None where the worker didn't survive it."""
        try:
            taken: PairedTime | None = self._call("paired", config, blocks)
        except TrialFailure:
            return None
        return taken

    def close(self) -> None:
        """End the process at once, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._pipe is not None:
            # without a pipe it ends by itself, and cleans up what it holds
            self._pipe.close()
            self._pipe = None
            self._process.join(timeout=5)
        self.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._source, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.restarts += 1
        try:
            self._answer(3 * self._timeout_s)
        except TrialFailure as failure:
            self.close()
            raise ReleaseError(f"what is to be tuned can't be opened ({failure.kind}): {failure.why}") from failure

    def _call(self, name: str, *arguments: Any) -> Any:
        if self._process is None or not self._process.is_alive():
            self.close()
            self._start()
        assert self._pipe is not None
        try:
            self._pipe.send((name, arguments))
        except OSError as error:
            raise self._dead() from error
        return self._answer(self._timeout_s)

    def _answer(self, limit_s: float) -> Any:
        assert self._pipe is not None
        end = time.monotonic() + limit_s
        while not self._pipe.poll(POLL_S):
            used = _resident_mib(self._process.pid)
            if used > self._memory_mib:
                self.close()
                raise TrialFailure("memory", f"{used:.0f} MiB were in use, {self._memory_mib:.0f} are allowed")
            if time.monotonic() > end:
                self.close()
                raise TrialFailure("hang", f"no answer in {limit_s:g} s")
            if not self._process.is_alive() and not self._pipe.poll():
                raise self._dead()
        try:
            outcome, value = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._dead() from error
        if outcome == "refused":
            raise ConfigError(value)
        if outcome == "error":
            raise TrialFailure("memory" if value.startswith("MemoryError") else "error", value)
        return value

    def _dead(self) -> TrialFailure:
        code = None
        if self._process is not None:
            self._process.join(timeout=5)
            code = self._process.exitcode
        self.close()
        return TrialFailure("crash", f"the measuring process ended with status {code}")


def _serve(source: Source, pipe: Connection) -> None:
    """The child's loop: calls come in, answers go out, until the pipe closes."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        system = source.open()
    except Exception as error:
        kind = "refused" if isinstance(error, ConfigError) else "error"
        pipe.send((kind, str(error) if isinstance(error, SidraError) else f"{type(error).__name__}: {error}"))
        return
    pipe.send(("done", None))
    while True:
        try:
            name, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            held = getattr(system, name)
            answer = held(*arguments) if callable(held) else held
        except ConfigError as error:
            pipe.send(("refused", str(error)))
        except Exception as error:
            # whatever a trial raises is that trial's result
            pipe.send(("error", f"{type(error).__name__}: {error}"))
        else:
            pipe.send(("done", answer))


def _resident_mib(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20
    except (OSError, IndexError, ValueError):
        return 0.0  # it has just ended, or the system doesn't say
