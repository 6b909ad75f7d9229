"""The tables of `agents.store.reading`."""

READING_TABLES = ("reading_choices", "reading_evidence", "reading_consent", "reading_diary")
"""Their names."""

READING_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS reading_choices (
        user_id TEXT NOT NULL, thread_id TEXT NOT NULL, item_id TEXT NOT NULL, mode TEXT NOT NULL,
        updated DOUBLE PRECISION NOT NULL, PRIMARY KEY (user_id, thread_id, item_id))""",
    """CREATE TABLE IF NOT EXISTS reading_evidence (
        user_id TEXT NOT NULL, item_id TEXT NOT NULL, source TEXT NOT NULL, mode TEXT NOT NULL,
        updated DOUBLE PRECISION NOT NULL, PRIMARY KEY (user_id, item_id, source))""",
    "CREATE TABLE IF NOT EXISTS reading_consent (user_id TEXT PRIMARY KEY, since DOUBLE PRECISION NOT NULL)",
    """CREATE TABLE IF NOT EXISTS reading_diary (
        user_id TEXT NOT NULL, item_id TEXT NOT NULL, day INTEGER NOT NULL, mode TEXT NOT NULL,
        category TEXT NOT NULL, emotions TEXT NOT NULL, PRIMARY KEY (user_id, item_id, day))""",
)
"""Statements that make them; safe to run again."""
