"""Versions of users' profiles: who wrote each, when and why, and what the user has struck out."""

from __future__ import annotations

import logging
import time
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.store.database import Database

log = logging.getLogger(__name__)

KEPT_VERSIONS = 20
"""Newest versions of one user that are kept."""


class ProfileLine(BaseModel):
    """One statement."""

    model_config = ConfigDict(extra="forbid")

    id: str
    """Its id; a line that is edited or pinned keeps it."""
    text: str
    """What it says: data, never an order."""
    by: Literal["rules", "llm", "user"]
    """Who wrote it."""
    pinned: bool = False
    """Whether it stays as it is at every refresh; what the user wrote stays in any case."""

    @property
    def kept(self) -> bool:
        """Whether a refresh may not touch it."""
        return self.pinned or self.by == "user"


class ProfileVersion(BaseModel):
    """A profile as it was at a time."""

    model_config = ConfigDict(extra="forbid")

    version: int = 0
    """Counts up from 1."""
    release: str
    """Release whose history it is written from."""
    written: float = 0.0
    """Seconds since 1970-01-01 UTC."""
    why: str
    """What made it be written."""
    by: Literal["rules", "llm", "user"]
    """Who wrote this version; ``user`` for a correction."""
    model: str = ""
    """The language model that wrote its lines; empty for rules."""
    mark: str = ""
    """Why rules wrote what a language model should have; empty otherwise."""
    candidates: int = 1
    """Among how many it was chosen."""
    lines: list[ProfileLine] = Field(default_factory=list)
    """The statements, in order."""
    barred: list[str] = Field(default_factory=list)
    """Values of the catalogue that the user has struck out: they don't come back."""
    interactions: int = 0
    """Items known of the user when its lines were written."""
    basis: list[str] = Field(default_factory=list)
    """The newest of them, newest last: what a shift of interest is measured from."""

    @property
    def text(self) -> str:
        """The lines under each other."""
        return "\n".join(line.text for line in self.lines)


class ProfileStore:
    """The profiles of all users.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, user_id: str) -> ProfileVersion | None:
        """The version in force; None for a user who has none."""
        found = self.versions(user_id, 1)
        return found[0] if found else None

    def versions(self, user_id: str, limit: int = KEPT_VERSIONS) -> list[ProfileVersion]:
        """Newest first."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT version, written, document FROM profiles WHERE user_id = ? ORDER BY version DESC LIMIT ?",
                (user_id, limit),
            ).fetchall()
        return [found for row in rows if (found := _version(row)) is not None]

    def add(self, user_id: str, profile: ProfileVersion, after: int | None = None) -> ProfileVersion | None:
        """Keep a new version.

        Args:
            user_id: whose.
            profile: without number and time.
            after: the version it was made from; None takes whatever is newest.

        Returns:
            The version as kept; None when another one was written since ``after``.
        """
        with self._database.transaction() as db:
            (last,) = db.execute("SELECT max(version) FROM profiles WHERE user_id = ?", (user_id,)).fetchone()
            last = last or 0
            if after is not None and last != after:
                return None
            kept = profile.model_copy(update={"version": last + 1, "written": time.time()})
            db.execute(
                "INSERT INTO profiles (user_id, version, written, document) VALUES (?, ?, ?, ?)",
                (user_id, kept.version, kept.written, kept.model_dump_json(exclude={"version", "written"})),
            )
            db.execute("DELETE FROM profiles WHERE user_id = ? AND version <= ?", (user_id, last + 1 - KEPT_VERSIONS))
        return kept

    def erase_line(self, user_id: str, line_id: str) -> None:
        """Take a line out of every version: what a user deletes is not kept as history either."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT version, written, document FROM profiles WHERE user_id = ?", (user_id,)
            ).fetchall()
            for row in rows:
                found = _version(row)
                if found is None or all(line.id != line_id for line in found.lines):
                    continue
                rest = found.model_copy(update={"lines": [line for line in found.lines if line.id != line_id]})
                db.execute(
                    "UPDATE profiles SET document = ? WHERE user_id = ? AND version = ?",
                    (rest.model_dump_json(exclude={"version", "written"}), user_id, found.version),
                )

    def delete(self, user_id: str) -> None:
        """Remove every version of a user's profile."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM profiles WHERE user_id = ?", (user_id,))


def _version(row: Any) -> ProfileVersion | None:
    version, written, document = row
    try:
        found = ProfileVersion.model_validate_json(document)
    except ValidationError:
        # written by another version of Sidra: the next refresh writes it anew
        log.warning("version %s of a profile can't be read by this version and is left out", version)
        return None
    return found.model_copy(update={"version": version, "written": written})
