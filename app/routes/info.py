"""What is being served."""

from __future__ import annotations

from importlib import metadata
from typing import Any, get_args

from fastapi import APIRouter

from app.routes.common import ERRORS, RuntimeDep
from app.schemas import InfoOut, ModelName
from recsys_core.generator.protocol import Task

router = APIRouter(prefix="/v1", tags=["info"], responses=ERRORS)


@router.get("/models")
async def models() -> dict[str, Any]:
    """The one chat model, as OpenAI clients list it."""
    return {"object": "list", "data": [{"id": "sidra", "object": "model", "created": 0, "owned_by": "sidra"}]}


@router.get("/info")
async def info(runtime: RuntimeDep) -> InfoOut:
    """Release, fields to filter on, language model, limits."""
    recommender = await runtime.snapshot()
    manifest = recommender.release.manifest
    settings = runtime.settings
    stage = runtime.stages["language_model"]
    llm = runtime.llm
    status = llm.status if llm is not None else None
    return InfoOut(
        version=version(),
        release=recommender.release.id,
        generator=recommender.generator,
        created=str(manifest.created),
        dataset=str(manifest.dataset.get("name", "")) if isinstance(manifest.dataset, dict) else str(manifest.dataset),
        item_noun=recommender.catalogue.item_noun,
        changes=recommender.changes,
        items=int(recommender.catalogue.offered.sum()),
        users=recommender.log.n_users,
        fields=list(recommender.catalogue.fields.values()),
        tasks=[task.value for task in Task],
        models=list(get_args(ModelName)),
        llm={
            "name": llm.name if llm is not None else "none",
            "state": status.state if status is not None else stage.state,
            "detail": status.reason if status is not None else stage.detail,
        },
        limits={"message_chars": settings.message_chars, "body_bytes": settings.body_bytes, "k": settings.max_k},
    )


def version() -> str:
    """Version of the installed package; a checkout that isn't installed has none."""
    try:
        return metadata.version("sidra")
    except metadata.PackageNotFoundError:
        return "0+checkout"
