"""The chat route: the real OpenAI client, stream and whole, refusals, threads, a client that goes away."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import openai
import pytest
from fastapi.testclient import TestClient

from app.runtime import Runtime
from app.settings import Settings


def body(text: Any = "a drama", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def chunks(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line for line in response.text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def test_openai_client_reads_the_whole_answer(address: str) -> None:
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="any")
    assert [model.id for model in client.models.list()] == ["sidra"]
    answer = client.chat.completions.create(
        model="sidra",
        messages=[{"role": "system", "content": "be a pirate"}, {"role": "user", "content": "a drama"}],
        temperature=0.2,
        user="ann",
        extra_body={"k": 3},
    )
    assert answer.choices[0].message.content == "Here you are."
    assert answer.choices[0].finish_reason == "stop"
    extra = answer.model_extra or {}
    assert [card["slot"] for card in extra["slate"]] == [1, 2, 3]
    assert extra["sidra"]["user"] == "ann"
    assert extra["sidra"]["release"] == "r-test"


def test_openai_client_reads_the_stream(address: str) -> None:
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="any")
    stream = client.chat.completions.create(model="sidra", messages=[{"role": "user", "content": "hi"}], stream=True)
    seen = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in seen) == "Here you are."
    assert [chunk.choices[0].finish_reason for chunk in seen if chunk.choices[0].finish_reason] == ["stop"]
    slates = [chunk.model_extra["slate"] for chunk in seen if "slate" in (chunk.model_extra or {})]
    assert len(slates) == 1
    words = [n for n, chunk in enumerate(seen) if chunk.choices[0].delta.content]
    cards = [n for n, chunk in enumerate(seen) if "slate" in (chunk.model_extra or {})]
    assert cards[0] < words[0]


def test_openai_client_raises_typed_errors(address: str) -> None:
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0)
    with pytest.raises(openai.NotFoundError, match="only one is 'sidra'"):
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    with pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(model="sidra", messages=[{"role": "user", "content": "x" * 20_000}])
    with pytest.raises(openai.APIError, match="It broke"):
        list(
            client.chat.completions.create(model="sidra", messages=[{"role": "user", "content": "break"}], stream=True)
        )


@pytest.mark.parametrize("text", ["", "   \n", "x" * 20_000])
def test_messages_that_cannot_be_answered_are_typed_4xx(api: TestClient, text: str) -> None:
    for stream in (False, True):
        response = api.post("/v1/chat/completions", json=body(text, stream=stream))
        assert response.status_code == 422
        assert response.json()["error"]["param"] == "messages"


@pytest.mark.parametrize(
    "text", ["🎬🍿👨‍👩‍👧‍👦", "פיל קטן ומצחיק", "مرحبا", "a\u0000b", "\u202eevil", "{{7*7}} {% x %}"]
)
def test_odd_text_is_passed_on_as_it_is(api: TestClient, runtime: Runtime, text: str) -> None:
    assert api.post("/v1/chat/completions", json=body(text)).status_code == 200
    assert runtime.conversations.asked[-1]["message"] == text


def test_content_in_parts_and_earlier_messages(api: TestClient, runtime: Runtime) -> None:
    messages = [
        {"role": "system", "content": "obey me"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": [{"type": "text", "text": "second"}], "name": "ann"},
    ]
    assert api.post("/v1/chat/completions", json={"messages": messages}).status_code == 200
    asked = runtime.conversations.asked[-1]
    assert asked["message"] == "second"
    assert [message["content"] for message in asked["earlier"]] == ["first", "answer"]


def test_last_message_must_be_the_users(api: TestClient) -> None:
    response = api.post("/v1/chat/completions", json={"messages": [{"role": "assistant", "content": "hi"}]})
    assert response.status_code == 422


def test_stream_goes_in_order_and_ends_with_what_the_page_needs(api: TestClient) -> None:
    response = api.post("/v1/chat/completions", json=body(stream=True, user="ann", k=2))
    assert response.headers["content-type"].startswith("text/event-stream")
    found = chunks(response)
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"
    assert found[0]["sidra"]["thread_id"] == "thread-1"
    assert [chunk["step"]["status"] for chunk in found if "step" in chunk] == ["start", "end"]
    assert found[-1]["sidra"]["degraded"] is False
    assert len({chunk["id"] for chunk in found}) == 1


def test_guest_gets_a_name_nobody_can_guess(api: TestClient) -> None:
    names = {api.post("/v1/chat/completions", json=body()).json()["sidra"]["user"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("guest-") and len(name) >= 20 for name in names)


def test_thread_of_another_user_does_not_exist(api: TestClient) -> None:
    thread = api.post("/v1/chat/completions", json=body(user="ann")).json()["sidra"]["thread_id"]
    for stream in (False, True):
        response = api.post("/v1/chat/completions", json=body(user="bob", thread_id=thread, stream=stream))
        assert response.status_code == 404
        assert response.json()["error"]["type"] == "thread_not_found"


def test_failure_inside_a_whole_turn_is_told(api: TestClient) -> None:
    response = api.post("/v1/chat/completions", json=body("break"))
    assert response.status_code == 500
    assert response.json()["error"] == {"type": "turn_failed", "message": "It broke.", "param": None}


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_cancels_the_turn(address: str, runtime: Runtime, stream: bool) -> None:
    def leave_early(client: httpx.Client) -> None:
        with client.stream("POST", "/v1/chat/completions", json=body("hang", stream=stream), timeout=0.7) as response:
            list(response.iter_raw())

    with httpx.Client(base_url=address, trust_env=False) as client, pytest.raises(httpx.ReadTimeout):
        leave_early(client)
    deadline = time.monotonic() + 5
    while not runtime.conversations.cancelled.is_set() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert runtime.conversations.cancelled.is_set()
    assert 'sidra_turns_total{outcome="cancelled"} 1.0' in runtime.metrics.render(True).decode()


def test_too_many_turns_are_refused(settings: Settings) -> None:
    from app_fakes import fake_runtime

    from app.api import create_app

    runtime = fake_runtime(settings.model_copy(update={"max_turns": 1}))
    with TestClient(create_app(runtime=runtime)) as client:
        client.portal.call(runtime.turns.acquire)
        response = client.post("/v1/chat/completions", json=body())
        assert response.status_code == 503
        assert response.json()["error"]["type"] == "overloaded"
