"""What all routes share: the runtime, names in paths, the list of errors in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel

from app.runtime import Runtime
from app.schemas import Name


class ErrorDetail(BaseModel):
    """What went wrong."""

    type: str
    """A stable word for programs."""
    message: str
    """A sentence for people."""
    param: str | None
    """The field that is to blame."""


class ErrorOut(BaseModel):
    """Every answer other than 2xx."""

    error: ErrorDetail


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorOut, "description": description}
    for status, description in {
        400: "Not JSON, or not usable",
        401: "Key missing or wrong",
        403: "The key is bound to other users",
        404: "No such thing",
        409: "The thread is answering another message, the item exists, or the memory is full",
        413: "Body too large",
        422: "A field can't be used; `param` names it",
        429: "Too often; `Retry-After` says when to ask again",
        503: "Still loading, or too busy",
    }.items()
}


def get_runtime(request: Request) -> Runtime:
    """The runtime of the app that got the request."""
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]
UserPath = Annotated[Name, Path(description="The user")]
ThreadPath = Annotated[Name, Path(description="The thread")]
UserQuery = Annotated[Name, Query(description="The user the thread belongs to")]
