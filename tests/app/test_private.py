"""Canary strings in messages, facts, a profile and a user's name: in no log line, metric or error of a whole API."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from app_fakes import FakeLive, FakeRecommender
from fastapi.testclient import TestClient

from agents.conversation import ConversationService
from agents.llm.scripted import ScriptedChatModel, ScriptEntry
from app.api import create_app
from app.runtime import Runtime, Stage
from app.settings import Settings

NAME, MAIL, PHONE, CARD = "Quillon-Bracegirdle", "quillon@example.org", "+44-7700-900461", "4929182718274400"
CANARIES = (NAME, MAIL, PHONE, CARD, "quillon", "bracegirdle")
SCRIPT = [
    {"call": "intent", "json": {"act": "recommend", "mood": "funny"}, "times": 3},
    {"call": "intent", "error": "unavailable"},
    {"call": "respond", "text": "Good ones. [1] comes first. "},
]


@pytest.fixture
def whole(settings: Settings, tmp_path: Path) -> Iterator[tuple[TestClient, Runtime, Any]]:
    """An API over a real conversation service."""
    runtime = Runtime(settings)
    recommender: Any = FakeRecommender()
    recommender.evidence = lambda item, request: SimpleNamespace(
        because_of=[], matched_attributes={}, degraded_reason=""
    )
    recommender.similar = lambda item, k=10: []
    llm = ScriptedChatModel([ScriptEntry.model_validate(entry) for entry in SCRIPT])
    service = ConversationService(recommender, llm, tmp_path / "talk")
    runtime._live = FakeLive(recommender)  # type: ignore[assignment]
    runtime._conversations = service
    runtime._llm = llm
    runtime.stages = {name: Stage("ready") for name in runtime.stages}
    runtime.start = lambda: None  # type: ignore[method-assign]
    with TestClient(create_app(runtime=runtime), raise_server_exceptions=False) as client:
        client.portal.call(service.start)  # type: ignore[union-attr]
        yield client, runtime, recommender


def test_nothing_private_leaves(
    whole: tuple[TestClient, Runtime, Any], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    client, _, recommender = whole
    caplog.set_level(logging.DEBUG)
    for own in ("httpx", "httpx2"):  # the test's client writes the addresses it asks
        caplog.set_level(logging.WARNING, logger=own)
    errors: list[str] = []

    def say(message: str, user: str = MAIL, **more: Any) -> Any:
        body = {"messages": [{"role": "user", "content": message}], "user": user, **more}
        answer = client.post("/v1/chat/completions", json=body)
        if answer.status_code >= 400:
            errors.append(answer.text)
        return answer.json()

    first = say(f"a drama for {NAME}, call me on {PHONE}")
    thread = first["sidra"]["thread_id"]
    say(f"remember that my card is {CARD}", thread_id=thread)
    say(f"I've seen the first one, says {NAME}", thread_id=thread, stream=False)
    client.post(f"/v1/users/{MAIL}/memory", json={"words": f"remember that {NAME} writes to {MAIL}"})
    assert CARD in client.get(f"/v1/users/{MAIL}/memory").text
    assert client.get(f"/v1/users/{MAIL}/profile").status_code == 200
    for message in ("why the first one?", f"something like {NAME}", "what do you know about me?"):
        say(message, thread_id=thread)
    # whatever goes wrong, and with the user's words in the exception
    works = recommender.recommend

    def breaks(*args: Any, **more: Any) -> Any:
        raise KeyError(f"{NAME} {MAIL} {CARD}")

    recommender.recommend = breaks
    say(f"a drama for {NAME}", thread_id=thread)
    errors.append(client.post("/v1/recommend", json={"user_id": "somebody", "instruction": CARD}).text)
    recommender.recommend = works
    for path, body in (
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x" * 5000 + NAME}], "user": MAIL}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": NAME, "zzz": CARD}], "k": NAME}),
        (f"/v1/users/{MAIL}/memory", {"words": CARD * 40}),
        ("/v1/recommend", {"instruction": NAME, "k": CARD}),
    ):
        answer = client.post(path, json=body)
        assert 400 <= answer.status_code < 500
        errors.append(answer.text)
    errors.append(client.get(f"/v1/threads/{thread}", params={"user": "bob"}).text)
    other = [str(say(message, "bob")) for message in ("a drama", "what do you know about me?", f"hello {thread}")]
    other += [client.get(f"/v1/users/bob/{part}").text for part in ("memory", "threads", "profile")]
    places = {
        "log": caplog.text,
        "output": "".join(capfd.readouterr()),
        "metrics": client.get("/metrics").text,
        "ready": client.get("/readyz").text + client.get("/v1/info").text,
        "errors": "\n".join(errors),
        "another user's answers": "\n".join(other),
    }
    assert "KeyError" in places["log"], "the place of the failure is logged"
    assert len(errors) >= 7
    for place, text in places.items():
        found = [canary for canary in CANARIES if canary.casefold() in text.casefold()]
        assert found == [], f"{found} in {place}"
