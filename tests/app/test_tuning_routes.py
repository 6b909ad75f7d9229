"""Tuning over HTTP: what is in force, a proposal that waits, approval, roll-back; and who may."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from agents.tuner.graph import Steps, TunerAgent
from agents.tuner.report import TuningReport
from app.api import create_app
from app.settings import Settings
from app.tuning import progress_path
from app.tuning_job import TuneBody, TuningJob
from recsys_core.durable import write_json
from recsys_core.releases.store import ReleaseStore
from recsys_core.serving.plan import ServingPlan
from recsys_core.tuning.promotion import Promotion
from recsys_core.tuning.session import study_folder

PROMOTION = Promotion(plan=ServingPlan(beam=4), study="s1", speed=2.0, quality=0.99, lower=0.96, changes={"beam": 4})
TRIAL = {"number": 0, "changes": {}, "phase": "reference", "proposed_by": "reference", "reason": "", "speed": 1.0,
         "quality": 1.0, "lower": 1.0, "score": 1.0, "failed": [], "no_effect": []}  # fmt: skip
FAST = TRIAL | {"number": 1, "changes": {"beam": 4}, "proposed_by": "llm", "speed": 2.1, "lower": 0.97, "score": 2.1}


@pytest.fixture(scope="module")
def home(tiny_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("tuning")
    shutil.copytree(tiny_home / "releases", home / "releases")
    return home


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[TestClient]:
    settings = Settings(home=home, llm="none", watch_quality=False, _env_file=None)  # type: ignore[call-arg]
    with TestClient(create_app(settings)) as client:
        deadline = time.monotonic() + 60
        while client.get("/readyz").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        yield client


@pytest.fixture
def proposal(home: Path) -> str:
    """A study that waits for an answer, as `sidra tune` leaves it."""
    release = ReleaseStore(home).open().id
    report = TuningReport(study="s1", release=release, trials=2, sentences=["Proposed: beam=4."], promotion=PROMOTION)
    agent = TunerAgent(study_folder(home), Steps(lambda: report, ReleaseStore(home).open))
    agent.run("s1", release)
    agent.close()
    progress_path(home, "s1").parent.mkdir(parents=True, exist_ok=True)
    write_json(progress_path(home, "s1"), {"study": "s1", "wanted": 2, "trials": [TRIAL, FAST]})
    return "s1"


def test_a_proposal_is_shown_served_when_approved_and_taken_back(client: TestClient, proposal: str) -> None:
    before = client.get("/v1/tuning").json()
    assert (before["serving"], before["running"], before["events"]) == ({}, False, [])
    study = before["studies"][0]
    assert (study["where"], len(study["trials"])) == ("waiting", 2)
    assert study["report"]["sentences"] == ["Proposed: beam=4."]

    served = client.post(f"/v1/tuning/{proposal}/decision", json={"approve": True}).json()
    assert served["serving"] == {"beam": 4}
    assert served["promotion"]["speed"] == 2.0
    assert served["studies"][0]["where"] == "promoted"
    assert client.post("/v1/recommend", json={"user_id": "u1", "k": 3}).status_code == 200

    again = client.post(f"/v1/tuning/{proposal}/decision", json={"approve": True})
    assert (again.status_code, again.json()["error"]["type"]) == (409, "nothing_to_do")
    back = client.post("/v1/tuning/rollback").json()
    assert (back["serving"], [event["event"] for event in back["events"]]) == ({}, ["rolled_back", "promoted"])
    assert client.post("/v1/tuning/rollback").status_code == 409


def test_a_study_that_is_not_there_and_names_that_are_paths(client: TestClient) -> None:
    assert client.post("/v1/tuning/none/decision", json={"approve": True}).status_code == 409
    assert client.post("/v1/tuning/..%2Fx/decision", json={"approve": True}).status_code in {404, 422}
    assert client.post("/v1/tuning", json={"trials": 1}).status_code == 422
    assert client.post("/v1/tuning", json={"knob": 1}).status_code == 422


def test_a_study_runs_beside_answers_can_be_stopped_and_says_why_it_failed(
    client: TestClient, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = client.post("/v1/tuning", json={"trials": 3, "floor": 0.9})
    assert (started.status_code, started.json()["running"]) == (202, True)
    assert client.post("/v1/tuning", json={}).json()["error"]["type"] == "tuning_runs"
    assert client.delete("/v1/tuning/running").json()["running"] is False
    assert client.get("/v1/tuning").json()["trouble"] == ""
    monkeypatch.setattr("app.tuning_job.NICE", 0)
    job = TuningJob(home / "nowhere", "none")
    job.start(TuneBody())
    deadline = time.monotonic() + 150
    while job.running and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "sidra build" in job.trouble
    job.close()


def test_keys_of_users_may_not(home: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    digest = hashlib.sha256(b"sk-user-0123456789abcdef").hexdigest()
    keys.write_text(f'[[keys]]\nname = "u1"\nsha256 = "{digest}"\nusers = ["u1"]\n')
    settings = Settings(home=home, llm="none", api_keys_file=keys, _env_file=None)  # type: ignore[call-arg]
    with TestClient(create_app(settings)) as client:
        bound = {"Authorization": "Bearer sk-user-0123456789abcdef"}
        assert client.get("/v1/tuning", headers=bound).status_code == 403
        assert client.post("/v1/tuning/rollback", headers=bound).status_code == 403
