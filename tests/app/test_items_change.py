"""Changing the catalogue over HTTP and on the command line, with a real release behind it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.api import create_app
from app.cli import cli
from app.client import ClientError, SidraClient
from app.runtime import Runtime
from app.settings import Settings
from recsys_core.releases.store import ReleaseStore

runner = CliRunner()
NEW = {"id": "n1", "title": "The Lighthouse Ledger", "text": "A thriller from Kenya.", "attributes": {"year": 2031}}


@pytest.fixture
def home(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_home / "releases", tmp_path / "home" / "releases")
    return tmp_path / "home"


@pytest.fixture
def api(home: Path) -> Iterator[TestClient]:
    runtime = Runtime(Settings(home=home, llm="none", merge_after=0, _env_file=None))  # type: ignore[call-arg]
    with TestClient(create_app(runtime=runtime), raise_server_exceptions=False) as client:
        client.portal.call(runtime.wait)
        assert client.get("/readyz").status_code == 200
        yield client


def _recommended(api: TestClient, **body: object) -> list[str]:
    answer = api.post("/v1/recommend", json={"k": 100, **body}).json()
    return [item["item_id"] for item in answer["items"]]


def _cli(home: Path, *words: str) -> dict:
    done = runner.invoke(cli, ["items", words[0], "--home", str(home), "--json", *words[1:]])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_a_withdrawn_item_is_gone_everywhere_and_comes_back(api: TestClient) -> None:
    first, second = _recommended(api)[:2]
    title = api.get(f"/v1/items/{first}").json()["title"]
    user = api.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "surprise me"}], "k": 20})
    shown = [card["item_id"] for card in user.json()["slate"]]
    gone = list(dict.fromkeys([first, *shown]))

    answer = api.post("/v1/items/withdraw", json={"items": gone})
    assert answer.status_code == 200
    assert answer.json()["number"] == 1
    assert answer.json()["withdrawn"] == len(gone)
    assert api.get("/v1/info").json()["items"] == 240 - len(gone)
    for model in ("sidra", "generator", "item_cf", "popularity"):
        assert not set(_recommended(api, model=model)) & set(gone)
    assert api.get(f"/v1/items/{first}").status_code == 404
    hits = api.get("/v1/items/search", params={"q": title, "k": 100}).json()
    assert not {hit["id"] for hit in hits} & set(gone)
    assert api.post("/v1/feedback", json={"user_id": "u", "item_id": first, "value": 1}).status_code == 404
    for words in ("surprise me", f"something like {title}"):
        said = api.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": words}], "k": 20}).json()
        assert said["slate"]
        assert not {card["item_id"] for card in said["slate"]} & set(gone)
        assert said["sidra"]["changes"] == 1
    body = api.post("/v1/recommend", json={"anchors": [first, second]}).json()
    assert body["changes"] == 1
    assert "withdrawn" in body["notes"][0]

    assert api.post("/v1/items/restore", json={"items": gone}).json()["withdrawn"] == 0
    assert first in _recommended(api)


def test_a_thread_that_showed_it_goes_on(api: TestClient) -> None:
    def say(words: str, **more: object) -> dict:
        body = {"messages": [{"role": "user", "content": words}], "k": 3, "user": "ann", **more}
        return api.post("/v1/chat/completions", json=body).json()

    begun = say("surprise me")
    thread = begun["sidra"]["thread_id"]
    gone = begun["slate"][1]
    api.post("/v1/items/withdraw", json={"items": [gone["item_id"]]})
    messages = api.get(f"/v1/threads/{thread}", params={"user": "ann"}).json()["messages"]
    assert [card["item_id"] for card in messages[1]["slate"]] == [begun["slate"][n]["item_id"] for n in (0, 2)]
    for words in ("why the second one?", "more like the second one", "something older", "undo that"):
        answer = say(words, thread_id=thread)
        assert "error" not in answer, words
        assert gone["item_id"] not in [card["item_id"] for card in answer["slate"]]


def test_facts_and_new_items(api: TestClient) -> None:
    year = {"all_of": [{"field": "year", "op": "eq", "value": 2031}]}
    assert _recommended(api, filter=year) == []
    assert api.patch("/v1/items/i3", json={"attributes": {"year": 2031}}).json()["number"] == 1
    assert _recommended(api, filter=year) == ["i3"]
    added = api.post("/v1/items", json={"items": [NEW]})
    assert added.status_code == 200
    assert added.json()["pending"] == 2
    assert sorted(_recommended(api, filter=year)) == ["i3", "n1"]
    assert api.get("/v1/items/n1").json()["attributes"] == {"year": 2031}
    assert api.get("/v1/items/changes").json() == added.json()
    release = api.get("/v1/info").json()["release"]
    assert api.post("/v1/items/merge").status_code == 202
    while api.get("/v1/items/changes").json()["pending"]:
        time.sleep(0.05)
    assert api.get("/v1/info").json()["release"] != release
    assert sorted(_recommended(api, filter=year)) == ["i3", "n1"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("POST", "/v1/items/withdraw", {"items": ["i1", "nobody"]}, 404, "unknown_item"),
        ("POST", "/v1/items/restore", {"items": ["nobody"]}, 404, "unknown_item"),
        ("PATCH", "/v1/items/nobody", {"attributes": {"year": 1}}, 404, "unknown_item"),
        ("POST", "/v1/items/withdraw", {"items": []}, 422, "invalid_request"),
        ("POST", "/v1/items/withdraw", {"items": "i1"}, 422, "invalid_request"),
        ("POST", "/v1/items/withdraw", {"items": ["i1"], "why": "x"}, 422, "invalid_request"),
        ("PATCH", "/v1/items/i1", {"attributes": {"colour": "red"}}, 422, "invalid_request"),
        ("PATCH", "/v1/items/i1", {"attributes": {"year": "soon"}}, 422, "invalid_request"),
        ("PATCH", "/v1/items/i1", {"attributes": {}}, 422, "invalid_request"),
        ("POST", "/v1/items", {"items": [{**NEW, "id": "i1"}]}, 409, "item_exists"),
        ("POST", "/v1/items", {"items": [NEW, NEW]}, 422, "invalid_request"),
        ("POST", "/v1/items", {"items": [{**NEW, "title": ""}]}, 422, "invalid_request"),
        ("POST", "/v1/items", {"items": [{**NEW, "attributes": {"genre": "x"}}]}, 422, "invalid_request"),
    ],
)
def test_refusals_change_nothing(api: TestClient, method: str, path: str, body: object, status: int, kind: str) -> None:
    answer = api.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == kind
    assert api.get("/v1/items/changes").json()["number"] == 0


def test_the_command_line_reaches_a_running_api(api: TestClient, home: Path, tmp_path: Path) -> None:
    assert _cli(home, "withdraw", "i1", "i2")["withdrawn"] == 2
    assert api.get("/v1/items/i1").status_code == 404
    assert _cli(home, "retag", "i3", "--set", "year=2031", "--set", "genre=Noir|Thriller")["number"] == 2
    assert api.get("/v1/items/i3").json()["attributes"]["genre"] == ["Noir", "Thriller"]
    (tmp_path / "new.csv").write_text("sku,name,genre,year\nx1,Paper Comet,Documentary,2031\n", encoding="utf-8")
    assert _cli(home, "add", "--items", str(tmp_path / "new.csv"))["items"] == 239
    year = {"all_of": [{"field": "year", "op": "eq", "value": 2031}]}
    assert sorted(_recommended(api, filter=year)) == ["i3", "x1"]
    assert _cli(home, "restore", "i1")["withdrawn"] == 1
    assert api.get("/v1/items/i1").status_code == 200
    told = _cli(home, "changes")
    assert (told["withdrawn_ids"], list(told["retagged"]), told["added"]) == (["i2"], ["i3"], ["x1"])
    done = runner.invoke(cli, ["recommend", "--home", str(home), "--filter", "year=2031", "--json"])
    assert sorted(item["item_id"] for item in json.loads(done.stdout)["items"]) == ["i3", "x1"]
    merged = _cli(home, "merge")
    assert merged["pending"] == 0
    assert merged["release"] == ReleaseStore(home).current_id()
    assert sorted(_recommended(api, filter=year)) == ["i3", "x1"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["withdraw", "nobody"], "unknown item id 'nobody'"),
        (["retag", "i1", "--set", "year=soon"], "'year' is a number field"),
        (["retag", "i1", "--set", "colour=red"], "'colour' is no field"),
    ],
)
def test_the_command_line_refuses_in_one_sentence(home: Path, words: list[str], sentence: str) -> None:
    failed = runner.invoke(cli, ["items", *words, "--home", str(home)])
    assert failed.exit_code == 1
    assert sentence in " ".join(failed.stderr.split())


def test_the_client(home: Path, serve: Callable[[Any], Any]) -> None:
    settings = Settings(home=home, llm="none", merge_after=0, _env_file=None)  # type: ignore[call-arg]
    with serve(create_app(settings)) as url, SidraClient(url) as client:
        while not client.ready()["ready"]:
            time.sleep(0.05)
        assert client.withdraw(["i1"])["withdrawn"] == 1
        assert client.restore(["i1"])["withdrawn"] == 0
        assert client.retag("i1", {"year": 2000})["number"] == 3
        assert client.add_items([NEW])["items"] == 241
        assert client.changes()["pending"] == 2
        assert client.merge_changes()["number"] == 4
        with pytest.raises(ClientError, match="nobody") as refused:
            client.withdraw(["nobody"])
        assert refused.value.status == 404
