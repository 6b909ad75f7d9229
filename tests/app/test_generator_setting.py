"""One variable chooses what generates: for the API, the conversation and the command line; and it says so."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.api import create_app
from app.cli import cli
from app.commands.data import _build_config
from app.settings import Settings, SettingsError, load_settings
from recsys_core.generator.lm.config import LmConfig

runner = CliRunner()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIDRA_LLM", "none")


def settled(client: TestClient) -> dict[str, dict[str, str]]:
    """Stages once nothing is loading any more."""
    for _ in range(600):
        stages: dict[str, dict[str, str]] = client.get("/readyz").json()["stages"]
        if not any(stage["state"] in {"waiting", "loading"} for stage in stages.values()):
            return stages
        time.sleep(0.1)
    raise AssertionError("it never settled")


def test_api_and_conversation_run_on_the_language_model(tiny_lm_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIDRA_GENERATOR", "LM")
    monkeypatch.setenv("SIDRA_HOME", str(tiny_lm_home))
    with TestClient(create_app(load_settings())) as client:
        assert settled(client)["recommender"] == {
            **settled(client)["recommender"],
            "state": "ready",
            "detail": "generator lm",
        }
        assert client.get("/v1/info").json()["generator"] == "lm"
        answer = client.post("/v1/recommend", json={"instruction": "a comedy", "k": 4}).json()
        assert answer["generator"] == "lm"
        assert len(answer["items"]) == 4
        said = {"model": "sidra", "messages": [{"role": "user", "content": "a drama please"}], "k": 3}
        turn = client.post("/v1/chat/completions", json=said).json()
        assert len(turn["sidra"]["cards"] if "cards" in turn.get("sidra", {}) else turn["slate"]) == 3


def test_a_release_without_one_is_never_ready_and_says_what_to_do(
    tiny_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDRA_HOME", str(tiny_home))
    with TestClient(create_app(load_settings(generator="lm"))) as client:
        stages = settled(client)
        assert stages["recommender"]["state"] == "failed"
        assert "sidra build --with-lm" in stages["recommender"]["detail"]
        refused = client.post("/v1/recommend", json={"k": 1})
        assert refused.status_code == 503
        assert "sidra build --with-lm" in refused.json()["error"]["message"]


def test_the_command_line_recommends_by_either(tiny_lm_home: Path, tiny_home: Path) -> None:
    words = ["recommend", "--home", str(tiny_lm_home), "--instruction", "a comedy", "--k", "3"]
    told = runner.invoke(cli, [*words, "--generator", "lm", "--json"])
    assert told.exit_code == 0, told.stderr
    assert json.loads(told.stdout)["generator"] == "lm"
    assert json.loads(runner.invoke(cli, [*words, "--json"]).stdout)["generator"] == "compact"
    assert "generator lm, release" in " ".join(runner.invoke(cli, [*words, "--generator", "lm"]).stderr.split())
    absent = runner.invoke(cli, ["recommend", "--home", str(tiny_home), "--generator", "lm"])
    assert absent.exit_code == 1
    assert "sidra build --with-lm" in " ".join(absent.stderr.split())


def test_doctor_shows_the_generator_and_what_is_missing(tiny_lm_home: Path, tiny_home: Path) -> None:
    def check(home: Path, generator: str) -> dict[str, str]:
        done = runner.invoke(cli, ["doctor", "--home", str(home), "--json"], env={"SIDRA_GENERATOR": generator})
        report = json.loads(done.stdout)
        assert report["settings"]["SIDRA_GENERATOR"] == generator
        return next(found for found in report["checks"] if found["name"] == "generator")

    assert (check(tiny_lm_home, "lm")["state"], check(tiny_lm_home, "lm")["found"]) == ("ok", "lm")
    assert check(tiny_lm_home, "compact")["state"] == "ok"
    missing = check(tiny_home, "lm")
    assert missing["state"] == "missing"
    assert "sidra build --with-lm" in missing["remedy"]


def test_offline_evaluation_has_the_rows_of_both(tiny_lm_home: Path, tiny_home: Path) -> None:
    done = runner.invoke(cli, ["eval", "offline", "--home", str(tiny_lm_home), "--users", "40", "--json"])
    assert done.exit_code == 0, done.stderr
    figures = json.loads(done.stdout)["figures"]
    for row in ("sidra", "sidra_lm", "generator", "lm"):
        assert 0 <= figures[f"ndcg@10.{row}"] <= figures[f"recall@10.{row}"] <= 1
    assert figures["ndcg@10.lm"] != figures["ndcg@10.generator"]
    for row in ("sidra_lm", "generator", "lm"):
        assert 0 <= figures[f"instruction_match.{row}"] <= 1
    absent = runner.invoke(cli, ["eval", "offline", "--home", str(tiny_home), "--model", "lm"])
    assert absent.exit_code == 1
    assert "sidra build --with-lm" in " ".join(absent.stderr.split())


def test_build_settings_with_a_language_model(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path)
    assert _build_config(settings, None).lm is None
    asked = _build_config(settings, None, with_lm=True).lm
    assert asked is not None
    assert asked.model == LmConfig()
    own = tmp_path / "build.toml"
    own.write_text("[lm.model]\nwidth = 96\n", encoding="utf-8")
    for flag in (False, True):
        named = _build_config(settings, own, with_lm=flag).lm
        assert named is not None
        assert named.model.width == 96


def test_a_generator_that_nobody_knows_is_named() -> None:
    with pytest.raises(SettingsError, match="SIDRA_GENERATOR"):
        load_settings(generator="gru")
