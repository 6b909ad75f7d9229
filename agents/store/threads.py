"""Which thread belongs to whom."""

from __future__ import annotations

import time
import uuid

from pydantic import BaseModel, ConfigDict

from agents.errors import ThreadNotFound
from agents.store.database import Database


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


class ThreadRegistry:
    """The threads of all users."""

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
                "UPDATE threads SET updated = ?, turns = CASE WHEN turns < ? THEN ? ELSE turns END WHERE id = ?",
                (time.time(), turn, turn, thread_id),
            )

    def of(self, user_id: str) -> list[ThreadInfo]:
        """All threads of a user, last used first."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT id, title, updated, turns FROM threads WHERE user_id = ? ORDER BY updated DESC, id", (user_id,)
            ).fetchall()
        return [_info(row) for row in rows]

    def delete(self, thread_id: str) -> None:
        """Forget a thread."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM threads WHERE id = ?", (thread_id,))


def _info(row: tuple[str, str, float, int]) -> ThreadInfo:
    return ThreadInfo(id=row[0], title=row[1], updated=row[2], turns=row[3])
