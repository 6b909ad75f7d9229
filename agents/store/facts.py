"""Lasting facts that users stated of themselves, with the turn and the words they come from.

A turn that is answered twice (its process was killed in between) writes nothing twice: a fact's id is made of user,
thread, turn and place. What a turn changed can be taken back as one.
"""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.errors import FactNotFound, MemoryFull
from agents.intent import Wish
from agents.store.database import Database, Transaction

log = logging.getLogger(__name__)

MAX_FACTS = 100
"""Facts of one user that may be active; a filter holds at most 100 conditions."""
_COLUMNS = "id, wish, sentence, said, thread_id, turn, created, updated"


class NewFact(BaseModel):
    """A fact to be kept."""

    model_config = ConfigDict(extra="forbid")

    wish: Wish | None
    """What it asks for or rules out; None for a note that has no effect."""
    sentence: str
    """How it is said back: "no Horror"."""
    said: str
    """The user's own words."""


class LastingFact(NewFact):
    """A fact that is kept."""

    id: str
    """Its id, 32 hex digits."""
    thread_id: str
    """Conversation it was stated in; empty when it was entered on the page or through the API."""
    turn: int
    """Turn of that conversation; 0 when there was none."""
    created: float
    """Seconds since 1970-01-01 UTC."""
    updated: float
    """Likewise, of the last change."""


