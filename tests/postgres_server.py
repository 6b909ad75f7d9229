"""A PostgreSQL server of one's own for the tests that want one; skipped with the reason where there is no binary."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_PLACES = ("/usr/local/bin", "/usr/local/pgsql/bin", *(f"/usr/lib/postgresql/{n}/bin" for n in range(20, 11, -1)))


def binary(name: str) -> str | None:
    """Where `initdb` or `postgres` is."""
    return shutil.which(name) or next((str(Path(p, name)) for p in _PLACES if Path(p, name).is_file()), None)


def lesser_user() -> dict[str, Any]:
    """How to start a process that is not root, since PostgreSQL refuses to be; empty for who isn't."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")


@contextmanager
def running_postgres() -> Iterator[str]:
    """The address of a fresh server on this machine, stopped by its pid afterwards."""
    initdb, postgres = binary("initdb"), binary("postgres")
    if initdb is None or postgres is None:
        pytest.skip("no PostgreSQL binaries (initdb, postgres) on this machine")
    pytest.importorskip("psycopg")
    pytest.importorskip("langgraph.checkpoint.postgres")
    who = lesser_user()
    folder = Path(tempfile.mkdtemp(prefix="sidra-pg-"))
    try:
        if who:
            os.chown(folder, who["user"], who["group"])
        data = folder / "data"
        quiet: dict[str, Any] = {
            "cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}, "stdin": subprocess.DEVNULL, **who
        }  # fmt: skip
        command = [initdb, "-D", str(data), "-U", "sidra", "--auth=trust", "-E", "UTF8", "--no-sync"]
        made = subprocess.run(command, capture_output=True, check=False, timeout=120, **quiet)
        if made.returncode:
            pytest.skip(f"initdb can't run here: {made.stderr.decode()[-200:].strip()}")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off",
                   "shared_buffers": "16MB", "max_connections": 30}  # fmt: skip
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen([postgres, "-D", str(data), *arguments], stdout=log, stderr=log, **quiet)
        try:
            _wait(server, port, folder / "log")
            yield f"postgresql://sidra:a-secret-word@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.fail(f"PostgreSQL ended at once: {log.read_text()[-500:]}")
        try:
            psycopg.connect(f"postgresql://sidra@127.0.0.1:{port}/postgres", connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    pytest.fail(f"PostgreSQL did not start in 60 s: {log.read_text()[-500:]}")
