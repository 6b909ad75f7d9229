"""A small client of the HTTP API. The page, the terminal chat and the evaluation all come through here.

Knows the wire format and nothing of the rooms behind the API.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

Json = dict[str, Any]
_QUICK = httpx.Timeout(10.0, connect=3.0)
_CHANGE = httpx.Timeout(120.0, connect=3.0)
_TURN = httpx.Timeout(90.0, connect=3.0)


class ClientError(Exception):
    """The API refused or failed.

    Args:
        status: HTTP status; 0 when there was no answer.
        kind: the error's `type`.
        message: one sentence for people.
        param: the field that is to blame.
    """

    def __init__(self, status: int, kind: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.param = param


class Unreachable(ClientError):
    """Nobody answers at the address, or the connection broke."""

    def __init__(self, base_url: str, why: str) -> None:
        super().__init__(
            0, "unreachable", f"the API at {base_url} does not answer ({why}); start it with `sidra serve`"
        )


class NotReadyYet(ClientError):
    """The API is up and still loading."""


class SidraClient:
    """Talks to one API.

    Args:
        base_url: address without `/v1`.
        api_key: sent as a bearer key when given.
        transport: another way to reach the app, for tests.
    """

    def __init__(
        self, base_url: str, api_key: str | None = None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # The API is often on this machine; a proxy of the environment would only be in the way of a loopback address.
        local = httpx.URL(self.base_url).host in {"127.0.0.1", "localhost", "::1"}
        self._http = httpx.Client(
            base_url=self.base_url, headers=headers, timeout=_QUICK, transport=transport, trust_env=not local
        )

    def __enter__(self) -> SidraClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    # --- what is there ---

    def alive(self) -> bool:
        """Does the process answer at all."""
        try:
            return self._http.get("/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    def ready(self) -> Json:
        """`{"ready", "message", "stages"}`, also while it isn't ready.

        Raises:
            Unreachable: nobody answers.
        """
        response = self._send("GET", "/readyz")
        if response.status_code not in {200, 503}:
            raise _failure(response)
        body: Json = response.json()
        return body

    def info(self) -> Json:
        """Release, fields, language model, limits."""
        return self._json("GET", "/v1/info")

    def models(self) -> list[str]:
        """Names of the chat models."""
        return [model["id"] for model in self._json("GET", "/v1/models")["data"]]

    # --- recommending ---

    def recommend(self, **body: Any) -> Json:
        """`POST /v1/recommend`; keywords are the body's fields, those that are None are left out."""
        return self._json(
            "POST", "/v1/recommend", json={name: value for name, value in body.items() if value is not None}
        )

    def search(self, query: str, k: int = 10) -> list[Json]:
        """Items nearest in meaning."""
        found: list[Json] = self._json("GET", "/v1/items/search", params={"q": query, "k": k})  # type: ignore[assignment]
        return found

    def item(self, item_id: str) -> Json:
        """One item."""
        return self._json("GET", f"/v1/items/{_path(item_id)}")

    # --- changing the catalogue ---

    def withdraw(self, items: Sequence[str]) -> Json:
        """Show items no more."""
        return self._change("POST", "/v1/items/withdraw", {"items": list(items)})

    def restore(self, items: Sequence[str]) -> Json:
        """Show withdrawn items again."""
        return self._change("POST", "/v1/items/restore", {"items": list(items)})

    def retag(self, item_id: str, attributes: Json) -> Json:
        """Change facts of an item; None takes a value away."""
        return self._change("PATCH", f"/v1/items/{_path(item_id)}", {"attributes": attributes})

    def add_items(self, items: Sequence[Json]) -> Json:
        """Add items."""
        return self._change("POST", "/v1/items", {"items": list(items)})

    def changes(self) -> Json:
        """The last change, and what is withdrawn or not merged yet."""
        return self._json("GET", "/v1/items/changes")

    def merge_changes(self) -> Json:
        """Begin to merge new and re-tagged items into a new release."""
        return self._change("POST", "/v1/items/merge", {})

    def _change(self, method: str, path: str, body: Json) -> Json:
        return self._json(method, path, json=body, timeout=_CHANGE)

    # --- tuning ---

    def tuning(self) -> Json:
        """What is in force, studies with their trials, promotions and roll-backs."""
        return self._json("GET", "/v1/tuning")

    def start_tuning(self, **body: Any) -> Json:
        """Begin a study: `trials`, `seconds`, `floor`, `llm`, `seed`."""
        return self._change("POST", "/v1/tuning", body)

    def stop_tuning(self) -> Json:
        """Stop the study that is at work."""
        return self._json("DELETE", "/v1/tuning/running", timeout=_CHANGE)

    def decide_tuning(self, study: str, *, approve: bool) -> Json:
        """Serve what a study proposes, or drop it."""
        return self._change("POST", f"/v1/tuning/{_path(study)}/decision", {"approve": approve})

    def roll_back_tuning(self) -> Json:
        """Serve by the plan before the last promotion."""
        return self._change("POST", "/v1/tuning/rollback", {})

    # --- users ---

    def feedback(self, user_id: str, item_id: str, value: int, thread_id: str | None = None) -> Json:
        """A thumb: -1, 1, or 0 to take it back."""
        body = {"user_id": user_id, "item_id": item_id, "value": value, "thread_id": thread_id}
        return self._json("POST", "/v1/feedback", json=body)

    def profile(self, user_id: str) -> Json:
        """Readable facts about a user, and the written profile (`written`)."""
        return self._json("GET", f"/v1/users/{_path(user_id)}/profile")

    def change_profile(
        self,
        user_id: str,
        *,
        line: str | None = None,
        words: str | None = None,
        pinned: bool | None = None,
        refresh: bool = False,
    ) -> Json:
        """Change, add or pin a line of a user's profile, or have it written anew; the version that holds then."""
        body: Json = {"line": line, "words": words, "pinned": pinned, "refresh": refresh}
        # writing anew may wait for a language model
        more = {"timeout": _CHANGE} if refresh else {}
        return self._json("PATCH", f"/v1/users/{_path(user_id)}/profile", json=body, **more)

    def delete_profile_line(self, user_id: str, line: str) -> Json:
        """Delete a line of a user's profile for good."""
        return self._json("DELETE", f"/v1/users/{_path(user_id)}/profile/lines/{_path(line)}")

    def profile_versions(self, user_id: str) -> list[Json]:
        """Versions of a user's profile, newest first."""
        found: list[Json] = self._json("GET", f"/v1/users/{_path(user_id)}/profile/versions")  # type: ignore[assignment]
        return found

    def next_wishes(self, user_id: str) -> Json:
        """Up to three requests that a user is likely to make next."""
        return self._json("GET", f"/v1/users/{_path(user_id)}/next")

    def memory(self, user_id: str) -> list[Json]:
        """What is remembered of a user for good, oldest first."""
        found: list[Json] = self._json("GET", f"/v1/users/{_path(user_id)}/memory")  # type: ignore[assignment]
        return found

    def remember(self, user_id: str, words: str) -> list[Json]:
        """Remember what some words say; the facts they stand for."""
        path = f"/v1/users/{_path(user_id)}/memory"
        kept: list[Json] = self._json("POST", path, json={"words": words})  # type: ignore[assignment]
        return kept

    def edit_fact(self, user_id: str, fact_id: str, words: str) -> Json:
        """Put what some words say in a fact's place."""
        return self._json("PATCH", f"/v1/users/{_path(user_id)}/memory/{_path(fact_id)}", json={"words": words})

    def delete_fact(self, user_id: str, fact_id: str) -> Json:
        """Delete a fact for good."""
        return self._json("DELETE", f"/v1/users/{_path(user_id)}/memory/{_path(fact_id)}")

    def forget(self, user_id: str) -> Json:
        """Forget threads, checkpoints, memory and thumbs of a user."""
        return self._json("DELETE", f"/v1/users/{_path(user_id)}/profile")

    # --- reading ---

    def read(self, user_id: str, items: Sequence[str], **more: Any) -> Json:
        """Items' texts in the modes that hold; keywords: thread_id, mode, opened."""
        body = _given(items=list(items), **more)
        return self._json("POST", f"/v1/users/{_path(user_id)}/reading", json=body, timeout=_CHANGE)

    def choose_mode(self, user_id: str, thread_id: str, mode: str | None, item_id: str | None = None) -> Json:
        """Choose how texts are shown in a conversation or on one card; None takes the choice back."""
        body = {"thread_id": thread_id, "item_id": item_id, "mode": mode}
        return self._json("PUT", f"/v1/users/{_path(user_id)}/reading/mode", json=body)

    def judge(self, user_id: str, item_id: str, verdict: str, shown: str) -> Json:
        """Say of a text that was read: too_loud, right or too_tame."""
        body = {"item_id": item_id, "verdict": verdict, "shown": shown}
        return self._json("POST", f"/v1/users/{_path(user_id)}/reading/verdict", json=body, timeout=_CHANGE)

    def guide(self, user_id: str, thread_id: str | None = None) -> Json:
        """What the guide has learned of a user, and the mode that holds in a conversation."""
        path, params = f"/v1/users/{_path(user_id)}/reading", _given(thread_id=thread_id)
        return self._json("GET", path, params=params, timeout=_CHANGE)

    def unlearn(self, user_id: str) -> Json:
        """Forget what the guide has learned of a user."""
        return self._json("DELETE", f"/v1/users/{_path(user_id)}/reading")

    def balance(self, user_id: str) -> Json:
        """What a user read, week by week."""
        return self._json("GET", f"/v1/users/{_path(user_id)}/balance")

    def switch_balance(self, user_id: str, on: bool) -> Json:
        """Switch a user's diary on, or off and empty it."""
        return self._json("PUT", f"/v1/users/{_path(user_id)}/balance", json={"on": on})

    def clear_balance(self, user_id: str) -> Json:
        """Delete what a user's diary holds."""
        return self._json("DELETE", f"/v1/users/{_path(user_id)}/balance")

    def calm(self, texts: Sequence[str], mode: str = "balanced", **more: Any) -> Json:
        """Texts in calmer words; keywords: related, rewriter, user."""
        return self._json("POST", "/v1/calm", json=_given(texts=list(texts), mode=mode, **more), timeout=_TURN)

    # --- conversations ---

    def threads(self, user_id: str) -> list[Json]:
        """A user's conversations, last used first."""
        found: list[Json] = self._json("GET", f"/v1/users/{_path(user_id)}/threads")  # type: ignore[assignment]
        return found

    def thread(self, thread_id: str, user_id: str) -> Json:
        """The messages of a conversation."""
        return self._json("GET", f"/v1/threads/{_path(thread_id)}", params={"user": user_id})

    def delete_thread(self, thread_id: str, user_id: str) -> Json:
        """Delete a conversation."""
        return self._json("DELETE", f"/v1/threads/{_path(thread_id)}", params={"user": user_id})

    def chat(
        self,
        message: str,
        *,
        user: str | None = None,
        thread_id: str | None = None,
        filter: Json | None = None,
        k: int = 5,
        earlier: Sequence[Json] = (),
        reading: str | None = None,
        beats: bool = False,
    ) -> Generator[Json, None, None]:
        """One turn, event by event; stop iterating (or `close()` the iterator) to cancel it.

        Yields:
            Objects with `type`: `start` (user, thread_id, turn, release), `step` (node, status, ms, detail), `slate`
            (cards, final, note), `calm` (readings), `token` (text), last `end` (text, cards, degraded, ...) or `error`
            (code, message).
            With `beats` also a `wait` for every second of silence.

        Raises:
            ClientError: the turn was refused before it began.
            Unreachable: the connection failed or broke.
        """
        body: Json = {
            "model": "sidra",
            "stream": True,
            "k": k,
            "messages": [*earlier, {"role": "user", "content": message}],
        }
        body |= _given(user=user, thread_id=thread_id, filter=filter, reading=reading)
        text: list[str] = []
        cards: list[Json] = []
        try:
            with self._http.stream("POST", "/v1/chat/completions", json=body, timeout=_TURN) as response:
                if response.status_code != 200:
                    response.read()
                    raise _failure(response)
                for line in response.iter_lines():
                    if not line.startswith("data: "):
                        if beats and line.startswith(":"):
                            yield {"type": "wait"}
                        continue
                    if line == "data: [DONE]":
                        return
                    for event in _events(json.loads(line[6:])):
                        if event["type"] == "token":
                            text.append(event["text"])
                        elif event["type"] == "slate":
                            cards = event["cards"]
                        elif event["type"] == "end":
                            event |= {"text": "".join(text), "cards": cards}
                        yield event
        except httpx.HTTPError as error:
            raise Unreachable(self.base_url, _why(error)) from error

    # --- plumbing ---

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise Unreachable(self.base_url, _why(error)) from error

    def _json(self, method: str, path: str, **options: Any) -> Json:
        response = self._send(method, path, **options)
        if not response.is_success:
            raise _failure(response)
        body: Json = response.json()
        return body


