"""`sidra eval conversations` from end to end: scripts, faults and simulated people on a small real release."""

import json
import os
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import app.client
from app.cli import cli
from eval.scratch import scratch_home
from recsys_core.catalog.synth import synthetic
from recsys_core.errors import ConfigError
from tests.eval.fake_api import FakeApi

runner = CliRunner()

PLAIN = {
    "name": "plain",
    "kind": "test",
    "about": "A kind for good, then a reason.",
    "user": "known",
    "turns": [
        {
            "say": "something funny, a comedy",
            "intent": {"want": {"genre": "Comedy"}, "mood": "funny"},
            "expect": {"cards": {"min": 1, "max": 5}},
        },
        {"say": "I have seen the first one", "intent": {"topic": "refine", "seen": [1]}, "expect": {"not_slots": [1]}},
    ],
}
FAULT = {
    "name": "fault",
    "kind": "fault",
    "about": "The stream breaks off.",
    "user": "known",
    "turns": [
        {
            "say": "a drama",
            "fault": "truncated",
            "intent": {"want": {"genre": "Drama"}},
            "expect": {"cards": {"min": 5, "max": 5}, "degraded": True},
        },
        {"say": "why the first one?", "intent": {"act": "why", "items": [1]}, "expect": {"keeps_slate": True}},
    ],
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SIDRA_")]:
        monkeypatch.delenv(name)


def everything(home: Path) -> dict[str, int]:
    """Files of the conversations in a home and their sizes."""
    return {str(path): path.stat().st_size for path in (home / "conversations").rglob("*")}


def folder_of(tmp_path: Path, *scripts: dict) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir()
    for script in scripts:
        (folder / f"{script['name']}.yaml").write_text(yaml.safe_dump(script), encoding="utf-8")
    return folder


def test_all_parts_in_one_report_and_nothing_left_in_the_home(tiny_home, tmp_path):
    folder = folder_of(tmp_path, PLAIN, FAULT)
    words = ["eval", "conversations", "--folder", str(folder), "--llm", "none", "--users", "3", "--trials", "3"]
    before = everything(tiny_home)
    done = runner.invoke(cli, [*words, "--home", str(tiny_home), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    figures = report["figures"]
    assert (figures["scripts"], figures["conversations_passed"], figures["faults_injected"]) == (2, 2, 1)
    assert figures["degraded_turns"] == 1
    assert figures["intent_f1"] > 0.8
    assert figures["violations"] == 0
    assert 0 <= figures["explicit_constraints_accuracy"] <= 1
    for name in ("success_at_5", "baseline_success_at_5", "pass_hat_3"):
        assert figures[f"{name}.lo"] <= figures[name] <= figures[f"{name}.hi"]
    assert len(report["detail"]["simulation"]["trials"]) == 9
    # what was said happened in a folder that is gone
    assert everything(tiny_home) == before


def test_an_api_of_somebody_else_is_asked_and_misreadings_are_shown(monkeypatch, tmp_path):
    wrong = {
        **PLAIN,
        "turns": [
            {
                "say": "genre Comedy please",
                "intent": {"want": {"genre": "Drama"}},
                "expect": {"cards": {"min": 0, "max": 0}},
            }
        ],
    }
    api = FakeApi(synthetic(80, 10, seed=1)[0])
    client = app.client.SidraClient
    monkeypatch.setattr(app.client, "SidraClient", lambda url, key: client(url, key, transport=api.transport()))
    monkeypatch.setenv("SIDRA_API_URL", "http://fake")
    words = ["eval", "conversations", "--folder", str(folder_of(tmp_path, wrong, FAULT)), "--home", str(tmp_path)]
    done = runner.invoke(cli, words)
    assert done.exit_code == 1
    for piece in ("intent_f1", "want genre drama", "want genre comedy", "1 conversations failed", "skipped"):
        assert piece in done.output
    assert "Simulated people are left out" in done.output
    assert "success_at_5" not in done.output


def test_nothing_to_do_is_wrong_usage_and_a_missing_set_is_said(tiny_home):
    assert runner.invoke(cli, ["eval", "conversations", "--no-scripts", "--users", "0"]).exit_code == 2
    done = runner.invoke(cli, ["eval", "conversations", "--redial", "--home", str(tiny_home)])
    assert done.exit_code == 1
    assert "SIDRA_DATA_DIR" in done.output


def test_a_scratch_home_needs_a_release_and_shows_nothing_else(tiny_home, tmp_path):
    with pytest.raises(ConfigError, match="sidra build"), scratch_home(tmp_path):
        pass
    with scratch_home(tiny_home) as scratch:
        assert (scratch / "releases" / "current").exists() == (tiny_home / "releases" / "current").exists()
        assert [path.name for path in scratch.iterdir()] == ["releases"]
    assert not scratch.exists()
    assert (tiny_home / "releases").is_dir()
