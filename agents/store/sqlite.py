"""The tables in one SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from agents.store.database import SCHEMA, Transaction
from recsys_core.errors import ConfigError


class SqliteDatabase:
    """One file, one connection, one lock; every block is a transaction.

    Args:
        path: the file; its folder is made.

    Raises:
        ConfigError: the file can't be opened or isn't a database.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, check_same_thread=False, timeout=10.0, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            # what is deleted is overwritten with zeros: "forget me" means the file, too
            self._connection.execute("PRAGMA secure_delete=ON")
            for statement in SCHEMA:
                self._connection.execute(statement)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"cannot open the conversation store {path}: {error}; check the folder's permissions and free space"
            ) from error

    @property
    def place(self) -> str:
        """The file."""
        return f"SQLite at {self.path}"

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """The connection inside a transaction; rolled back when the block raises."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield cast("Transaction", self._connection)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def scrub(self) -> None:
        """Empty the write-ahead log, which may still hold pages as they were before a deletion."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