def _given(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _events(chunk: Json) -> Iterator[Json]:
    if "error" in chunk:
        yield {"type": "error", "code": chunk["error"]["type"], "message": chunk["error"]["message"]}
        return
    choice = chunk["choices"][0]
    if "step" in chunk:
        yield {"type": "step", **chunk["step"]}
    if "slate" in chunk:
        yield {
            "type": "slate",
            "cards": chunk["slate"],
            "final": chunk.get("slate_final", True),
            "note": chunk.get("slate_note", ""),
        }
    if "calm" in chunk:
        yield {"type": "calm", "readings": chunk["calm"]}
    if choice["delta"].get("content"):
        yield {"type": "token", "text": choice["delta"]["content"]}
    if "sidra" in chunk:
        yield {"type": "end" if choice["finish_reason"] else "start", **chunk["sidra"]}


def _failure(response: httpx.Response) -> ClientError:
    try:
        error = response.json()["error"]
        kind, message, param = error["type"], error["message"], error.get("param")
    except (ValueError, KeyError, TypeError):
        kind, message, param = "http_error", f"the API answered {response.status_code}", None
    made = NotReadyYet if response.status_code == 503 else ClientError
    return made(response.status_code, kind, message, param)


def _path(part: str) -> str:
    return quote(part, safe="")


def _why(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.ConnectError):
        return "connection refused"
    if isinstance(error, httpx.TimeoutException):
        return "timed out"
    return type(error).__name__
