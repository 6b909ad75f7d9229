"""`sidra releases extend`: new items are there afterwards, and what can't be used is said in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from recsys_core.releases.store import ReleaseStore

runner = CliRunner()


@pytest.fixture
def home(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_home, tmp_path / "home")
    return tmp_path / "home"


def test_new_items_are_recommended_and_filtered(home: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("sku,name,genre,year\nx1,Paper Comet,Documentary,2024\n", encoding="utf-8")
    words = ["releases", "extend", "--home", str(home), "--items", str(tmp_path / "new.csv"), "--json", "--paths", "2"]
    done = runner.invoke(cli, words)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["added"] == 1
    assert told["current"] == ReleaseStore(home).current_id()
    assert told["release"]["item_count"] == 241
    found = runner.invoke(cli, ["recommend", "--home", str(home), "--filter", "year=2024", "--json"])
    assert [item["item_id"] for item in json.loads(found.stdout)["items"]] == ["x1"]


def test_a_bad_row_is_one_sentence_and_the_release_stays(home: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("id,title\nx1,Paper Comet\ni3,Taken\n", encoding="utf-8")
    current = ReleaseStore(home).current_id()
    failed = runner.invoke(cli, ["releases", "extend", "--home", str(home), "--items", str(tmp_path / "new.csv")])
    assert failed.exit_code == 1
    assert "row 3 has the id of an item that the release has already: 'i3'" in " ".join(failed.stderr.split())
    assert ReleaseStore(home).current_id() == current
