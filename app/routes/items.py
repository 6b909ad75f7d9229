"""Looking items up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query

from app.failures import ApiError
from app.routes.common import ERRORS, RuntimeDep
from app.schemas import ItemOut, Name

if TYPE_CHECKING:
    from recsys_core.serving.recommender import Recommender

router = APIRouter(prefix="/v1/items", tags=["items"], responses=ERRORS)


@router.get("/search")
async def search(
    runtime: RuntimeDep,
    q: Annotated[str, Query(min_length=1, max_length=500, description="A title or a description")],
    k: Annotated[int, Query(ge=1, le=100, description="How many")] = 10,
) -> list[ItemOut]:
    """Items whose text is nearest in meaning, best first."""
    if not q.strip():
        raise ApiError(422, "invalid_request", "q: give a title or a few words", "q")

    def find(recommender: Recommender) -> list[ItemOut]:
        hits = recommender.search(q, k)
        found = [(recommender.catalogue.get(hit.item_id), hit.similarity) for hit in hits]
        return [ItemOut(**item.model_dump(), similarity=round(float(near), 4)) for item, near in found]

    return await runtime.run(find, runtime.recommender)


@router.get("/{item_id:path}")
async def item(runtime: RuntimeDep, item_id: Annotated[Name, Path(description="Catalogue id")]) -> ItemOut:
    """One item with its facts."""
    return ItemOut(**runtime.recommender.catalogue.get(item_id).model_dump())
