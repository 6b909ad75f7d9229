"""One shape for everything that goes wrong over HTTP: `{"error": {"type", "message", "param"}}`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from agents.traces import trace_of
from recsys_core.errors import FilterError, RequestError, SidraError, UnknownItemError

logger = logging.getLogger("sidra.api")

_TYPE_OF_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    422: "invalid_request",
    429: "rate_limited",
    503: "not_ready",
}

# The codes of agents.errors; anything else from there is a plain 400.
_CONVERSATION: dict[str, tuple[int, str | None]] = {
    "message_rejected": (422, "messages"),
    "thread_not_found": (404, "thread_id"),
    "thread_busy": (409, "thread_id"),
    "fact_not_found": (404, "fact_id"),
    "line_not_found": (404, "line_id"),
    "memory_full": (409, "words"),
    "not_understood": (422, "words"),
    "guard_failed": (500, None),
}


class ApiError(Exception):
    """An answer other than 2xx that a route decides on.

    Args:
        status: HTTP status.
        kind: the error's `type`, a stable word for programs.
        message: one sentence for people.
        param: the field that is to blame.
        headers: further response headers.
    """

    def __init__(
        self, status: int, kind: str, message: str, param: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.param = param
        self.headers = headers


class NotReady(ApiError):
    """503: something is still loading, or has failed to; `message` says what."""

    def __init__(self, message: str, kind: str = "not_ready", retry_after_s: int = 2) -> None:
        super().__init__(503, kind, message, headers={"Retry-After": str(retry_after_s)})


def error_body(kind: str, message: str, param: str | None = None) -> dict[str, Any]:
    """The JSON object of an error; lone surrogates from a caller's text are replaced, so that it can always be sent."""
    return {
        "error": {"type": kind, "message": _sendable(message), "param": None if param is None else _sendable(param)}
    }


def error_response(
    status: int, kind: str, message: str, param: str | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """An error as a response."""
    return JSONResponse(error_body(kind, message, param), status, headers=headers)


def install(app: FastAPI) -> None:
    """Give `app` a handler for every kind of error."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(SidraError, _sidra_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _unexpected)


async def _api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return error_response(error.status, error.kind, error.message, error.param, error.headers)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first.get("type") == "json_invalid":
        return error_response(400, "invalid_json", "the body is not valid JSON", None)
    param = _param(first["loc"])
    more = len(error.errors()) - 1
    message = f"{param}: {first['msg']}" + (f" (and {more} more)" if more else "")
    return error_response(422, "invalid_request", message, param)


async def _sidra_error(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, FilterError):
        return error_response(422, "invalid_filter", str(error), "filter")
    if isinstance(error, RequestError):
        return error_response(422, "invalid_request", str(error))
    if isinstance(error, UnknownItemError):
        # An id in the path is a missing page; an id inside a body is a mistake in that body.
        in_path = "item_id" in request.path_params
        return error_response(404 if in_path else 422, "unknown_item", str(error), "item_id" if in_path else None)
    code = getattr(error, "code", None)
    if isinstance(code, str):
        status, param = _CONVERSATION.get(code, (400, None))
        return error_response(status, code, str(error), param)
    kind = type(error).__name__.removesuffix("Error").lower() + "_error"
    return error_response(400, kind, str(error))


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = _TYPE_OF_STATUS.get(error.status_code, "http_error")
    message = str(error.detail)
    if error.status_code == 404 and message == "Not Found":
        message = f"no route {request.method} {request.url.path}; see /docs"
    return error_response(error.status_code, kind, message, headers=dict(error.headers or {}))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # Only the class goes out, and only places in the code into the log: messages of foreign exceptions and paths may
    # hold a user's name or words.
    route = getattr(request.scope.get("route"), "path", "an unknown route")
    logger.error("%s %s failed\n%s", request.method, route, trace_of(error))
    return error_response(
        500, "internal_error", f"something failed inside ({type(error).__name__}); see the server's log"
    )


def _param(location: Sequence[Any]) -> str:
    parts = [str(part) for part in location if part not in {"body", "query", "path", "header"}]
    return ".".join(parts)[:200] or str(location[0] if location else "body")


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
