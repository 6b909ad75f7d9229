"""`sidra profile`: shown, written anew, as JSON, for a stranger, and by a model that is gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.profiles import MAX_TOKENS, count_tokens
from recsys_core.serving.recommender import Recommender

runner = CliRunner()


@pytest.fixture(scope="module")
def home(tiny_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of its own: the command keeps what it writes."""
    folder = tmp_path_factory.mktemp("profile-command") / "home"
    shutil.copytree(tiny_home / "releases", folder / "releases")
    return folder


def _someone(log: InteractionLog) -> str:
    return str(log.users[0])


def test_a_profile_is_shown_kept_and_written_anew(home: Path, tiny_recommender: Recommender) -> None:
    words = ["profile", _someone(tiny_recommender.log), "--home", str(home)]
    first = runner.invoke(cli, [*words, "--json"])
    assert first.exit_code == 0, first.stderr
    told = json.loads(first.stdout)
    assert (told["version"], told["by"], told["known"]) == (1, "rules", True)
    assert 0 < count_tokens(told["text"]) <= MAX_TOKENS
    assert json.loads(runner.invoke(cli, [*words, "--json"]).stdout)["version"] == 1
    shown = runner.invoke(cli, [*words, "--refresh", "--llm", "none"])
    assert shown.exit_code == 0, shown.stderr
    assert told["lines"][0]["text"] in shown.stdout + shown.stderr
    assert "Version 2, written by rules" in shown.stdout + shown.stderr


def test_nothing_is_known_of_a_stranger(home: Path) -> None:
    done = runner.invoke(cli, ["profile", "nobody\x1b[31m", "--home", str(home)])
    assert done.exit_code == 0, done.stderr
    said = done.stdout + done.stderr
    assert "Nothing is known of" in said
    assert "\x1b[31m" not in said


@pytest.mark.parametrize("words", [["profile", " "], ["profile", "1", "--candidates", "0"]])
def test_wrong_usage_is_told(home: Path, words: list[str]) -> None:
    assert runner.invoke(cli, [*words, "--home", str(home)]).exit_code == 2
