"""Is the process alive, can it answer, and how has it been doing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response

from app.routes.common import RuntimeDep

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Alive, whatever is loaded."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "Not ready; says what is missing"}})
async def readyz(runtime: RuntimeDep, response: Response) -> dict[str, Any]:
    """Ready once release, index and model are loaded and agree; says what is still loading."""
    if not runtime.ready:
        response.status_code = 503
    return {
        "ready": runtime.ready,
        "message": runtime.sentence(),
        "stages": {name: asdict(stage) for name, stage in runtime.stages.items()},
    }


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(runtime: RuntimeDep) -> Response:
    """For Prometheus."""
    return Response(runtime.metrics.render(runtime.ready), media_type="text/plain; version=0.0.4; charset=utf-8")
