"""The command `sidra eval attacks`: one JSON object with the figures that the docs name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import eval.attacks.run as run
from app.cli import cli

DOCS = Path(__file__).resolve().parents[2] / "docs" / "attacks.md"


def test_the_command_reports(tiny_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "STYLES", ("direct",))
    monkeypatch.chdir(tiny_home)
    done = CliRunner().invoke(cli, ["eval", "attacks", "--json", "--conversations", "1", "--home", str(tiny_home)])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["figures"]["texts"] == 9
    assert report["figures"]["attack_success_rate"] == 0
    assert report["detail"]["llm"] == "obedient"
    named = set(re.findall(r"`([a-z_.]+)`", DOCS.read_text(encoding="utf-8")))
    for name in report["figures"]:
        assert name in named or name.startswith(("sentences.", "rank_shift_mean.")), name


def test_an_unknown_model_is_said(tiny_home: Path) -> None:
    done = CliRunner().invoke(cli, ["eval", "attacks", "--llm", "nonsense", "--home", str(tiny_home)])
    assert done.exit_code == 1
    assert "SIDRA_LLM" in done.output
