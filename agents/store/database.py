"""The one way to the tables: SQL that SQLite and PostgreSQL both read, inside transactions.

Statements use `?` for values and nothing that one of the two lacks: `ON CONFLICT`, plain comparisons, no row ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS threads (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL, title TEXT NOT NULL,
        created DOUBLE PRECISION NOT NULL, updated DOUBLE PRECISION NOT NULL, turns INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX IF NOT EXISTS threads_of_user ON threads (user_id, updated)",
    """CREATE TABLE IF NOT EXISTS feedback (
        user_id TEXT NOT NULL, item_id TEXT NOT NULL, value INTEGER NOT NULL CHECK (value IN (-1, 1)),
        thread_id TEXT, updated DOUBLE PRECISION NOT NULL, PRIMARY KEY (user_id, item_id))""",
    """CREATE TABLE IF NOT EXISTS seen (
        user_id TEXT NOT NULL, item_id TEXT NOT NULL, thread_id TEXT, updated DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (user_id, item_id))""",
    """CREATE TABLE IF NOT EXISTS facts (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL, wish TEXT NOT NULL, sentence TEXT NOT NULL, said TEXT NOT NULL,
        thread_id TEXT NOT NULL, turn INTEGER NOT NULL, created DOUBLE PRECISION NOT NULL,
        updated DOUBLE PRECISION NOT NULL, status TEXT NOT NULL CHECK (status IN ('active', 'deleted')),
        ended_thread TEXT NOT NULL DEFAULT '', ended_turn INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX IF NOT EXISTS facts_of_user ON facts (user_id, status, created)",
    """CREATE TABLE IF NOT EXISTS profiles (
        user_id TEXT NOT NULL, version INTEGER NOT NULL, written DOUBLE PRECISION NOT NULL, document TEXT NOT NULL,
        PRIMARY KEY (user_id, version))""",
)
"""Statements that make the tables; safe to run again."""


class Rows(Protocol):
    """What a statement returned."""

    def fetchone(self) -> Any:
        """The next row as a tuple; None when there is none."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows as tuples."""
        ...


class Transaction(Protocol):
    """Statements that hold together."""

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        """Run one statement with `?` for its values."""
        ...

    def executemany(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of values."""
        ...


class Database(Protocol):
    """Where the tables are; safe to use from several threads."""

    @property
    def place(self) -> str:
        """Where, in words that give away no password."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Statements inside a transaction; rolled back when the block raises."""
        ...

    def scrub(self) -> None:
        """Take what was deleted out of the files too, as far as the database can."""
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...
