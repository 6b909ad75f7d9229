"""Opening the stores: wrong addresses are said without their password."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from agents.store import DatabaseConfig, open_database, postgres
from agents.store.checkpoints import open_checkpoints
from recsys_core.errors import ConfigError


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hunter2@localhost/x",
        "hunter2",
        "postgresql://me:hunter2@[/x",
        "postgresql://me:hunter2@127.0.0.1:{closed_port}/x",
    ],
)
async def test_an_address_that_does_not_answer(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg_pool")
    url = url.replace("{closed_port}", str(closed_port()))
    monkeypatch.setattr(postgres, "CONNECT_SECONDS", 1.0)
    config = DatabaseConfig(folder=tmp_path, url=SecretStr(url))
    assert "hunter2" not in repr(config)
    with pytest.raises(ConfigError, match="SIDRA_DATABASE_URL") as caught:
        open_database(config)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        await open_checkpoints(config)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_place_names_no_password(postgres: str) -> None:
    from agents.store.postgres import place_of

    assert place_of(postgres).startswith("PostgreSQL at 127.0.0.1:")
    assert "secret" not in place_of(postgres)
