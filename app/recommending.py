"""One recommend call from a body to an answer with titles; the same for the API and the command line. Blocking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.tracing import span
from app.schemas import RecommendAnswer, RecommendBody, RecommendedItem
from recsys_core.generator.protocol import GenerateRequest, Task
from recsys_core.ranking.leaning import conditioned

if TYPE_CHECKING:
    from app.settings import Settings
    from recsys_core.generator.widths import BeamConfig
    from recsys_core.serving.families import Servers
    from recsys_core.serving.recommender import Recommender

_MAX_AVOID = 200


def personalise(
    recommender: Recommender, body: RecommendBody, feedback: dict[str, int]
) -> tuple[GenerateRequest, list[str]]:
    """The request with the user's history and thumbs put in.

    Args:
        recommender: the open release.
        body: what was asked; a history given in it is taken as it is.
        feedback: the user's thumbs by item id, -1 or 1, oldest first.

    Returns:
        The request and sentences about anything unusual.
    """
    notes: list[str] = []
    history = list(body.history)
    if body.user_id is not None and not history:
        known = recommender.history(body.user_id)
        if known is None:
            notes.append(f"user {body.user_id!r} has no history in this release, so this is a cold start")
        history = list(known or [])
    avoid = list(body.avoid)
    if body.use_feedback and feedback:
        liked = [item for item, value in feedback.items() if value > 0 and item not in history]
        history += liked
        fresh = [item for item, value in reversed(feedback.items()) if value < 0 and item not in avoid]
        avoid += fresh[: max(0, _MAX_AVOID - len(avoid))]
        if liked or fresh:
            notes.append(f"{len(liked)} thumbs up and {len(fresh)} thumbs down of this user were used")
    fields = set(GenerateRequest.model_fields) - {"history", "avoid"}
    plain = {name: getattr(body, name) for name in fields}
    return GenerateRequest(**plain, history=history, avoid=avoid), notes


def generator_servers(settings: Settings) -> Servers:
    """Where the generator `vllm` asks."""
    from recsys_core.serving.families import Servers

    urls = tuple(url.strip() for url in settings.vllm_urls.split(",") if url.strip())
    return Servers(urls, settings.vllm_timeout_s)


def answer(
    recommender: Recommender,
    body: RecommendBody,
    feedback: dict[str, int] | None = None,
    profile: tuple[str, str] = ("", ""),
) -> RecommendAnswer:
    """Ask the recommender and add titles and facts.

    Args:
        recommender: the open release.
        body: what was asked; `about` and `profile` in it outrank what is kept of the user.
        feedback: the user's thumbs by item id, -1 or 1, oldest first.
        profile: the user's own words of themselves, and the profile that is kept.

    Raises:
        UnknownItemError: the body names an item that isn't in the catalogue.
        FilterError: the filter names an unknown field or a comparison its kind doesn't allow.
    """
    # Thumbs may be older than the release: an item that has left the catalogue says nothing any more.
    thumbs = {item: value for item, value in (feedback or {}).items() if item in recommender.catalogue}
    request, notes = personalise(recommender, body, thumbs)
    if not request.about and not request.profile:
        request = conditioned(request, about=profile[0], profile=profile[1])
    notes += _about_notes(request)
    with span("generator", requests=1) as made:
        result = recommender.recommend([request], body.model)[0]
        made.note(items=len(result.items), release=result.release, generator=result.generator)
    items = []
    for scored in result.items:
        item = recommender.catalogue.get(scored.item_id)
        items.append(RecommendedItem(**scored.model_dump(), title=item.title, attributes=item.attributes))
    return RecommendAnswer(
        user_id=body.user_id,
        model=body.model,
        items=items,
        exhausted=result.exhausted,
        allowed=result.allowed,
        cold_start=result.cold_start,
        beam=result.beam,
        expanded=result.expanded,
        batch=result.batch,
        timings_ms=result.timings_ms,
        release=result.release,
        changes=result.changes,
        generator=result.generator,
        degraded=result.degraded,
        degraded_reason=result.degraded_reason,
        notes=notes + result.notes,
    )


def _about_notes(request: GenerateRequest) -> list[str]:
    """What becomes of a self-description."""
    if not request.about.strip():
        return []
    if request.instruction.strip() or request.task is not Task.for_you:
        return ["what is asked for outranks what you say about yourself, so that was left out"]
    return [] if request.history else ["the list comes from what you say about yourself alone"]


def beam_config(settings: Settings) -> BeamConfig:
    """Widths of beams by level and by load."""
    from recsys_core.generator.widths import BeamConfig

    return BeamConfig(growth=settings.beam_growth, calm=settings.beam_calm, floor=settings.beam_floor)
