"""Keys with users bound to them, and limits on how often they may ask."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from app_fakes import fake_runtime
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.api import create_app
from app.keys import KeyRing, load_keys, read_keys
from app.limits import MOST_BUCKETS, RateLimit
from app.settings import Settings, SettingsError

KEYS = {"ann": "key-of-ann", "shop": "key-of-the-shop", "family": "key-of-two"}


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.fixture
def keyed(settings: Settings, tmp_path: Path) -> Callable[..., TestClient]:
    path = tmp_path / "keys.toml"
    path.write_text(
        f"""
        [[keys]]
        name = "ann's phone"
        sha256 = "{digest(KEYS["ann"])}"
        users = ["ann"]
        [[keys]]
        sha256 = "{digest(KEYS["shop"]).upper()}"
        prefix = "shop-"
        [[keys]]
        sha256 = "{digest(KEYS["family"])}"
        users = ["cid", "dora"]
        """
    )

    def make(**more: object) -> TestClient:
        chosen = settings.model_copy(update={"api_keys_file": path, "api_key": SecretStr("the-admin-key"), **more})
        return TestClient(create_app(runtime=fake_runtime(chosen)), raise_server_exceptions=False)

    return make


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def routes(user: str, thread: str = "thread-1") -> list[tuple[str, str, object]]:
    """Every route that names a user."""
    said = {"messages": [{"role": "user", "content": "hi"}], "user": user}
    return [
        ("GET", f"/v1/users/{user}/profile", None),
        ("GET", f"/v1/users/{user}/next", None),
        ("DELETE", f"/v1/users/{user}/profile", None),
        ("PATCH", f"/v1/users/{user}/profile", {"words": "I like slow films"}),
        ("DELETE", f"/v1/users/{user}/profile/lines/y", None),
        ("GET", f"/v1/users/{user}/profile/versions", None),
        ("GET", f"/v1/users/{user}/threads", None),
        ("GET", f"/v1/threads?user={user}", None),
        ("GET", f"/v1/threads/{thread}?user={user}", None),
        ("DELETE", f"/v1/threads/{thread}?user={user}", None),
        ("GET", f"/v1/users/{user}/memory", None),
        ("POST", f"/v1/users/{user}/memory", {"words": "I am vegetarian"}),
        ("PATCH", f"/v1/users/{user}/memory/x", {"words": "I am vegetarian"}),
        ("DELETE", f"/v1/users/{user}/memory/x", None),
        ("POST", f"/v1/users/{user}/reading", {"items": ["i0"]}),
        ("GET", f"/v1/users/{user}/reading", None),
        ("DELETE", f"/v1/users/{user}/reading", None),
        ("PUT", f"/v1/users/{user}/reading/mode", {"thread_id": thread, "mode": "cool"}),
        ("POST", f"/v1/users/{user}/reading/verdict", {"item_id": "i0", "verdict": "right", "shown": "raw"}),
        ("GET", f"/v1/users/{user}/balance", None),
        ("PUT", f"/v1/users/{user}/balance", {"on": True}),
        ("DELETE", f"/v1/users/{user}/balance", None),
        ("POST", "/v1/feedback", {"user_id": user, "item_id": "i0", "value": 1}),
        ("POST", "/v1/recommend", {"user_id": user}),
        ("POST", "/v1/chat/completions", said),
        ("POST", "/v1/chat/completions", {**said, "thread_id": thread}),
        ("POST", "/v1/chat/completions", {**said, "stream": True}),
    ]


def test_every_route_that_names_a_user_is_listed_here(keyed: Callable[..., TestClient]) -> None:
    document = keyed().app.openapi()  # type: ignore[attr-defined]
    tested = {(method, path.split("?")[0]) for method, path, _ in routes("ann")}
    for path, operations in document["paths"].items():
        if "{user_id}" in path or "{thread_id}" in path:
            shown = (
                path.replace("{user_id}", "ann")
                .replace("{thread_id}", "thread-1")
                .replace("{fact_id}", "x")
                .replace("{line_id}", "y")
            )
            for method in operations:
                assert (method.upper(), shown) in tested, f"{method} {path} has no test of who may call it"


@pytest.mark.parametrize(("method", "path", "body"), routes("bob"))
def test_a_key_bound_to_another_user_is_refused(
    keyed: Callable[..., TestClient], method: str, path: str, body: object
) -> None:
    with keyed() as api:
        answer = api.request(method, path, json=body, headers=bearer(KEYS["ann"]))
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "forbidden")
        assert "bob" not in answer.text


@pytest.mark.parametrize(("method", "path", "body"), routes("ann", "thread-9"))
def test_the_right_key_and_the_admin_key_are_let_in(
    keyed: Callable[..., TestClient], method: str, path: str, body: object
) -> None:
    with keyed() as api:
        for key in (KEYS["ann"], "the-admin-key"):
            answer = api.request(method, path, json=body, headers=bearer(key))
            assert answer.status_code in {200, 201, 404}, answer.text
            if answer.status_code == 404:
                assert answer.json()["error"]["type"] in {
                    "thread_not_found",
                    "fact_not_found",
                    "line_not_found",
                    "unknown_item",
                }


def test_another_users_thread_is_not_there(keyed: Callable[..., TestClient]) -> None:
    with keyed() as api:
        said = {"messages": [{"role": "user", "content": "hi"}]}
        made = api.post("/v1/chat/completions", json={**said, "user": "bob"}, headers=bearer("the-admin-key")).json()
        thread = made["sidra"]["thread_id"]
        for method, path, body in routes("ann", thread):
            if thread in path or (isinstance(body, dict) and "thread_id" in body):
                answer = api.request(method, path, json=body, headers=bearer(KEYS["ann"]))
                assert (answer.status_code, answer.json()["error"]["type"]) == (404, "thread_not_found"), path


@pytest.mark.parametrize("key", ["", "nope", "key-of-ann ", digest(KEYS["ann"]), "é", "x" * 5000])
def test_an_unknown_key_is_refused(keyed: Callable[..., TestClient], key: str) -> None:
    with keyed() as api:
        headers = {"Authorization": f"Bearer {key}".encode()}
        answer = api.get("/v1/info", headers=headers)
        if key.strip() != "key-of-ann":
            assert (answer.status_code, answer.json()["error"]["type"]) == (401, "unauthorized")
        assert api.get("/v1/info").status_code == 401
        assert api.get("/healthz").status_code == 200


def test_a_guest_belongs_to_the_key(keyed: Callable[..., TestClient]) -> None:
    with keyed() as api:
        said = {"messages": [{"role": "user", "content": "hi"}]}

        def user_of(key: str) -> str:
            answer = api.post("/v1/chat/completions", json=said, headers=bearer(key)).json()
            return answer["sidra"]["user"]

        assert user_of("the-admin-key").startswith("guest-")
        assert user_of(KEYS["shop"]).startswith("shop-guest-")
        assert user_of(KEYS["ann"]) == "ann"
        several = api.post("/v1/chat/completions", json=said, headers=bearer(KEYS["family"]))
        assert (several.status_code, several.json()["error"]["param"]) == (422, "user")


def test_a_prefix_binds_every_user_below_it(keyed: Callable[..., TestClient]) -> None:
    with keyed() as api:
        assert api.get("/v1/users/shop-17/memory", headers=bearer(KEYS["shop"])).status_code == 200
        assert api.get("/v1/users/shopper/memory", headers=bearer(KEYS["shop"])).status_code == 403


def test_a_bound_key_can_not_change_the_catalogue(keyed: Callable[..., TestClient]) -> None:
    changes = [
        ("POST", "/v1/items", {"items": [{"id": "new", "title": "New"}]}),
        ("POST", "/v1/items/withdraw", {"items": ["i1"]}),
        ("POST", "/v1/items/restore", {"items": ["i1"]}),
        ("POST", "/v1/items/merge", None),
        ("PATCH", "/v1/items/i1", {"attributes": {"year": 1999}}),
    ]
    with keyed() as api:
        for method, path, body in changes:
            assert api.request(method, path, json=body, headers=bearer(KEYS["ann"])).status_code == 403, path
        assert api.post("/v1/items/withdraw", json={"items": ["1"]}, headers=bearer("the-admin-key")).status_code != 403


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "keys"),
        ("[[keys]]\nusers = ['a']", "sha256"),
        ("[[keys]]\nsha256 = 'abc'\nusers = ['a']", "sha256"),
        (f"[[keys]]\nsha256 = '{'0' * 64}'", "users or a prefix"),
        (f"[[keys]]\nsha256 = '{'0' * 64}'\nusers = ['a']\nkey = 'plain'", "key"),
        ("[[keys", "TOML"),
        (f"[[keys]]\nsha256 = '{'0' * 64}'\nusers = ['a']\n" * 2, "twice"),
    ],
)
def test_a_bad_keys_file_is_named_with_the_entry(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="SIDRA_API_KEYS_FILE") as caught:
        read_keys(path)
    assert word.lower() in str(caught.value).lower()


def test_a_json_file_and_a_missing_one(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [{"sha256": digest("k"), "users": ["a"]}]}))
    ring = load_keys(settings.model_copy(update={"api_keys_file": path}))
    found = ring.find("k")
    assert found is not None
    assert (found.may("a"), found.may("b"), found.trusted) == (True, False, False)
    assert "k" not in found.id.split(":")[1:]
    with pytest.raises(SettingsError, match="cannot read"):
        read_keys(tmp_path / "none.toml")
    assert len(KeyRing(None, [])) == 0


def test_a_bucket_holds_a_minute_and_refills() -> None:
    now = [100.0]
    limit = RateLimit(6, clock=lambda: now[0])
    assert [limit.take("a") for _ in range(7)] == [0, 0, 0, 0, 0, 0, 10]
    assert limit.take("b") == 0, "each name has its own"
    now[0] += 9.0
    assert limit.take("a") == 1
    now[0] += 1.0
    assert limit.take("a") == 0
    assert RateLimit(0).take("a") == 0


def test_buckets_do_not_pile_up() -> None:
    limit = RateLimit(60)
    for number in range(MOST_BUCKETS + 50):
        limit.take(str(number))
    assert len(limit._buckets) == MOST_BUCKETS


def test_too_often_is_a_429_for_the_key_and_for_the_user(keyed: Callable[..., TestClient]) -> None:
    with keyed(rate_per_minute=3) as api:
        statuses = [api.get("/v1/models", headers=bearer(KEYS["ann"])).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        refused = api.get("/v1/models", headers=bearer(KEYS["ann"]))
        assert refused.json()["error"]["type"] == "rate_limited"
        assert 1 <= int(refused.headers["Retry-After"]) <= 20
        assert api.get("/v1/models", headers=bearer(KEYS["shop"])).status_code == 200, "another key is not slowed"
        admin = [api.get("/v1/users/bob/memory", headers=bearer("the-admin-key")).status_code for _ in range(4)]
        assert admin == [200, 200, 200, 429], "the admin key is limited for each of its users"
        assert api.get("/v1/users/eve/memory", headers=bearer("the-admin-key")).status_code == 200
        assert api.get("/healthz").status_code == 200


def test_without_keys_the_address_is_limited(settings: Settings) -> None:
    limited = settings.model_copy(update={"rate_per_minute": 2})
    with TestClient(create_app(runtime=fake_runtime(limited))) as api:
        assert [api.get("/v1/models").status_code for _ in range(3)] == [200, 200, 429]


def test_the_limit_is_off_on_this_machine_only(settings: Settings) -> None:
    assert settings.rate == 0
    assert settings.model_copy(update={"host": "0.0.0.0"}).rate == 120
    assert settings.model_copy(update={"host": "0.0.0.0", "rate_per_minute": 0}).rate == 0
