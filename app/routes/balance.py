"""A person's diary of what they read and what it shows. Off until they switch it on; theirs to delete."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from agents.reading.service import Balance
from app.access import AccessDep
from app.routes.common import ERRORS, RuntimeDep, UserPath
from app.schemas import Strict

router = APIRouter(prefix="/v1/users", tags=["balance"], responses=ERRORS)


class SwitchBody(Strict):
    """`PUT /v1/users/{user}/balance`."""

    on: bool
    """Keep a diary from now on; false stops it and deletes what it holds."""


@router.get("/{user_id:path}/balance")
async def balance(user_id: UserPath, runtime: RuntimeDep, access: AccessDep) -> Balance:
    """What a person read, week by week, with one piece of advice."""
    access.user(user_id)
    return await runtime.conversations.readings.balance(user_id)


@router.put("/{user_id:path}/balance")
async def switch(user_id: UserPath, body: SwitchBody, runtime: RuntimeDep, access: AccessDep) -> Balance:
    """Switch the diary on, or off; switching it off deletes what it holds."""
    access.user(user_id)
    service = runtime.conversations.readings
    await runtime.run(service.store.switch, user_id, body.on)
    return await service.balance(user_id)


@router.delete("/{user_id:path}/balance")
async def clear(user_id: UserPath, runtime: RuntimeDep, access: AccessDep) -> dict[str, Any]:
    """Delete what the diary holds; it stays switched on if it was."""
    access.user(user_id)
    deleted = await runtime.run(runtime.conversations.readings.store.clear_diary, user_id)
    return {"user_id": user_id, "deleted": deleted}
