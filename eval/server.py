"""An API of one's own for the length of a measurement: a child process on a free port, stopped by its id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from app.client import ClientError, SidraClient
from recsys_core.errors import SidraError


class ServerError(SidraError):
    """The API could not be started for a measurement."""


@contextmanager
def api_server(settings: Mapping[str, str], *, api_key: str | None = None, wait_s: float = 240.0) -> Iterator[str]:
    """Start the API, wait until it is ready, stop it at the end.

    Args:
        settings: names of settings without prefix -> values, such as ``{"home": "var", "llm": "none"}``; they win over
            the environment.
        api_key: bearer key, when the settings in force want one.
        wait_s: longest wait for readiness, in seconds.

    Yields:
        Address of the API.

    Raises:
        ServerError: it ended or was not ready in time; the sentence holds the last line it wrote.
    """
    port = free_port()
    environment = {**os.environ, **{f"SIDRA_{name.upper()}": value for name, value in settings.items()}}
    environment["SIDRA_PORT"] = str(port)
    root = str(Path(__file__).resolve().parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (root, environment.get("PYTHONPATH", "")) if p)
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "uvicorn", "app.api:create_app", "--factory", "--log-level", "warning"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            with _termination_raises():
                _wait_ready(process, address, api_key, wait_s, log)
                yield address
        finally:
            _stop(process)


@contextmanager
def _termination_raises() -> Iterator[None]:
    """Let SIGTERM end the measurement like an exception, since it would otherwise leave the child behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(
    process: subprocess.Popen[bytes],
    address: str,
    api_key: str | None,
    wait_s: float,
    log: TextIO,
) -> None:
    deadline = time.monotonic() + wait_s
    state = "it never answered"
    with SidraClient(address, api_key) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerError(f"the API ended with status {process.returncode}: {_last_line(log)}")
            try:
                answer = client.ready()
            except ClientError:
                time.sleep(0.1)
                continue
            if answer.get("ready"):
                return
            state = str(answer.get("message", ""))
            stages = answer.get("stages", {})
            failed = [
                s.get("detail", "") for n, s in stages.items() if s.get("state") == "failed" and n != "language_model"
            ]
            if failed:
                raise ServerError(f"the API can't get ready: {failed[0]}")
            time.sleep(0.1)
    raise ServerError(f"the API was not ready after {wait_s:.0f} s: {state}")


def _last_line(log: TextIO) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    return lines[-1] if lines else "it wrote nothing"


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)
