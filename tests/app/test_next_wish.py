"""Suggestions over HTTP and on the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

from app.failures import NotReady
from app.runtime import Runtime


def test_three_requests_that_can_be_said(api: TestClient, runtime: Runtime) -> None:
    user = runtime.recommender.log.users[0]
    found = api.get(f"/v1/users/{user}/next").json()
    assert 1 <= len(found["chips"]) <= 3
    assert found["moved"]
    assert not found["pending"]
    assert not found["degraded"]
    for chip in found["chips"]:
        assert chip["text"]
        assert chip["wishes"]
        assert 0 < chip["share"] <= 0.25
    again = api.get(f"/v1/users/{user}/next").json()
    assert not again["moved"]
    assert again["chips"] == found["chips"]


def test_what_was_ruled_out_for_good_is_not_suggested(api: TestClient, runtime: Runtime) -> None:
    user = runtime.recommender.log.users[1]
    kinds = [c["wishes"][0] for c in api.get(f"/v1/users/{user}/next").json()["chips"] if c["wishes"][0]["values"]]
    barred = kinds[0]["values"][0]
    added = api.post(f"/v1/users/{user}/memory", json={"words": f"I never watch {barred}"})
    assert added.status_code == 201, added.text
    chips = api.get(f"/v1/users/{user}/next").json()["chips"]
    assert chips
    assert not any(barred in wish["values"] for chip in chips for wish in chip["wishes"])


def test_forgetting_a_user_forgets_the_look_at_them(api: TestClient, runtime: Runtime) -> None:
    api.get("/v1/users/guest/next")
    assert api.get("/v1/users/guest/next").json()["shift"] is not None
    api.delete("/v1/users/guest/profile")
    assert api.get("/v1/users/guest/next").json()["shift"] is None


def test_a_click_sends_the_suggestion(page: Callable[..., AppTest], runtime: Runtime) -> None:
    shown = page()
    shown.chat_input[0].set_value("anything").run()
    chips = [button for button in shown.button if button.key and button.key.startswith("chip-next-wish-")]
    assert 1 <= len(chips) <= 3
    text = chips[0].label
    chips[0].click().run()
    assert runtime.conversations.asked[-1]["message"] == text  # type: ignore[attr-defined]


def test_a_page_without_suggestions_is_whole(
    page: Callable[..., AppTest], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_now(user_id: str, *rest: object) -> None:
        raise NotReady("not now")

    monkeypatch.setattr(runtime.next_wishes, "suggest", not_now)
    shown = page()
    shown.chat_input[0].set_value("anything").run()
    assert not shown.exception
    assert not [button for button in shown.button if button.key and button.key.startswith("chip-next-wish-")]
