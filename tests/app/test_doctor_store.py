"""What `sidra doctor` says of the store of conversations and of the keys."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from app.health_checks import _callers, _conversations, settings_in_force
from app.settings import Settings
from tests.postgres_server import running_postgres


def test_sqlite_is_named_with_its_folder(settings: Settings) -> None:
    check = _conversations(settings)
    assert (check.state, check.found) == ("ok", f"SQLite in {settings.home / 'conversations'}")
    assert not (settings.home / "conversations").exists(), "looking makes nothing"


def test_a_database_that_does_not_answer_is_missing(settings: Settings) -> None:
    wrong = settings.model_copy(update={"database_url": SecretStr("mysql://me:hunter2@localhost/x")})
    check = _conversations(wrong)
    assert check.state == "missing"
    assert "SIDRA_DATABASE_URL" in check.remedy
    assert "hunter2" not in str(check) + str(settings_in_force(wrong)) + repr(wrong)


def test_a_database_that_answers_is_named(settings: Settings) -> None:
    with running_postgres() as url:
        check = _conversations(settings.model_copy(update={"database_url": SecretStr(url)}))
        assert check.state == "ok"
        assert check.found.startswith("PostgreSQL at 127.0.0.1:")
        assert "secret" not in check.found


def test_keys_and_limits_are_told(settings: Settings, tmp_path: Path) -> None:
    assert _callers(settings).found == "none; no limit on how often"
    open_to_all = settings.model_copy(update={"host": "0.0.0.0"})
    assert _callers(open_to_all).state == "note"
    assert "120 requests a minute" in _callers(open_to_all).found
    assert _callers(open_to_all.model_copy(update={"api_key": SecretStr("k")})).state == "ok"
    broken = settings.model_copy(update={"api_keys_file": tmp_path / "none.toml"})
    assert _callers(broken).state == "missing"
