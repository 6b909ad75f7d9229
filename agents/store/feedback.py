"""Thumbs, and items the user said they have seen."""

from __future__ import annotations

import time
from collections.abc import Iterable

from agents.store.database import Database

_TICK = 1e-6
"""Seconds between rows written together, so that they keep their order."""


class FeedbackStore:
    """Thumbs and seen items of all users."""

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
                "SELECT item_id, value FROM feedback WHERE user_id = ? ORDER BY updated, item_id", (user_id,)
            ).fetchall()
        return dict(rows)

    def mark_seen(self, user_id: str, item_ids: Iterable[str], thread_id: str | None = None) -> None:
        """Note that the user knows these items; noting it twice changes nothing."""
        now = time.time()
        rows = [(user_id, item, thread_id, now + place * _TICK) for place, item in enumerate(item_ids)]
        with self._database.transaction() as db:
            db.executemany("INSERT INTO seen VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)

    def unmark_seen(self, user_id: str, item_ids: Iterable[str]) -> None:
        """Take "seen" back."""
        with self._database.transaction() as db:
            db.executemany("DELETE FROM seen WHERE user_id = ? AND item_id = ?", [(user_id, i) for i in item_ids])

    def seen(self, user_id: str) -> list[str]:
        """Item ids the user said they know, oldest first."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT item_id FROM seen WHERE user_id = ? ORDER BY updated, item_id", (user_id,)
            ).fetchall()
        return [row[0] for row in rows]

    def delete(self, user_id: str) -> None:
        """Remove everything stored here about a user."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM feedback WHERE user_id = ?", (user_id,))
            db.execute("DELETE FROM seen WHERE user_id = ?", (user_id,))
