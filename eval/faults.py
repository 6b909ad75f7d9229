"""A language model that fails on demand: an OpenAI-compatible endpoint on this machine, for scripts with a ``fault``.

Faults happen on the wire, so everything between it and the answer is tried: client, retries, budget, checks.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eval.script import Fault

MODEL = "faulty"
"""Name of the model that the endpoint serves."""
LONGEST_S = 60.0
"""How long a slow or looping answer goes on at most; a turn has given up long before."""
FINE = "These should suit you well."
"""What it writes when it is asked for text and nothing is wrong."""


class FaultyEndpoint:
    """Answers chat requests well, or as badly as :attr:`fault` says; use `with`."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        """What is wrong from now on; None for nothing."""
        self.calls = 0
        """Requests received so far."""
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    @property
    def settings(self) -> dict[str, str]:
        """Settings of an API that asks this endpoint."""
        return {
            "llm": "openai",
            "llm_base_url": f"http://127.0.0.1:{self._server.server_address[1]}/v1",
            "llm_model": MODEL,
        }

    def __enter__(self) -> FaultyEndpoint:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def failing(self, fault: Fault | None) -> Iterator[None]:
        """Fail so for as long as this is open."""
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing on standard error."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
                endpoint.calls += 1
                try:
                    endpoint._answer(self, bool(body.get("stream")), endpoint.fault)
                except OSError:
                    self.close_connection = True  # the caller has had enough

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler, stream: bool, fault: Fault | None) -> None:
        request.close_connection = fault is not None
        if fault == "down":
            request.connection.close()
            return
        if fault == "slow":
            self._closing.wait(LONGEST_S)
            return
        if stream:
            self._stream(request, fault)
        else:
            self._whole(request, fault)

    def _whole(self, request: BaseHTTPRequestHandler, fault: Fault | None) -> None:
        texts = {
            "malformed": '{"act": recommend, "want": ["<script>',
            "truncated": '{"act": "recommend", "wa',
            "looping": '{"act": "recommend", "want": [' + '"Comedy", ' * 2000,
        }
        text = texts.get(fault or "", '{"act": "recommend"}')
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        payload = json.dumps(
            {"id": "c", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice]}
        ).encode()
        request.send_response(200)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(payload)))
        request.end_headers()
        request.wfile.write(payload)

    def _stream(self, request: BaseHTTPRequestHandler, fault: Fault | None) -> None:
        request.close_connection = True
        request.send_response(200)
        request.send_header("content-type", "text/event-stream")
        request.send_header("connection", "close")
        request.end_headers()

        def send(text: str, finish: str | None = None) -> None:
            choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
            chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [choice]}
            request.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            request.wfile.flush()

        if fault == "malformed":
            send("<|im_start|><script>alert(1)</script> ")
            request.wfile.write(b"data: {not json\n\n")
        elif fault == "truncated":
            send("These are ")
        elif fault == "looping":
            until = time.monotonic() + LONGEST_S
            while time.monotonic() < until and not self._closing.wait(0.02):
                send("very ")
        else:
            send(FINE)
            send("", "stop")
            request.wfile.write(b"data: [DONE]\n\n")
