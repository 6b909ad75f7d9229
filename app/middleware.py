"""What every request passes: body limit, bearer key, metrics. Plain ASGI, so that streams are never buffered."""

from __future__ import annotations

import hmac
import time
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.failures import error_response
from app.metrics import Metrics

OPEN_PATHS = ("/healthz", "/readyz", "/metrics", "/docs", "/redoc", "/openapi.json")


class BodyTooLarge(Exception):
    """More bytes arrived than the limit allows."""


class BodyLimit:
    """413 for a body over `limit` bytes, whether or not its length was announced."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the body while it is read."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > self.limit:
            await self._refuse(scope, receive, send)
            return
        seen = 0
        started = False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self.limit:
                    raise BodyTooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            # A framework that swallows BodyTooLarge would answer 400 for it; hold that back and answer 413 below.
            if seen > self.limit and not started:
                return
            started = True
            await send(message)

        with suppress(BodyTooLarge):
            await self.app(scope, counted, noted)
        if seen > self.limit and not started:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = f"the body is larger than {self.limit} bytes (setting SIDRA_BODY_BYTES)"
        await error_response(413, "too_large", message)(scope, receive, send)


class BearerKey:
    """401 for a `/v1` route without the right key."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self.app = app
        self.key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compare in constant time."""
        if scope["type"] != "http" or scope["path"].startswith(OPEN_PATHS):
            await self.app(scope, receive, send)
            return
        kind, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and hmac.compare_digest(given.encode(), self.key):
            await self.app(scope, receive, send)
            return
        message = "this API wants `Authorization: Bearer <key>` with the key of SIDRA_API_KEY"
        await error_response(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})(scope, receive, send)


class Measure:
    """Counts requests and their time by route template, so that labels stay few whatever is asked for."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Time until the first byte goes out; a stream's own times are measured by the chat route."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                route = getattr(scope.get("route"), "path", "unmatched")
                self.metrics.request(scope["method"], route, status, time.perf_counter() - begun)
            await send(message)

        await self.app(scope, receive, noted)
