"""Tuning how the release is served: studies, proposals, approval, roll-back. For keys that may change things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict

from app.access import AccessDep
from app.failures import ApiError
from app.routes.common import ERRORS, RuntimeDep
from app.tuning_job import TuneBody
from recsys_core.errors import ConfigError

if TYPE_CHECKING:
    from app.runtime import Runtime

router = APIRouter(prefix="/v1/tuning", tags=["tuning"], responses=ERRORS)
StudyPath = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[\w.-]+$", description="Name of a study")]


class DecisionBody(BaseModel):
    """`POST /v1/tuning/{study}/decision`."""

    model_config = ConfigDict(extra="forbid")

    approve: bool
    """True serves what the study proposes, false drops it."""


class TuningOut(BaseModel):
    """How tuning stands."""

    release: str
    """What is served."""
    serving: dict[str, Any]
    """What its plan changes; empty as built."""
    promotion: dict[str, Any] | None
    """What spoke for the plan."""
    in_use: dict[str, float]
    """What is known of it since: answers timed, `p95_ms`, people sampled, share of quality kept."""
    trouble: str
    """Why the plan on disk isn't served, or the last study failed; empty when all is well."""
    running: bool
    """Whether a study is at work."""
    studies: list[dict[str, Any]]
    """Studies, newest first: name, state, trials (of the newest with figures), and the report where it has ended."""
    events: list[dict[str, Any]]
    """Promotions and roll-backs, newest first."""


@router.get("")
async def status(runtime: RuntimeDep, access: AccessDep) -> TuningOut:
    """What is in force, what runs, what waits for an answer."""
    access.catalogue()
    return await runtime.run(_status, runtime)


@router.post("", status_code=202)
async def start(body: TuneBody, runtime: RuntimeDep, access: AccessDep) -> TuningOut:
    """Begin a study of the release that is served, or go on with one that was stopped. It runs beside answers."""
    access.catalogue()
    await runtime.snapshot()
    await runtime.run(runtime.tuning.start, body)
    return await runtime.run(_status, runtime)


@router.delete("/running")
async def stop(runtime: RuntimeDep, access: AccessDep) -> TuningOut:
    """Stop the study that is at work; its trials are kept, and the same request goes on with it."""
    access.catalogue()
    await runtime.run(runtime.tuning.stop)
    return await runtime.run(_status, runtime)


@router.post("/rollback")
async def rollback(runtime: RuntimeDep, access: AccessDep) -> TuningOut:
    """Serve by the plan before the last promotion."""
    access.catalogue()
    from recsys_core.tuning.promotion import roll_back

    release = (await runtime.snapshot()).release
    try:
        await runtime.run(roll_back, release, "API")
    except ConfigError as error:
        raise ApiError(409, "nothing_to_do", str(error)) from error
    await runtime.steward.look()
    return await runtime.run(_status, runtime)


@router.post("/{study}/decision")
async def decision(study: StudyPath, body: DecisionBody, runtime: RuntimeDep, access: AccessDep) -> TuningOut:
    """Serve what a study proposes, or drop it. A running API goes over to it before this answers."""
    access.catalogue()
    await runtime.snapshot()

    def answer() -> None:
        from agents.tuner.graph import Decision
        from app.tuning import decide

        decide(runtime.settings.home, study, Decision(approve=body.approve, by="API"))

    try:
        await runtime.run(answer)
    except ConfigError as error:
        raise ApiError(409, "nothing_to_do", str(error)) from error
    await runtime.steward.look()
    return await runtime.run(_status, runtime)


def _status(runtime: Runtime) -> TuningOut:
    from app.tuning import studies
    from recsys_core.tuning.promotion import in_force

    recommender = runtime.live.current()
    state = in_force(recommender.release, recommender.generator)
    return TuningOut(
        release=recommender.release.id,
        serving=recommender.scorer.plan.model_dump(exclude_defaults=True),
        promotion=state.promotion.model_dump(mode="json") if state.promotion is not None else None,
        in_use=runtime.steward.figures,
        trouble=runtime.steward.trouble or runtime.tuning.trouble,
        running=runtime.tuning.running,
        studies=studies(runtime.settings.home, recommender.release.id, running=runtime.tuning.running),
        events=[entry.model_dump(mode="json") for entry in reversed(state.entries[-20:])],
    )
