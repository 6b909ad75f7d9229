"""What every request passes: body limit, key, rate limit, metrics. Plain ASGI, so that streams are never buffered."""

from __future__ import annotations

import time
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access import too_often
from app.failures import error_response
from app.keys import OPEN, KeyRing
from app.limits import RateLimit
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


class Callers:
    """Who is asking: 401 for a `/v1` route without a known key, 429 for a caller that asks too often.

    Args:
        app: what comes next.
        keys: the keys in force; without any, everybody may ask.
        limit: how often one caller may ask; a key that speaks for many users is not limited here, its users are.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing, limit: RateLimit) -> None:
        self.app = app
        self.keys = keys
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find the caller and note them in the request's state."""
        if scope["type"] != "http" or scope["path"].startswith(OPEN_PATHS):
            await self.app(scope, receive, send)
            return
        principal = OPEN
        if len(self.keys):
            kind, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
            found = self.keys.find(given) if kind.lower() == "bearer" else None
            if found is None:
                message = "this API wants `Authorization: Bearer <key>` with a key it knows"
                refusal = error_response(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})
                await refusal(scope, receive, send)
                return
            principal = found
        if not principal.trusted:
            address = (scope.get("client") or ("unknown",))[0]
            wait = self.limit.take(principal.id if principal is not OPEN else f"address:{address}")
            if wait:
                error = too_often(wait, "from this key" if principal is not OPEN else "from this address")
                await error_response(error.status, error.kind, error.message, headers=error.headers)(
                    scope, receive, send
                )
                return
        scope.setdefault("state", {})["principal"] = principal
        await self.app(scope, receive, send)


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
