"""What is remembered, over HTTP: added and changed by words, shown with its source, deleted for good."""

from __future__ import annotations

from fastapi.testclient import TestClient

from app.client import SidraClient
from app.runtime import Runtime


def words_of(api: TestClient, user: str = "ann") -> list[str]:
    return [fact["sentence"] for fact in api.get(f"/v1/users/{user}/memory").json()]


def a_genre(runtime: Runtime) -> str:
    return runtime.conversations.view().understanding.catalogue.fields["genre"].values[0]


def test_a_fact_comes_and_goes(api: TestClient, runtime: Runtime) -> None:
    genre = a_genre(runtime)
    made = api.post("/v1/users/ann/memory", json={"words": f"I never watch {genre}"})
    assert made.status_code == 201
    (fact,) = made.json()
    assert fact["sentence"] == f"no {genre}"
    assert (fact["said"], fact["thread_id"], fact["turn"]) == (f"I never watch {genre}", "", 0)
    assert (fact["effect"], fact["field"], fact["ruled_out"], fact["firm"]) == (True, "genre", True, True)
    assert words_of(api) == [f"no {genre}"]
    assert words_of(api, "bob") == []
    edited = api.patch(f"/v1/users/ann/memory/{fact['id']}", json={"words": f"I love {genre}"})
    assert (edited.json()["sentence"], edited.json()["firm"]) == (f"you like {genre}", False)
    assert api.delete(f"/v1/users/bob/memory/{fact['id']}").status_code == 404
    assert api.delete(f"/v1/users/ann/memory/{fact['id']}").json() == {"id": fact["id"], "deleted": True}
    assert words_of(api) == []
    assert api.delete(f"/v1/users/ann/memory/{fact['id']}").json()["error"]["type"] == "fact_not_found"


def test_words_that_link_to_nothing_are_a_note(api: TestClient) -> None:
    (fact,) = api.post("/v1/users/ann/memory", json={"words": "I am vegetarian"}).json()
    assert (fact["effect"], fact["field"], fact["sentence"]) == (False, "", "I am vegetarian")


def test_bad_words_are_typed_errors(api: TestClient) -> None:
    assert api.post("/v1/users/ann/memory", json={"words": ""}).status_code == 422
    assert api.post("/v1/users/ann/memory", json={"words": "x" * 301}).status_code == 422
    assert api.post("/v1/users/ann/memory", json={"words": "\u200b\u200b"}).status_code == 422
    assert api.post("/v1/users/ann/memory", json={"wish": {"field": "genre"}}).status_code == 422
    assert words_of(api) == []


def test_forgetting_a_user_forgets_their_memory(api: TestClient) -> None:
    api.post("/v1/users/ann/memory", json={"words": "I am vegetarian"})
    answer = api.delete("/v1/users/ann/profile").json()
    assert "memory" in answer["forgotten"]
    assert "vectors: none are kept of users" in answer["note"]
    assert words_of(api) == []


def test_the_client_speaks_it(address: str, runtime: Runtime) -> None:
    with SidraClient(address) as client:
        (fact,) = client.remember("ann", f"no {a_genre(runtime)}")
        assert client.memory("ann") == [fact]
        assert client.edit_fact("ann", fact["id"], f"I love {a_genre(runtime)}")["firm"] is False
        client.delete_fact("ann", fact["id"])
        assert client.memory("ann") == []
