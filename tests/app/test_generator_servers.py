"""The generator on servers, as users meet it: what is missing is told, and when no server answers that is said."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.api import create_app
from app.cli import cli
from app.settings import load_settings

runner = CliRunner()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIDRA_LLM", "none")


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def settled(client: TestClient) -> dict[str, dict[str, str]]:
    for _ in range(600):
        stages: dict[str, dict[str, str]] = client.get("/readyz").json()["stages"]
        if not any(stage["state"] in {"waiting", "loading"} for stage in stages.values()):
            return stages
        time.sleep(0.1)
    raise AssertionError("it never settled")


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_api_and_conversation_say_that_no_server_answered(tiny_lm_home: Path, nobody: str) -> None:
    settings = load_settings(home=tiny_lm_home, generator="vllm", vllm_urls=f"{nobody},{nobody}/")
    with TestClient(create_app(settings)) as client:
        assert settled(client)["recommender"]["state"] == "ready"
        answer = client.post("/v1/recommend", json={"instruction": "a comedy", "k": 4}).json()
        assert answer["generator"] == "vllm"
        assert len(answer["items"]) == 4
        assert answer["degraded"] is True
        assert "the same model answered in process" in answer["degraded_reason"]
        assert any("the same model answered in process" in note for note in answer["notes"])
        assert nobody not in json.dumps(answer), "addresses are for the log"
        words = [{"role": "user", "content": "a drama please"}]
        said = {"model": "sidra", "user": "somebody", "messages": words, "k": 3}
        turn = client.post("/v1/chat/completions", json=said).json()
        assert len(turn["slate"]) == 3
        assert turn["sidra"]["degraded"] is True
        assert "no generator server could be used" in turn["sidra"]["degraded_reason"]
        why = {**said, "messages": [{"role": "user", "content": "why the first one?"}]}
        why["thread_id"] = turn["sidra"]["thread_id"]
        because = client.post("/v1/chat/completions", json=why).json()
        assert "no generator server could be used" in because["sidra"]["degraded_reason"], "reasons were measured here"


def test_without_an_address_it_is_not_ready_and_says_what_to_do(tiny_lm_home: Path) -> None:
    with TestClient(create_app(load_settings(home=tiny_lm_home, generator="vllm"))) as client:
        stage = settled(client)["recommender"]
    assert stage["state"] == "failed"
    assert "SIDRA_VLLM_URLS names no server; start one with `sidra serve-generator`" in stage["detail"]


def test_doctor_asks_the_servers(tiny_lm_home: Path, tiny_home: Path, nobody: str) -> None:
    def check(home: Path, urls: str) -> dict[str, str]:
        environment = {"SIDRA_GENERATOR": "vllm", "SIDRA_VLLM_URLS": urls}
        report = json.loads(runner.invoke(cli, ["doctor", "--home", str(home), "--json"], env=environment).stdout)
        return next(found for found in report["checks"] if found["name"] == "generator")

    down = check(tiny_lm_home, nobody)
    assert down["state"] == "note"
    assert "0 of 1 servers answer" in down["found"]
    assert "can't be reached" in down["remedy"]
    assert check(tiny_lm_home, "")["state"] == "missing"
    assert "sidra build --with-lm" in check(tiny_home, nobody)["remedy"]


def test_serve_generator_says_what_is_missing(tiny_lm_home: Path, tiny_home: Path, tmp_path: Path) -> None:
    def told(*arguments: str) -> str:
        done = runner.invoke(cli, ["serve-generator", *arguments], env={"SIDRA_CACHE_DIR": str(tmp_path)})
        assert done.exit_code == 1
        return one_line(done.stderr)

    assert "no release was built" in told("--home", str(tmp_path))
    assert "there is no release 'older'" in told("--home", str(tiny_lm_home), "--release", "older")
    assert "run `sidra build --with-lm`" in told("--home", str(tiny_home))
    assert "vLLM isn't installed here; run `make vllm`" in told("--home", str(tiny_lm_home))
    wrong = runner.invoke(cli, ["serve-generator", "--home", str(tiny_lm_home), "--runner", "v3"])
    assert wrong.exit_code == 2