class FactStore:
    """The facts of all users.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, user_id: str) -> list[LastingFact]:
        """Active facts of a user, oldest first."""
        with self._database.transaction() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM facts WHERE user_id = ? AND status = 'active' ORDER BY created, turn, id",
                (user_id,),
            ).fetchall()
        return [_fact(row) for row in rows]

    def before(self, user_id: str, thread_id: str, turn: int) -> list[LastingFact]:
        """Active facts as they were before a turn, so that a turn that runs again finds what it found first."""
        with self._database.transaction() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM facts WHERE user_id = ? AND NOT (thread_id = ? AND turn = ?) AND "
                "(status = 'active' OR (ended_thread = ? AND ended_turn = ?)) ORDER BY created, turn, id",
                (user_id, thread_id, turn, thread_id, turn),
            ).fetchall()
        return [_fact(row) for row in rows]

    def add(
        self, user_id: str, facts: Sequence[NewFact], thread_id: str = "", turn: int = 0, ends: Sequence[str] = ()
    ) -> list[LastingFact]:
        """Keep facts and end the ones they contradict, all or nothing.

        Args:
            user_id: whose.
            facts: what to keep.
            thread_id: conversation they were stated in; empty for none.
            turn: its turn.
            ends: ids of facts that no longer hold.

        Raises:
            MemoryFull: more than `MAX_FACTS` would be active.
        """
        now = time.time()
        kept = [
            LastingFact(
                **fact.model_dump(),
                id=_id(user_id, thread_id, turn, place),
                thread_id=thread_id,
                turn=turn,
                created=now + place * 1e-6,
                updated=now,
            )
            for place, fact in enumerate(facts)
        ]
        with self._database.transaction() as db:
            _end(db, user_id, ends, thread_id, turn, now)
            for fact in kept:
                _insert(db, user_id, fact)
            (count,) = db.execute(
                "SELECT count(*) FROM facts WHERE user_id = ? AND status = 'active'", (user_id,)
            ).fetchone()
            if facts and count > MAX_FACTS:
                raise MemoryFull(MAX_FACTS)
        return kept

    def end(self, user_id: str, fact_ids: Sequence[str], thread_id: str, turn: int) -> None:
        """Let facts no longer hold, because of what was said in a turn; `undo` of that turn brings them back."""
        with self._database.transaction() as db:
            _end(db, user_id, fact_ids, thread_id, turn, time.time())

    def undo(self, user_id: str, thread_id: str, turn: int) -> None:
        """Take back what a turn changed: its facts go, those that it ended hold again. Twice is as good as once."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM facts WHERE user_id = ? AND thread_id = ? AND turn = ?", (user_id, thread_id, turn))
            db.execute(
                "UPDATE facts SET status = 'active', ended_thread = '', ended_turn = 0, updated = ? "
                "WHERE user_id = ? AND ended_thread = ? AND ended_turn = ?",
                (time.time(), user_id, thread_id, turn),
            )

    def edit(self, user_id: str, fact_id: str, fact: NewFact) -> LastingFact:
        """Put another reading in a fact's place; where it came from stays.

        Raises:
            FactNotFound: no such fact of this user.
        """
        with self._database.transaction() as db:
            row = db.execute(
                f"SELECT {_COLUMNS} FROM facts WHERE id = ? AND user_id = ? AND status = 'active'", (fact_id, user_id)
            ).fetchone()
            if row is None:
                raise FactNotFound(fact_id)
            edited = _fact(row).model_copy(update={**dict(fact), "updated": time.time()})
            db.execute(
                "UPDATE facts SET wish = ?, sentence = ?, said = ?, updated = ? WHERE id = ?",
                (_dumped(edited.wish), edited.sentence, edited.said, edited.updated, fact_id),
            )
        return edited

    def remove(self, user_id: str, fact_id: str) -> None:
        """Delete a fact for good.

        Raises:
            FactNotFound: no such fact of this user.
        """
        with self._database.transaction() as db:
            found = db.execute("SELECT 1 FROM facts WHERE id = ? AND user_id = ?", (fact_id, user_id)).fetchone()
            if found is None:
                raise FactNotFound(fact_id)
            db.execute("DELETE FROM facts WHERE id = ?", (fact_id,))

    def forget_ended(self, user_id: str, thread_id: str) -> None:
        """Delete for good what was ended in a thread that is gone: nothing can bring it back any more."""
        with self._database.transaction() as db:
            db.execute(
                "DELETE FROM facts WHERE user_id = ? AND ended_thread = ? AND status = 'deleted'", (user_id, thread_id)
            )

    def delete(self, user_id: str) -> None:
        """Remove every fact of a user, the ended ones too."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM facts WHERE user_id = ?", (user_id,))


def _id(user_id: str, thread_id: str, turn: int, place: int) -> str:
    if not thread_id:
        return uuid.uuid4().hex
    return hashlib.sha256("\x1f".join([user_id, thread_id, str(turn), str(place)]).encode()).hexdigest()[:32]


def _insert(db: Transaction, user_id: str, fact: LastingFact) -> None:
    db.execute(
        f"INSERT INTO facts ({_COLUMNS}, user_id, status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'active') "
        "ON CONFLICT DO NOTHING",
        (
            fact.id,
            _dumped(fact.wish),
            fact.sentence,
            fact.said,
            fact.thread_id,
            fact.turn,
            fact.created,
            fact.updated,
            user_id,
        ),
    )


def _end(db: Transaction, user_id: str, ids: Sequence[str], thread_id: str, turn: int, now: float) -> None:
    db.executemany(
        "UPDATE facts SET status = 'deleted', ended_thread = ?, ended_turn = ?, updated = ? "
        "WHERE id = ? AND user_id = ? AND status = 'active'",
        [(thread_id, turn, now, fact_id, user_id) for fact_id in ids],
    )


def _dumped(wish: Wish | None) -> str:
    return "" if wish is None else wish.model_dump_json()


def _fact(row: Any) -> LastingFact:
    fact_id, dumped, sentence, said, thread_id, turn, created, updated = row
    wish = None
    if dumped:
        try:
            wish = Wish.model_validate_json(dumped)
        except ValidationError:
            # written by another version: it stays on the list, without effect, and can be edited or deleted there
            log.warning("fact %s can't be read by this version and has no effect", fact_id)
    return LastingFact(
        id=fact_id,
        wish=wish,
        sentence=sentence,
        said=said,
        thread_id=thread_id,
        turn=turn,
        created=created,
        updated=updated,
    )
