"""One PostgreSQL server for the tests of this folder, emptied between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from agents.store import DatabaseConfig
from tests.postgres_server import running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseConfig:
    """Where to keep things: each test runs on both."""
    if request.param == "sqlite":
        return DatabaseConfig(folder=tmp_path)
    url = request.getfixturevalue("postgres")
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return DatabaseConfig(folder=tmp_path, url=SecretStr(url))
