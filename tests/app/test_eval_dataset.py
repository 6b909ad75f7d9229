"""`sidra eval offline --dataset`: one JSON object, a Markdown file, and plain failures."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from tests.eval.comparison.tiny import import_tiny

runner = CliRunner()


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SIDRA_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    import_tiny(folder)
    return folder


def offline(home: Path, *words: str) -> tuple[int, str, str]:
    done = runner.invoke(cli, ["eval", "offline", "--home", str(home), "--threads", "1", *words])
    return done.exit_code, done.stdout, done.stderr


def test_json_is_one_object_with_figures_context_and_rows(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.md"
    words = ("--dataset", "tiny", "--models", "popularity,item_cf", "--out", str(out), "--json")
    status, told, problems = offline(home, *words)
    assert status == 0, problems
    report = json.loads(told)
    assert set(report) == {"figures", "context", "detail"}
    assert [row["model"] for row in report["detail"]["entries"]] == ["popularity", "item_cf"]
    assert 0 <= report["figures"]["recall@10.item_cf"] <= 1
    assert str(home) not in told
    table = out.read_text(encoding="utf-8")
    assert "| popularity |" in table
    assert str(home) not in table


def test_without_json_a_table_is_printed(home: Path) -> None:
    status, told, problems = offline(home, "--dataset", "tiny", "--model", "popularity")
    assert status == 0, problems
    assert "popularity" in told
    assert "R@10" in told


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--dataset", "tiny", "--models", "popularity,magic"), "magic"),
        (("--dataset", "nothing", "--models", "popularity"), "sidra import"),
        (("--dataset", "beauty", "--models", "popularity"), "SIDRA_DATA_DIR"),
    ],
)
def test_what_can_not_be_compared_is_one_sentence(home: Path, words: tuple[str, ...], named: str) -> None:
    status, told, problems = offline(home, *words)
    assert status == 1
    assert told == ""
    assert len(problems.strip().splitlines()) == 1
    assert named in problems
