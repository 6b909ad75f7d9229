"""Which database is meant: SQLite in a folder, or PostgreSQL at an address."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr

from agents.store.database import Database
from agents.store.sqlite import SqliteDatabase
from recsys_core.errors import ConfigError

USERS_FILE = "users.sqlite"
"""Threads, thumbs, seen items and facts, when SQLite keeps them."""


class DatabaseConfig(BaseModel):
    """Where conversations are kept."""

    model_config = ConfigDict(extra="forbid")

    folder: Path
    """Folder of the SQLite files; not used with `url`."""
    url: SecretStr | None = None
    """Address of a PostgreSQL database; None keeps everything in `folder`."""


def open_database(config: DatabaseConfig) -> Database:
    """The tables of users.

    Raises:
        ConfigError: they can't be opened or reached; the sentence names file or host, never a password.
    """
    if config.url is None:
        return SqliteDatabase(config.folder / USERS_FILE)
    from agents.store.postgres import PostgresDatabase

    return PostgresDatabase(postgres_url(config.url))


def postgres_url(secret: SecretStr) -> str:
    """The address in the clear.

    Raises:
        ConfigError: it is for something else than PostgreSQL, or its driver isn't installed.
    """
    from importlib.util import find_spec

    url = secret.get_secret_value()
    if not url.startswith(("postgresql://", "postgres://")):
        raise ConfigError(
            "SIDRA_DATABASE_URL must begin with postgresql://; unset it to keep conversations in SQLite files"
        )
    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise ConfigError("SIDRA_DATABASE_URL is set and psycopg is not installed; pip install 'sidra[postgres]'")
    return url
