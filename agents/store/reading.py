"""How a user wants texts, and what they read: choices, what can be learned from them, a diary kept on request.

Nothing here says what a text was about. The diary is written only while its user has it switched on, and what is older
than its time to live is gone from every answer at once and from the file with the next write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agents.store.database import Database, Transaction

DAY = 86_400.0
"""Seconds."""
EVIDENCE_DAYS = 180
"""What was chosen or judged longer ago teaches the guide nothing."""


@dataclass(frozen=True)
class Evidence:
    """One thing that a user did with an item's text.

    Attributes:
        item_id: whose text.
        source: ``card`` (a mode chosen for it), ``thread`` (it was on the table when one was chosen for the
            conversation), ``verdict`` (what they said of a shown version).
        mode: the mode that they want by it.
        updated: seconds since 1970-01-01 UTC.
    """

    item_id: str
    source: str
    mode: str
    updated: float


@dataclass(frozen=True)
class DiaryEntry:
    """One item read on one day.

    Attributes:
        item_id: which.
        day: whole days since 1970-01-01 UTC.
        mode: the mode in which it was read.
        category: what kind of thing it is; empty when the catalogue doesn't say.
        emotions: probabilities of the text as it was read, in the order of `recsys_core.emotion`.
    """

    item_id: str
    day: int
    mode: str
    category: str
    emotions: tuple[float, ...]


class ReadingStore:
    """Choices, evidence and diaries of all users.

    Args:
        database: where they are kept.
        keep_days: time to live of a diary's entries.
        now: seconds since 1970-01-01 UTC.
    """

    def __init__(self, database: Database, keep_days: int = 56, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self.keep_days = keep_days
        self.now = now

    # --- choices ---

    def choose(self, user_id: str, thread_id: str, item_id: str, mode: str | None) -> None:
        """Keep a choice for a thread (``item_id`` empty) or for one card in it; None takes it back."""
        with self._database.transaction() as db:
            db.execute(
                "DELETE FROM reading_choices WHERE user_id = ? AND thread_id = ? AND item_id = ?",
                (user_id, thread_id, item_id),
            )
            if mode is not None:
                db.execute(
                    "INSERT INTO reading_choices VALUES (?, ?, ?, ?, ?)",
                    (user_id, thread_id, item_id, mode, self.now()),
                )

    def choices(self, user_id: str, thread_id: str) -> dict[str, str]:
        """Item id -> chosen mode; the empty id stands for the whole thread."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT item_id, mode FROM reading_choices WHERE user_id = ? AND thread_id = ?", (user_id, thread_id)
            ).fetchall()
        return dict(rows)

    def thread_choice(self, user_id: str, thread_id: str) -> tuple[str, float] | None:
        """The mode chosen for a whole thread and when (seconds since 1970-01-01 UTC); None when none is."""
        with self._database.transaction() as db:
            row = db.execute(
                "SELECT mode, updated FROM reading_choices WHERE user_id = ? AND thread_id = ? AND item_id = ''",
                (user_id, thread_id),
            ).fetchone()
        return None if row is None else (str(row[0]), float(row[1]))

    def forget_thread(self, user_id: str, thread_id: str) -> None:
        """Delete the choices made in a thread."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM reading_choices WHERE user_id = ? AND thread_id = ?", (user_id, thread_id))

    # --- evidence ---

    def learn(self, user_id: str, item_ids: Sequence[str], source: str, mode: str | None) -> None:
        """Keep what a user wants of items' texts, the last one for each item and source; None takes it back."""
        now = self.now()
        with self._database.transaction() as db:
            db.execute("DELETE FROM reading_evidence WHERE updated < ?", (now - EVIDENCE_DAYS * DAY,))
            for item in dict.fromkeys(item_ids):
                db.execute(
                    "DELETE FROM reading_evidence WHERE user_id = ? AND item_id = ? AND source = ?",
                    (user_id, item, source),
                )
                if mode is not None:
                    db.execute(
                        "INSERT INTO reading_evidence VALUES (?, ?, ?, ?, ?)", (user_id, item, source, mode, now)
                    )

    def evidence(self, user_id: str) -> list[Evidence]:
        """What a user did that tells how loud they like texts, oldest first."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT item_id, source, mode, updated FROM reading_evidence "
                "WHERE user_id = ? AND updated >= ? ORDER BY updated, item_id, source",
                (user_id, self.now() - EVIDENCE_DAYS * DAY),
            ).fetchall()
        return [Evidence(*row) for row in rows]

    def unlearn(self, user_id: str) -> None:
        """Forget what was learned of a user; choices in their threads stay."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM reading_evidence WHERE user_id = ?", (user_id,))

    # --- diary ---

    def since(self, user_id: str) -> float | None:
        """When the user switched their diary on; None while it is off."""
        with self._database.transaction() as db:
            row = db.execute("SELECT since FROM reading_consent WHERE user_id = ?", (user_id,)).fetchone()
        return None if row is None else float(row[0])

    def switch(self, user_id: str, on: bool) -> None:
        """Switch the diary on, or off: then what it holds is deleted, too."""
        with self._database.transaction() as db:
            if on:
                db.execute(
                    "INSERT INTO reading_consent VALUES (?, ?) ON CONFLICT (user_id) DO NOTHING", (user_id, self.now())
                )
            else:
                db.execute("DELETE FROM reading_consent WHERE user_id = ?", (user_id,))
                db.execute("DELETE FROM reading_diary WHERE user_id = ?", (user_id,))
        if not on:
            self._database.scrub()

    def write(self, user_id: str, entry: DiaryEntry) -> bool:
        """Keep an entry, the last one for an item and a day; False (and nothing kept) while the diary is off."""
        with self._database.transaction() as db:
            self._expire(db)
            # in one transaction with the insert: nothing is written behind a switch-off
            if db.execute("SELECT since FROM reading_consent WHERE user_id = ?", (user_id,)).fetchone() is None:
                return False
            db.execute(
                "DELETE FROM reading_diary WHERE user_id = ? AND item_id = ? AND day = ?",
                (user_id, entry.item_id, entry.day),
            )
            db.execute(
                "INSERT INTO reading_diary VALUES (?, ?, ?, ?, ?, ?)",
                (
                    user_id,
                    entry.item_id,
                    entry.day,
                    entry.mode,
                    entry.category,
                    " ".join(f"{value:.4f}" for value in entry.emotions),
                ),
            )
        return True

    def diary(self, user_id: str) -> list[DiaryEntry]:
        """What a user's diary holds that is not older than its time to live, oldest first."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT item_id, day, mode, category, emotions FROM reading_diary "
                "WHERE user_id = ? AND day > ? ORDER BY day, item_id",
                (user_id, self._oldest()),
            ).fetchall()
        return [
            DiaryEntry(item, day, mode, category, tuple(float(v) for v in emotions.split()))
            for item, day, mode, category, emotions in rows
        ]

    def clear_diary(self, user_id: str) -> int:
        """Delete what a user's diary holds; it stays switched on. How many entries were deleted."""
        with self._database.transaction() as db:
            (count,) = db.execute("SELECT count(*) FROM reading_diary WHERE user_id = ?", (user_id,)).fetchone()
            db.execute("DELETE FROM reading_diary WHERE user_id = ?", (user_id,))
        self._database.scrub()
        return int(count)

    def expire(self) -> None:
        """Delete what is older than its time to live, of all users."""
        with self._database.transaction() as db:
            self._expire(db)
            db.execute("DELETE FROM reading_evidence WHERE updated < ?", (self.now() - EVIDENCE_DAYS * DAY,))

    def delete(self, user_id: str) -> None:
        """Remove everything stored here about a user, the switch included."""
        with self._database.transaction() as db:
            for table in ("reading_choices", "reading_evidence", "reading_consent", "reading_diary"):
                db.execute(f"DELETE FROM {table} WHERE user_id = ?", (user_id,))

    def today(self) -> int:
        """Whole days since 1970-01-01 UTC."""
        return int(self.now() // DAY)

    def _oldest(self) -> int:
        return self.today() - self.keep_days

    def _expire(self, db: Transaction) -> None:
        db.execute("DELETE FROM reading_diary WHERE day <= ?", (self._oldest(),))
