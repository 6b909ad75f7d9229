"""SQLite tables beside the checkpoints: whose thread is whose, thumbs, and what users said they have seen.

Rows are written only from user turns and API calls, never from item text or a model's words.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agents.errors import ThreadNotFound
from recsys_core.errors import ConfigError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS threads (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, title TEXT NOT NULL,
    created REAL NOT NULL, updated REAL NOT NULL, turns INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS threads_of_user ON threads (user_id, updated);
CREATE TABLE IF NOT EXISTS feedback (
    user_id TEXT NOT NULL, item_id TEXT NOT NULL, value INTEGER NOT NULL CHECK (value IN (-1, 1)),
    thread_id TEXT, updated REAL NOT NULL, PRIMARY KEY (user_id, item_id));
CREATE TABLE IF NOT EXISTS seen (
    user_id TEXT NOT NULL, item_id TEXT NOT NULL, thread_id TEXT, updated REAL NOT NULL,
    PRIMARY KEY (user_id, item_id));
"""


class ThreadInfo(BaseModel):
    """One line of the thread list."""

    model_config = ConfigDict(extra="forbid")

    id: str
    """Thread id, 32 hex digits."""
    title: str
    """The first message, shortened."""
    updated: float
    """Seconds since 1970-01-01 UTC of the last turn."""
    turns: int
    """How many turns."""


class Database:
    """One SQLite file, one connection, one lock; every block is a transaction.

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
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"cannot open the conversation store {path}: {error}; check the folder's permissions and free space"
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection inside a transaction; rolled back when the block raises."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


class ThreadRegistry:
    """Which thread belongs to whom."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, user_id: str, title: str) -> str:
        """Make a thread and return its id (uuid4, so it can't be guessed)."""
        thread_id = uuid.uuid4().hex
        now = time.time()
        with self._database.transaction() as db:
            db.execute("INSERT INTO threads VALUES (?, ?, ?, ?, ?, 0)", (thread_id, user_id, title, now, now))
        return thread_id

    def check(self, thread_id: str, user_id: str) -> ThreadInfo:
        """The thread, when it is this user's.

        Raises:
            ThreadNotFound: no such thread, or another user's.
        """
        with self._database.transaction() as db:
            row = db.execute(
                "SELECT id, title, updated, turns FROM threads WHERE id = ? AND user_id = ?", (thread_id, user_id)
            ).fetchone()
        if row is None:
            raise ThreadNotFound(thread_id)
        return _info(row)

    def touch(self, thread_id: str, turn: int) -> None:
        """Note that turn number `turn` has ended; the same turn twice changes nothing but the time."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE threads SET updated = ?, turns = max(turns, ?) WHERE id = ?", (time.time(), turn, thread_id)
            )

    def of(self, user_id: str) -> list[ThreadInfo]:
        """All threads of a user, last used first."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT id, title, updated, turns FROM threads WHERE user_id = ? ORDER BY updated DESC", (user_id,)
            ).fetchall()
        return [_info(row) for row in rows]

    def delete(self, thread_id: str) -> None:
        """Forget a thread."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM threads WHERE id = ?", (thread_id,))


class FeedbackStore:
    """Thumbs, and items the user said they have seen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, user_id: str, item_id: str, value: int, thread_id: str | None = None) -> None:
        """Store a thumb: 1 up, -1 down, 0 takes it back. The last one counts.

        Raises:
            ValueError: another value.
        """
        if value not in {-1, 0, 1}:
            raise ValueError(f"feedback is -1, 0 or 1, not {value}")
        with self._database.transaction() as db:
            db.execute("DELETE FROM feedback WHERE user_id = ? AND item_id = ?", (user_id, item_id))
            if value:
                db.execute(
                    "INSERT INTO feedback VALUES (?, ?, ?, ?, ?)", (user_id, item_id, value, thread_id, time.time())
                )

    def of(self, user_id: str) -> dict[str, int]:
        """Item id -> 1 or -1, oldest first."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT item_id, value FROM feedback WHERE user_id = ? ORDER BY updated, rowid", (user_id,)
            ).fetchall()
        return dict(rows)

    def mark_seen(self, user_id: str, item_ids: Iterable[str], thread_id: str | None = None) -> None:
        """Note that the user knows these items; noting it twice changes nothing."""
        now = time.time()
        with self._database.transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", [(user_id, i, thread_id, now) for i in item_ids]
            )

    def unmark_seen(self, user_id: str, item_ids: Iterable[str]) -> None:
        """Take "seen" back."""
        with self._database.transaction() as db:
            db.executemany("DELETE FROM seen WHERE user_id = ? AND item_id = ?", [(user_id, i) for i in item_ids])

    def seen(self, user_id: str) -> list[str]:
        """Item ids the user said they know, oldest first."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT item_id FROM seen WHERE user_id = ? ORDER BY updated, rowid", (user_id,)
            ).fetchall()
        return [row[0] for row in rows]

    def delete(self, user_id: str) -> None:
        """Remove everything stored here about a user."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM feedback WHERE user_id = ?", (user_id,))
            db.execute("DELETE FROM seen WHERE user_id = ?", (user_id,))


def _info(row: tuple[str, str, float, int]) -> ThreadInfo:
    return ThreadInfo(id=row[0], title=row[1], updated=row[2], turns=row[3])
