"""Looking items up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query

from app.access import AccessDep
from app.failures import ApiError
from app.routes.common import ERRORS, RuntimeDep
from app.runtime import Runtime
from app.schemas import AddBody, ItemOut, ItemsBody, Name, RetagBody
from recsys_core.catalog.changes import Add, Applied, Change, Restore, Retag, Withdraw
from recsys_core.errors import DataError, TakenItemError, UnknownItemError

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

    return await runtime.run(find, await runtime.snapshot())


@router.post("")
async def add(runtime: RuntimeDep, access: AccessDep, body: AddBody) -> Applied:
    """Add items. They can be found and recommended by every request that starts after the answer."""
    access.catalogue()
    return await _apply(runtime, Add(items=body.items))


@router.post("/withdraw")
async def withdraw(runtime: RuntimeDep, access: AccessDep, body: ItemsBody) -> Applied:
    """Show items no more, in no answer to a request that starts after this one's."""
    access.catalogue()
    return await _apply(runtime, Withdraw(items=body.items))


@router.post("/restore")
async def restore(runtime: RuntimeDep, access: AccessDep, body: ItemsBody) -> Applied:
    """Show withdrawn items again."""
    access.catalogue()
    return await _apply(runtime, Restore(items=body.items))


@router.get("/changes")
async def changes(runtime: RuntimeDep) -> Applied:
    """The last change, and what is withdrawn or not merged yet."""
    return await runtime.run(runtime.live.status)


@router.post("/merge", status_code=202)
async def merge(runtime: RuntimeDep, access: AccessDep) -> Applied:
    """Merge new and re-tagged items into a new release, in the background; requests go on meanwhile."""
    access.catalogue()
    live = runtime.live
    return await runtime.run(lambda: live.merge(wait=False))


@router.patch("/{item_id:path}")
async def retag(
    runtime: RuntimeDep, access: AccessDep, item_id: Annotated[Name, Path(description="Catalogue id")], body: RetagBody
) -> Applied:
    """Change facts of an item; filters and cards follow at once, what the model learned at the next build."""
    access.catalogue()
    return await _apply(runtime, Retag(item=item_id, attributes=body.attributes))


@router.get("/{item_id:path}")
async def item(runtime: RuntimeDep, item_id: Annotated[Name, Path(description="Catalogue id")]) -> ItemOut:
    """One item with its facts."""
    return ItemOut(**(await runtime.snapshot()).catalogue.get(item_id).model_dump())


async def _apply(runtime: Runtime, change: Change) -> Applied:
    try:
        return await runtime.run(runtime.live.apply, change)
    except UnknownItemError as error:
        raise ApiError(404, "unknown_item", str(error), "item_id") from error
    except TakenItemError as error:
        raise ApiError(409, "item_exists", str(error), "items") from error
    except DataError as error:
        param = "attributes" if isinstance(change, Retag) else "items"
        raise ApiError(422, "invalid_request", str(error), param) from error
