"""What is kept of users beside the releases: threads, thumbs, seen items, lasting facts, profiles.

In SQLite or PostgreSQL. Rows are written only from user turns and API calls, never from item text or a model's words;
the lines of a profile alone may be a model's, checked (`agents.profile.checks`), and count for no rule.
"""

from agents.store.database import Database
from agents.store.facts import FactStore, LastingFact, NewFact
from agents.store.feedback import FeedbackStore
from agents.store.opening import DatabaseConfig, open_database
from agents.store.profiles import ProfileLine, ProfileStore, ProfileVersion
from agents.store.sqlite import SqliteDatabase
from agents.store.threads import ThreadInfo, ThreadRegistry

__all__ = [
    "Database",
    "DatabaseConfig",
    "FactStore",
    "FeedbackStore",
    "LastingFact",
    "NewFact",
    "ProfileLine",
    "ProfileStore",
    "ProfileVersion",
    "SqliteDatabase",
    "ThreadInfo",
    "ThreadRegistry",
    "open_database",
]
