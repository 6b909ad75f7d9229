"""One study at a time, in a process of its own beside the API: it may be stopped, and it may die alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, Field

from app.failures import ApiError

NICE = 10
"""How far a study steps back behind answers."""
STOP_S = 10.0
"""Time a study has to end when it is told to."""


class TuneBody(BaseModel):
    """`POST /v1/tuning`."""

    model_config = ConfigDict(extra="forbid")

    trials: int = Field(default=30, ge=2, le=500)
    """Configurations that are measured, the present one among them."""
    seconds: float | None = Field(default=None, gt=0, le=86_400)
    """No trial begins later."""
    floor: float = Field(default=0.95, gt=0, le=1)
    """Share of the present quality that has to be kept."""
    llm: bool = False
    """Whether the language model proposes beside the optimiser."""
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    """Of the search and of its queries: another one is another study."""


class TuningJob:
    """The study that this API process runs, if it runs one.

    Args:
        home: folder of releases.
        llm: kind of language model to ask, where one is wanted.
    """

    def __init__(self, home: Path, llm: str) -> None:
        self._home, self._llm = home, llm
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._stopped = False

    @property
    def running(self) -> bool:
        """Whether a study is at work."""
        return self._process is not None and self._process.poll() is None

    @property
    def trouble(self) -> str:
        """Why the last study failed; empty when it runs, ended well or was stopped."""
        if self._process is None or self._process.poll() in {None, 0} or self._stopped or self._output is None:
            return ""
        self._output.seek(0)
        lines = self._output.read()[-4000:].decode(errors="replace").strip().splitlines()
        # the last line of an error box of the command line, without its frame
        words = [line.strip(" │╭╰─╮╯") for line in lines]
        return next((line for line in reversed(words) if line), f"it ended with {self._process.returncode}")

    def start(self, body: TuneBody) -> None:
        """Begin a study.

        Raises:
            ApiError: 409 while one is at work.
        """
        if self.running:
            raise ApiError(409, "tuning_runs", "a study is at work already; stop it first, or wait for its end")
        command = [sys.executable, "-m", "app.cli", "tune", "--trials", str(body.trials), "--floor", str(body.floor)]
        command += ["--seed", str(body.seed), "--query-seed", str(body.seed), "--home", str(self._home), "--json"]
        command += ["--seconds", str(body.seconds)] if body.seconds is not None else []
        command += ["--llm", self._llm] if body.llm and self._llm != "none" else ["--llm", "none"]
        self._stopped = False
        if self._output is not None:
            self._output.close()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - read when it has ended
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._output,
            start_new_session=True,
            preexec_fn=_step_back,
        )

    def stop(self) -> bool:
        """End the study that is at work; its trials are kept. False when there was none."""
        if self._process is None or not self.running:
            return False
        self._stopped = True
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                # the study measures in a process of its own, which has to go with it
                os.killpg(self._process.pid, sign)
                self._process.wait(STOP_S)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
            break
        return True

    def close(self) -> None:
        """Stop what runs; safe to call twice."""
        self.stop()
        if self._output is not None:
            self._output.close()
            self._output = None


def _step_back() -> None:
    os.nice(NICE)
