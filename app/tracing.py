"""Spans over OTLP/HTTP, when `SIDRA_OTEL_ENDPOINT` names a collector; and the span of a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.tracing import is_on, span, tracing
from app.settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

SERVICE = "sidra"


@contextmanager
def exported(endpoint: str | None, exporter: SpanExporter | None = None) -> Iterator[None]:
    """While this is open, spans go to the collector; with neither endpoint nor exporter there are none.

    The provider is Sidra's own and never the process's, so no other library's spans, which may hold anything, go along.

    Args:
        endpoint: address of OTLP over HTTP, up to and with `/v1/traces`.
        exporter: instead of that, for tests.

    Raises:
        SettingsError: an endpoint is set and the extra `otel` is not installed.
    """
    if not endpoint and exporter is None:
        yield
        return
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise SettingsError("SIDRA_OTEL_ENDPOINT needs the extra: pip install 'sidra[otel]'") from error
    # nothing of the environment's resource attributes: they may name people and machines
    provider = TracerProvider(resource=Resource({"service.name": SERVICE}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter or _otlp(endpoint or "")))
    try:
        with tracing(provider.get_tracer(SERVICE)):
            yield
    finally:
        provider.shutdown()


def _otlp(endpoint: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=endpoint, timeout=5)


class Trace:
    """A span for every HTTP request: method, route template and status, never the path that was asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The span ends with the last byte."""
        if scope["type"] != "http" or not is_on():
            await self.app(scope, receive, send)
            return
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["method"] in _METHODS else "other"
        with span("request", method=method) as made:
            try:
                await self.app(scope, receive, noted)
            finally:
                made.note(route=getattr(scope.get("route"), "path", "unmatched"), status=status)


_METHODS = frozenset(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
