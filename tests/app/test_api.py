"""The routes, with a recommender and conversations that have no model in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from app_fakes import fake_runtime
from fastapi.testclient import TestClient

from app.api import create_app
from app.runtime import Runtime
from app.settings import Settings
from recsys_core.errors import RequestError


def error(response: Any) -> dict[str, Any]:
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"type", "message", "param"}
    return body["error"]


def test_alive_ready_and_metrics(api: TestClient) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    ready = api.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["stages"]["language_model"]["state"] == "off"
    text = api.get("/metrics").text
    assert "sidra_ready 1.0" in text
    assert 'route="/readyz"' in text


def test_metrics_never_hold_a_path_that_was_asked_for(api: TestClient) -> None:
    for word in ("secret-one", "secret-two"):
        assert api.get(f"/v1/items/{word}").status_code == 404
        assert api.get(f"/{word}").status_code == 404
        assert api.get(f"/v1/users/{word}/profile").status_code == 200
    text = api.get("/metrics").text
    assert "secret" not in text
    assert 'route="unmatched"' in text


def test_not_ready_says_what_is_missing(settings: Settings) -> None:
    runtime = Runtime(settings)
    with TestClient(create_app(runtime=runtime), raise_server_exceptions=False) as client:
        client.portal.call(runtime.wait)
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "sidra build" in ready.json()["message"]
        refused = client.post("/v1/recommend", json={})
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        assert "sidra build" in error(refused)["message"]
        assert client.get("/healthz").status_code == 200


def test_recommend_uses_history_and_says_when_there_is_none(api: TestClient, runtime: Runtime) -> None:
    user = runtime.recommender.log.users[0]
    body = api.post("/v1/recommend", json={"user_id": user, "k": 4}).json()
    assert len(body["items"]) == 4
    assert all(item["title"] for item in body["items"])
    assert not body["cold_start"]
    assert not {item["item_id"] for item in body["items"]} & set(runtime.recommender.history(user) or [])
    stranger = api.post("/v1/recommend", json={"user_id": "nobody", "k": 2}).json()
    assert stranger["cold_start"]
    assert "cold start" in " ".join(stranger["notes"])


def test_how_a_list_was_searched_is_told_and_counted(api: TestClient, runtime: Runtime, monkeypatch: Any) -> None:
    plain = runtime.recommender.recommend

    def narrowed(requests: Any, model: str = "sidra") -> Any:
        return [r.model_copy(update={"beam": 7, "batch": 3, "notes": ["narrowed"]}) for r in plain(requests, model)]

    monkeypatch.setattr(runtime.recommender, "recommend", narrowed)
    body = api.post("/v1/recommend", json={"beam": 30}).json()
    assert (body["beam"], body["batch"], body["expanded"], body["notes"]) == (7, 3, None, ["narrowed"])
    text = api.get("/metrics").text
    assert "sidra_beams_narrowed_total 1.0" in text
    assert 'sidra_beam_width_bucket{le="10.0"} 1.0' in text
    assert 'sidra_recommend_batch_bucket{le="2.0"} 0.0' in text


def test_exact_is_asked_for_by_a_field_and_refused_by_its_name(
    api: TestClient, runtime: Runtime, monkeypatch: Any
) -> None:
    assert api.post("/v1/recommend", json={"search": "exact", "k": 2}).status_code == 200
    assert runtime.recommender.asked[-1].search == "exact"  # type: ignore[attr-defined]
    assert "search" in error(api.post("/v1/recommend", json={"search": "wide"}))["message"]

    def refuse(requests: Any, model: str = "sidra") -> Any:
        raise RequestError("search: this generator has none")

    monkeypatch.setattr(runtime.recommender, "recommend", refuse)
    refused = api.post("/v1/recommend", json={"search": "exact"})
    assert refused.status_code == 422
    assert error(refused)["message"].startswith("search:")


def test_thumbs_change_the_next_list(api: TestClient) -> None:
    first = api.post("/v1/recommend", json={"user_id": "ann", "k": 3}).json()["items"]
    gone = first[0]["item_id"]
    assert api.post("/v1/feedback", json={"user_id": "ann", "item_id": gone, "value": -1}).status_code == 200
    after = api.post("/v1/recommend", json={"user_id": "ann", "k": 3}).json()
    assert gone not in [item["item_id"] for item in after["items"]]
    ignored = api.post("/v1/recommend", json={"user_id": "ann", "k": 3, "use_feedback": False}).json()
    assert ignored["items"][0]["item_id"] == gone
    api.post("/v1/feedback", json={"user_id": "ann", "item_id": gone, "value": 0})
    assert api.post("/v1/recommend", json={"user_id": "ann", "k": 3}).json()["items"][0]["item_id"] == gone


def test_a_wrong_field_names_the_allowed_ones(api: TestClient, runtime: Runtime) -> None:
    rule = {"all_of": [{"field": "colour", "op": "eq", "value": "red"}]}
    chat = {"messages": [{"role": "user", "content": "hi"}], "filter": rule}
    for path, body in (("/v1/recommend", {"filter": rule}), ("/v1/chat/completions", chat | {"stream": True})):
        response = api.post(path, json=body)
        assert response.status_code == 422
        told = error(response)
        assert told["type"] == "invalid_filter"
        assert all(name in told["message"] for name in runtime.recommender.catalogue.fields)


def test_unknown_items(api: TestClient) -> None:
    assert error(api.get("/v1/items/zzz"))["type"] == "unknown_item"
    assert api.get("/v1/items/zzz").status_code == 404
    assert api.post("/v1/feedback", json={"user_id": "a", "item_id": "zzz", "value": 1}).status_code == 404
    response = api.post("/v1/recommend", json={"exclude": ["zzz"]})
    assert response.status_code == 422
    assert error(response)["type"] == "unknown_item"


def test_search_and_item(api: TestClient, runtime: Runtime) -> None:
    found = api.get("/v1/items/search", params={"q": "drama", "k": 3}).json()
    assert len(found) == 3
    one = api.get(f"/v1/items/{found[0]['id']}").json()
    assert one["title"] == found[0]["title"]
    assert api.get("/v1/items/search", params={"q": "  "}).status_code == 422
    assert error(api.get("/v1/items/search", params={"q": "x", "k": 0}))["param"] == "k"


def test_profile_is_readable_and_right(api: TestClient, runtime: Runtime) -> None:
    user = max(runtime.recommender.log.users, key=lambda user: len(runtime.recommender.history(user) or []))
    profile = api.get(f"/v1/users/{user}/profile").json()
    history = runtime.recommender.history(user) or []
    assert profile["known"]
    assert profile["interactions"] == len(history)
    year = next(fact for fact in profile["facts"] if fact["field"] == "year")
    decades = [runtime.recommender.catalogue.get(item).attributes["year"] // 10 * 10 for item in history]
    top = year["values"][0]
    assert top["share"] == pytest.approx(decades.count(int(top["value"][:-1])) / len(decades), abs=1e-3)
    assert top["value"] in profile["text"]
    assert [item["item_id"] for item in profile["recent"]] == list(dict.fromkeys(history[::-1]))[:50]
    assert all(item["title"] and item["why"] for item in profile["recent"])
    stranger = api.get("/v1/users/nobody/profile").json()
    assert not stranger["known"]
    assert stranger["facts"] == []


def test_info_lists_fields_and_hides_secrets(settings: Settings) -> None:
    settings = settings.model_copy(update={"llm_api_key": "hush-hush"})
    with TestClient(create_app(runtime=fake_runtime(settings))) as client:
        info = client.get("/v1/info")
        assert {field["name"] for field in info.json()["fields"]} >= {"genre", "year"}
        assert info.json()["llm"]["state"] == "off"
        assert "hush" not in info.text


def test_key_is_wanted_where_one_is_set(settings: Settings) -> None:
    guarded = Settings(home=settings.home, llm="none", api_key="s3cret", _env_file=None)  # type: ignore[call-arg]
    assert "s3cret" not in repr(guarded)
    with TestClient(create_app(runtime=fake_runtime(guarded))) as client:
        assert client.get("/healthz").status_code == 200
        refused = client.get("/v1/info")
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert error(refused)["type"] == "unauthorized"
        assert client.get("/v1/info", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/v1/info", headers={"Authorization": "Bearer s3cret"}).status_code == 200


def test_body_limit_announced_and_not(api: TestClient, settings: Settings) -> None:
    big = b'{"instruction": "' + b"x" * settings.body_bytes + b'"}'
    assert error(api.post("/v1/recommend", content=big))["type"] == "too_large"
    pieces = (big[at : at + 65536] for at in range(0, len(big), 65536))
    response = api.post("/v1/recommend", content=pieces)
    assert response.status_code == 413
    assert error(response)["type"] == "too_large"


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (b"", 422, "invalid_request"),
        (b"{", 400, "invalid_json"),
        (b"\xff\xfe", 400, None),
        (b"[" * 100_000, 400, None),
        (b"[]", 422, "invalid_request"),
        (b'{"nonsense": 1}', 422, "invalid_request"),
        (b'{"k": 1e999}', 422, "invalid_request"),
        (b'{"k": ' + b"9" * 5000 + b"}", 400, None),
        (b'{"instruction": "\\ud800"}', 422, "invalid_request"),
        (b'{"\\ud800": 1}', 422, "invalid_request"),
        (b'{"user_id": "a\\u0000b"}', 422, "invalid_request"),
        (b'{"k": 101}', 422, "invalid_request"),
    ],
)
def test_bad_bodies_are_typed_4xx(api: TestClient, content: bytes, status: int, kind: str | None) -> None:
    response = api.post("/v1/recommend", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == status, response.text
    told = error(response)
    if kind is not None:
        assert told["type"] == kind


def test_unknown_route_and_method(api: TestClient) -> None:
    assert error(api.get("/v2/none"))["type"] == "not_found"
    assert error(api.put("/v1/recommend"))["type"] == "method_not_allowed"


def test_openapi_document_lists_every_route(api: TestClient) -> None:
    paths = json.loads(api.get("/openapi.json").text)["paths"]
    assert {
        "/v1/recommend",
        "/v1/chat/completions",
        "/v1/items/search",
        "/v1/feedback",
        "/v1/users/{user_id}/profile",
        "/v1/threads/{thread_id}",
        "/v1/models",
        "/v1/info",
        "/healthz",
        "/readyz",
        "/metrics",
    } <= set(paths)
    assert api.get("/docs").status_code == 200
