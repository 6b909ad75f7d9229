"""The client against a real server."""

from __future__ import annotations

import pytest
from app_fakes import fake_runtime

from app.api import create_app
from app.client import ClientError, SidraClient, Unreachable
from app.runtime import Runtime
from app.settings import Settings


def test_a_turn_as_events(address: str) -> None:
    with SidraClient(address) as client:
        events = list(client.chat("a drama", user="ann", k=3))
    assert [event["type"] for event in events] == ["start", "step", "step", "slate", "token", "token", "token", "end"]
    assert events[-1]["text"] == "Here you are."
    assert [card["slot"] for card in events[-1]["cards"]] == [1, 2, 3]
    assert events[0]["thread_id"] == events[-1]["thread_id"]


def test_everything_else(address: str, runtime: Runtime) -> None:
    user = runtime.recommender.log.users[0]
    with SidraClient(address) as client:
        assert client.alive()
        assert client.ready()["ready"]
        assert client.models() == ["sidra"]
        item = client.search("x", 1)[0]["id"]
        assert client.item(item)["id"] == item
        assert len(client.recommend(user_id=user, k=2, filter=None)["items"]) == 2
        assert client.feedback("a/b c", item, 1)["value"] == 1
        assert client.profile("a/b c")["thumbs"] == {item: 1}
        assert client.info()["items"] == 40


def test_refusals_carry_status_type_and_field(address: str) -> None:
    with SidraClient(address) as client:
        with pytest.raises(ClientError) as caught:
            list(client.chat("x" * 5000))
        assert (caught.value.status, caught.value.kind, caught.value.param) == (422, "message_too_long", "messages")
        with pytest.raises(ClientError) as caught:
            client.item("none")
        assert (caught.value.status, caught.value.kind) == (404, "unknown_item")


def test_an_error_inside_the_stream_is_an_event(address: str) -> None:
    with SidraClient(address) as client:
        assert list(client.chat("break"))[-1] == {"type": "error", "code": "turn_failed", "message": "It broke."}


def test_nobody_there() -> None:
    with SidraClient("http://127.0.0.1:9") as client:
        assert not client.alive()
        with pytest.raises(Unreachable, match="sidra serve"):
            client.ready()
        with pytest.raises(Unreachable):
            list(client.chat("hi"))


def test_key_is_sent(settings: Settings, serve: object) -> None:
    guarded = Settings(home=settings.home, llm="none", api_key="k3y", _env_file=None)  # type: ignore[call-arg]
    with serve(create_app(runtime=fake_runtime(guarded))) as url:  # type: ignore[operator]
        with SidraClient(url, "k3y") as client:
            assert client.info()["release"] == "r-test"
        with SidraClient(url) as client, pytest.raises(ClientError) as caught:
            client.info()
        assert caught.value.status == 401
