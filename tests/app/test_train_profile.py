"""`sidra train-profile` on a small release: a writer with its record, its curves and one JSON object."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from recsys_core.rewards.policy.writer import TrainedWriter

runner = CliRunner()
QUICK = ["--steps", "2", "--users", "9", "--group", "2", "--held-out", "12", "--cuts", "1", "--evaluate-every", "2"]


def test_a_writer_is_trained_recorded_and_found_again(tiny_home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "writer"
    words = ["train-profile", "--home", str(tiny_home), "--out", str(folder), *QUICK, "--json"]
    done = runner.invoke(cli, words)
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    figures = report["figures"]
    assert figures["users"] == 12
    assert figures["reward_gain"] == pytest.approx(figures["reward_end"] - figures["reward_start"])
    assert figures["reward_gain.lo"] <= figures["reward_gain"] <= figures["reward_gain.hi"]
    assert {"forward_start", "backward_end", "reward_rule", "judges_agree", "copied_titles", "leaks"} <= set(figures)
    # rules name titles: they are compared by the plain reward
    assert figures["reward_rule"] == pytest.approx(figures["forward_rule"] + figures["backward_rule"])
    assert figures["tokens_max_end"] <= 120
    assert [record["step"] for record in report["detail"]["curve"]] == [0, 1, 2]
    writer = TrainedWriter.load(folder)
    assert writer.record is not None
    assert writer.record.figures == figures
    assert writer.record.release == report["context"]["release"]
    assert not set(writer.record.train_users) & set(writer.record.held_out_users)
    assert not (folder / "training").exists()
    drawing = (folder / "curves.svg").read_text()
    assert drawing.startswith("<svg")
    assert "backward NDCG" in drawing
    assert "nan" not in drawing
    again = runner.invoke(cli, words)
    assert again.exit_code == 1
    assert "finished writer" in again.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--users", "4"], "at least 9"),
        (["--policy", "huge"], "tiny or trl"),
        (["--policy", "trl"], "--model names"),
        (["--model", "x"], "--model names"),
        (["--split", "train"], "test or validation"),
        (["--judge", "me"], "pieces or whole"),
        (["--learning-rate", "0"], "above 0"),
    ],
)
def test_wrong_usage_is_told(tiny_home: Path, words: list[str], said: str) -> None:
    done = runner.invoke(cli, ["train-profile", "--home", str(tiny_home), *words])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_the_missing_extra_is_named(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "trl" else found(name, *more))
    words = ["train-profile", "--home", str(tiny_home), "--out", str(tmp_path / "w"), "--policy", "trl", "--model", "m"]
    done = runner.invoke(cli, words)
    assert done.exit_code == 1
    assert "sidra[rl]" in done.stderr
