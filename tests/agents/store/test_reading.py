"""Choices, evidence and diaries on both databases: off until switched on, gone when their time is up or when told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agents.store import Database, DatabaseConfig, DiaryEntry, ReadingStore, open_database
from agents.store.reading import DAY, EVIDENCE_DAYS


@pytest.fixture
def database(config: DatabaseConfig) -> Iterator[Database]:
    opened = open_database(config)
    yield opened
    opened.close()


class Clock:
    now = 20_409 * DAY + 100.0

    def __call__(self) -> float:
        return self.now

    def later(self, days: float) -> None:
        self.now += days * DAY


def entry(item: str, day: int, mode: str = "raw") -> DiaryEntry:
    return DiaryEntry(item, day, mode, "World", (0.1, 0.2, 0.0, 0.0, 0.25, 0.125))


def test_choices_are_one_a_card_and_one_a_thread(database: Database) -> None:
    store = ReadingStore(database, now=Clock())
    for thread, item, mode in (("t", "", "cool"), ("t", "a", "raw"), ("t", "a", "balanced"), ("u", "", "balanced")):
        store.choose("ann", thread, item, mode)
    assert store.choices("ann", "t") == {"": "cool", "a": "balanced"}
    assert store.thread_choice("ann", "t") == ("cool", Clock.now)
    assert store.choices("bob", "t") == {}
    assert store.thread_choice("bob", "t") is None
    store.choose("ann", "t", "a", None)
    store.forget_thread("ann", "u")
    assert (store.choices("ann", "t"), store.choices("ann", "u")) == ({"": "cool"}, {})


def test_evidence_is_the_last_act_and_grows_old(database: Database) -> None:
    clock = Clock()
    store = ReadingStore(database, now=clock)
    store.learn("ann", ["a", "b", "a"], "thread", "cool")
    store.learn("ann", ["a"], "card", "cool")
    clock.later(1)
    store.learn("ann", ["a"], "card", "raw")
    assert [(e.item_id, e.source, e.mode) for e in store.evidence("ann")] == [
        ("a", "thread", "cool"),
        ("b", "thread", "cool"),
        ("a", "card", "raw"),
    ]
    clock.later(EVIDENCE_DAYS - 0.5)
    assert [(e.item_id, e.source) for e in store.evidence("ann")] == [("a", "card")]
    store.learn("ann", ["a"], "card", None)
    assert store.evidence("ann") == []


def test_nothing_is_written_before_it_is_switched_on(database: Database) -> None:
    clock = Clock()
    store = ReadingStore(database, keep_days=10, now=clock)
    assert not store.write("ann", entry("a", store.today()))
    assert (store.since("ann"), store.diary("ann")) == (None, [])
    store.switch("ann", True)
    store.switch("ann", True)
    assert store.since("ann") == clock.now
    assert store.write("ann", entry("a", store.today()))
    assert store.write("ann", entry("a", store.today(), "cool")), "the last reading of a day counts"
    assert store.diary("ann") == [entry("a", store.today(), "cool")]
    assert not store.write("bob", entry("a", store.today()))
    store.switch("ann", False)
    assert (store.since("ann"), store.diary("ann")) == (None, [])
    store.switch("ann", True)
    assert store.diary("ann") == [], "switching it on again brings nothing back"


def test_entries_live_as_long_as_they_may(database: Database) -> None:
    clock = Clock()
    store = ReadingStore(database, keep_days=10, now=clock)
    for user in ("ann", "bob"):
        store.switch(user, True)
        store.write(user, entry("old", store.today()))
    clock.later(9)
    store.write("ann", entry("new", store.today()))
    assert [e.item_id for e in store.diary("ann")] == ["old", "new"]
    clock.later(1)
    assert [e.item_id for e in store.diary("ann")] == ["new"], "an expired entry is in no answer"
    store.expire()
    with database.transaction() as db:
        left = db.execute("SELECT user_id, item_id FROM reading_diary").fetchall()
    assert [tuple(row) for row in left] == [("ann", "new")], "and it is not in the table either, whoever wrote it"


def test_a_diary_and_everything_else_can_be_deleted(database: Database) -> None:
    store = ReadingStore(database, now=Clock())
    for user in ("ann", "bob"):
        store.switch(user, True)
        store.write(user, entry("a", store.today()))
        store.choose(user, "t", "", "cool")
        store.learn(user, ["a"], "card", "cool")
    assert store.clear_diary("ann") == 1
    assert store.since("ann") is not None
    store.delete("ann")
    assert (store.since("ann"), store.diary("ann"), store.choices("ann", "t"), store.evidence("ann")) == (
        None,
        [],
        {},
        [],
    )
    assert len(store.diary("bob")) == len(store.evidence("bob")) == len(store.choices("bob", "t")) == 1
