"""A real local server that plays an OpenAI-compatible one, with its faults."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from agents.llm import guard


@pytest.fixture(autouse=True)
def no_real_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "ALLOW_MODEL_REQUESTS", False)


@dataclass
class FakeServer:
    """Plays `plan` one entry a request; the last entry goes on for ever.

    Entries: ok, 429, 429-soon (Retry-After 0.05), 500, 401, slow (sleeps `pause_s`), cut (closes in the middle),
    bad-json, wrong-schema, refusal, no-choice, garbage (stream events that are no JSON), endless (streams without end).
    """

    plan: list[str] = field(default_factory=lambda: ["ok"])
    pause_s: float = 5.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def next_mode(self) -> str:
        return self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]


class _Handler(BaseHTTPRequestHandler):
    fake: FakeServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.fake.requests.append(body)
        self.fake.headers.append(dict(self.headers))
        mode = self.fake.next_mode()
        if mode == "slow":
            time.sleep(self.fake.pause_s)
        try:
            if mode in {"429", "429-soon", "500", "401"}:
                self._error(int(mode[:3]), {"Retry-After": "0.05"} if mode == "429-soon" else {})
            elif body.get("stream"):
                self._stream(mode)
            else:
                self._answer(mode)
        except (BrokenPipeError, ConnectionResetError):
            self.fake.hung_up.set()
            self.close_connection = True

    def _error(self, status: int, headers: dict[str, str]) -> None:
        self._send(status, json.dumps({"error": {"message": "no", "type": "test"}}).encode(), headers)

    def _answer(self, mode: str) -> None:
        content = {"bad-json": '{"word": "ye', "wrong-schema": '{"number": 1}'}.get(mode, '{"word": "yes"}')
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        if mode == "refusal":
            choice["finish_reason"] = "content_filter"
        answer = {
            "id": "x", "object": "chat.completion", "created": 1, "model": "fake",
            "choices": [] if mode == "no-choice" else [choice],
            "usage": {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42},
        }  # fmt: skip
        self._send(200, json.dumps(answer).encode(), {})

    def _send(self, status: int, payload: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(payload))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(payload)

    def _stream(self, mode: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        words = ["yes ", "it ", "does"]
        if mode == "garbage":
            self._chunk(b"data: {not json\n\n")
        for number, word in enumerate(words * 10_000 if mode == "endless" else words):
            self._event({"delta": {"content": word}, "index": 0, "finish_reason": None})
            if mode == "cut" and number == 1:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            if mode == "endless":
                time.sleep(0.01)
        if mode != "cut-clean":
            self._event({"delta": {}, "index": 0, "finish_reason": "stop"})
            usage = {"prompt_tokens": 40, "completion_tokens": 3, "total_tokens": 43}
            self._chunk(b"data: " + json.dumps(self._head([], usage)).encode() + b"\n\n")
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, choice: dict[str, Any]) -> None:
        self._chunk(b"data: " + json.dumps(self._head([choice], None)).encode() + b"\n\n")

    def _head(self, choices: list[Any], usage: Any) -> dict[str, Any]:
        return {
            "id": "x",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "fake",
            "choices": choices,
            "usage": usage,
        }

    def _chunk(self, payload: bytes) -> None:
        self.wfile.write(f"{len(payload):x}\r\n".encode() + payload + b"\r\n")
        self.wfile.flush()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    handler = type("Handler", (_Handler,), {"fake": fake})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    fake.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield fake
    http.shutdown()
    http.server_close()
