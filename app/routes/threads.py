"""Conversations: list, history, delete. A thread of another user does not exist for you."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.access import AccessDep
from app.routes.common import ERRORS, RuntimeDep, ThreadPath, UserPath, UserQuery

router = APIRouter(prefix="/v1", tags=["threads"], responses=ERRORS)


@router.get("/users/{user_id:path}/threads")
async def threads(user_id: UserPath, runtime: RuntimeDep, access: AccessDep) -> list[dict[str, Any]]:
    """The user's threads, last used first."""
    access.user(user_id)
    return [thread.model_dump(mode="json") for thread in await runtime.conversations.threads(user_id)]


@router.get("/threads")
async def threads_of(user: UserQuery, runtime: RuntimeDep, access: AccessDep) -> list[dict[str, Any]]:
    """The same, with the user as a parameter."""
    return await threads(user, runtime, access)


@router.get("/threads/{thread_id}")
async def thread(thread_id: ThreadPath, user: UserQuery, runtime: RuntimeDep, access: AccessDep) -> dict[str, Any]:
    """The messages of a thread with their cards and steps, oldest first."""
    access.user(user)
    history = await runtime.conversations.history(thread_id, user)
    return {"id": thread_id, "user": user, **history.model_dump(mode="json")}


@router.delete("/threads/{thread_id}")
async def delete(thread_id: ThreadPath, user: UserQuery, runtime: RuntimeDep, access: AccessDep) -> dict[str, Any]:
    """Delete a thread and its checkpoints."""
    access.user(user)
    await runtime.conversations.delete_thread(thread_id, user)
    return {"id": thread_id, "deleted": True}
