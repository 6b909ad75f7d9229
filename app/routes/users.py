"""A user's thumbs and profile."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from agents.next_wish.state import Suggestions
from app.access import AccessDep
from app.failures import ApiError
from app.profile import Profile, describe
from app.routes.common import ERRORS, RuntimeDep, UserPath
from app.routes.profiles import WrittenProfile
from app.routes.profiles import out as written
from app.schemas import FeedbackBody
from recsys_core.errors import UnknownItemError

router = APIRouter(prefix="/v1", tags=["users"], responses=ERRORS)


class FullProfile(Profile):
    """Facts, and what is written of them."""

    written: WrittenProfile
    """The profile in words, with the version and who wrote it."""


@router.post("/feedback")
async def feedback(body: FeedbackBody, runtime: RuntimeDep, access: AccessDep) -> dict[str, Any]:
    """A thumb on an item: -1, 1, or 0 to take it back. It counts from the next answer on."""
    access.user(body.user_id)
    store = runtime.conversations.feedback
    if body.item_id not in (await runtime.snapshot()).catalogue:
        raise ApiError(404, "unknown_item", str(UnknownItemError([body.item_id])), "item_id")
    await runtime.run(lambda: store.set(body.user_id, body.item_id, body.value, thread_id=body.thread_id))
    runtime.metrics.feedback(body.value)
    if body.value:
        readings, recommender = runtime.conversations.readings, await runtime.snapshot()
        await readings.note(body.user_id, body.thread_id or "", [body.item_id], recommender)
    return {"user_id": body.user_id, "item_id": body.item_id, "value": body.value}


@router.get("/users/{user_id:path}/profile")
async def profile(user_id: UserPath, runtime: RuntimeDep, access: AccessDep) -> FullProfile:
    """What is known of a user: readable facts, and the profile in words that conditions recommendations."""
    access.user(user_id)
    recommender = await runtime.snapshot()
    thumbs = await runtime.run(runtime.conversations.feedback.of, user_id)
    facts = await runtime.run(describe, recommender, user_id, thumbs)
    state = await runtime.conversations.profiles.current(user_id, recommender, thumbs, runtime.idle)
    return FullProfile(**facts.model_dump(), written=written(state))


@router.get("/users/{user_id:path}/next")
async def next_wish(user_id: UserPath, runtime: RuntimeDep, access: AccessDep) -> Suggestions:
    """Up to three requests that the user is likely to make next, from what they chose lately."""
    access.user(user_id)
    view = await runtime.run(runtime.conversations.view)
    # suggestions wait for conversations, never the other way round
    idle = runtime.idle
    facts = await runtime.run(runtime.conversations.memory.of, user_id)
    held = [
        fact.wish for fact in facts if fact.wish is not None and fact.wish.field in view.recommender.catalogue.fields
    ]
    return await runtime.next_wishes.suggest(
        user_id, view.recommender, view.understanding, view.titles, idle, held=held
    )


@router.delete("/users/{user_id:path}/profile")
async def forget(user_id: UserPath, runtime: RuntimeDep, access: AccessDep) -> dict[str, Any]:
    """Forget a user's threads, checkpoints, memory, profile, thumbs and diary; the log inside a release stays."""
    access.user(user_id)
    known = (await runtime.snapshot()).history(user_id) is not None
    await runtime.conversations.forget(user_id)
    runtime.next_wishes.forget(user_id)
    notes = ["vectors: none are kept of users, only of items"]
    if known:
        notes.append("the interaction log of the release still holds this user; import without them and build")
    return {
        "user_id": user_id,
        "forgotten": [
            *("threads", "checkpoints", "memory", "feedback", "seen", "interests", "profile", "reading", "balance"),
        ],
        "note": "; ".join(notes),
    }
