"""Recommendations without a conversation."""

from __future__ import annotations

import time

from fastapi import APIRouter

from app.access import AccessDep
from app.failures import ApiError
from app.recommending import answer
from app.routes.common import ERRORS, RuntimeDep
from app.schemas import RecommendAnswer, RecommendBody

router = APIRouter(prefix="/v1", tags=["recommend"], responses=ERRORS)


@router.post("/recommend")
async def recommend(body: RecommendBody, runtime: RuntimeDep, access: AccessDep) -> RecommendAnswer:
    """The best `k` items for a user, a history, an instruction, or all three, under a filter."""
    if body.user_id is not None:
        access.user(body.user_id)
    recommender = await runtime.snapshot()
    if body.k > runtime.settings.max_k:
        raise ApiError(422, "invalid_request", f"k: at most {runtime.settings.max_k} (setting SIDRA_MAX_K)", "k")
    feedback = {}
    if body.user_id is not None and body.use_feedback:
        feedback = await runtime.run(runtime.conversations.feedback.of, body.user_id)
    kept = ("", "")
    if body.user_id is not None and body.use_profile and not (body.instruction or body.about or body.profile):
        kept = await runtime.run(runtime.conversations.profiles.words, body.user_id, recommender, feedback)
    begun = time.perf_counter()
    result = await runtime.run(answer, recommender, body, feedback, kept)
    seconds = time.perf_counter() - begun
    runtime.metrics.recommend(body.model, seconds)
    runtime.steward.served(body.user_id, seconds)
    runtime.metrics.searched(body.beam, result.beam, result.batch)
    return result
