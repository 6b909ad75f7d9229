"""`sidra calm` in this process: a text from the command line, from a file, and what can't be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli

LOUD = "A terrifying explosion ripped through the port of Marlow on Tuesday, killing 3 people."


def test_a_text_comes_out_calmer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIDRA_API_URL", raising=False)
    run = CliRunner().invoke
    said = run(cli, ["calm", LOUD, "--llm", "none", "--json"])
    assert said.exit_code == 0, said.output
    answer = json.loads(said.stdout)
    assert answer["original"] == LOUD
    assert answer["text"] != LOUD
    assert answer["stimulus_after"] < answer["stimulus_before"]
    (tmp_path / "a.txt").write_text(LOUD, encoding="utf-8")
    told = run(cli, ["calm", "--file", "a.txt", "--mode", "COOL", "--llm", "none"])
    assert told.exit_code == 0
    assert "killing 3 people" in told.stdout
    assert "stimulus" in told.stderr
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    assert run(cli, ["calm", "--file", "b.txt", "--llm", "none"]).exit_code == 1
    assert run(cli, ["calm", LOUD, "--mode", "hot"]).exit_code == 2
    assert run(cli, ["calm"]).exit_code == 2
    assert run(cli, ["calm", LOUD, "--file", "a.txt"]).exit_code == 2
