"""Tools that ask the generator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.catalog.filters import ItemFilter
from recsys_core.generator.protocol import GenerateRequest, GenerateResult, Task
from tools.context import ToolContext
from tools.registry import registry

PREFER_BONUS = 1.5
"""Added to the score, in nats, of an item that satisfies a preference; about the gap between places 1 and 10."""
TAIL_BONUS = 3.0
"""Added for the task `long_tail`, in nats, to items outside the head of the popularity curve."""
TAIL_POOL = 200
"""How many items are generated at least for that task; the first few dozen are seldom little known."""
OVERSAMPLE = 5
"""How many times `k` are generated before preferences re-order them."""


class RecommendArguments(BaseModel):
    """What to recommend; for whom comes from the context."""

    model_config = ConfigDict(extra="forbid")

    task: Task = Task.for_you
    """Which of the generator's tasks."""
    instruction: str = Field(default="", max_length=2000)
    """What is wanted, in plain words."""
    about: str = Field(default="", max_length=2000)
    """What the user says of themselves; it counts where there is no instruction."""
    profile: str = Field(default="", max_length=2000)
    """What is written of the user; likewise, and only for a short history."""
    filter: ItemFilter | None = None
    """Rule that every item must satisfy."""
    prefer: list[ItemFilter] = Field(default_factory=list, max_length=20)
    """Rules that items may fail, at a price in the order."""
    anchors: list[str] = Field(default_factory=list, max_length=20)
    """Item ids the result should resemble."""
    exclude: list[str] = Field(default_factory=list, max_length=100_000)
    """Item ids that must not come back."""
    avoid: list[str] = Field(default_factory=list, max_length=200)
    """Item ids the result should not resemble."""
    k: int = Field(default=10, ge=1, le=50)
    """How many items."""
    beam: int = Field(default=20, ge=1, le=200)
    """Width of the search."""


class Recommendation(BaseModel):
    """One item of a recommendation."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    """Catalogue id."""
    score: float
    """What the list is sorted by."""
    log_probability: float
    """Exact log-probability under the generator."""


class RecommendResult(BaseModel):
    """A slate."""

    model_config = ConfigDict(extra="forbid")

    items: list[Recommendation]
    """Best first."""
    exhausted: bool
    """Fewer than `k` items are allowed."""
    allowed: int
    """How many items filter and exclusions left."""
    cold_start: bool
    """Nothing is known of the user."""
    release: str
    """Release the answer came from."""
    notes: list[str]
    """Anything unusual, in sentences."""
    degraded_reason: str = ""
    """Why another engine answered than the one asked for; empty when none did."""
    timings_ms: dict[str, float]
    """Milliseconds by stage."""


class ExplainArguments(BaseModel):
    """Which item, and the request that it answered."""

    model_config = ConfigDict(extra="forbid")

    item_id: str = Field(max_length=200)
    """Item to explain."""
    request: RecommendArguments = Field(default_factory=RecommendArguments)
    """The request as it was made."""


class Because(BaseModel):
    """One item of the history that weighed in."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    """Item of the history, or an anchor."""
    title: str
    """Its title."""
    weight: float
    """How much the item's log-probability drops without it."""


class Explanation(BaseModel):
    """Measured reasons."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    """Item explained."""
    because_of: list[Because]
    """History items by weight, heaviest first."""
    matched: dict[str, list[str]]
    """Field -> values the item shares with the request."""
    degraded_reason: str = ""
    """Why another engine measured than the one that recommends; empty when none did."""


@registry.tool
def recommend(args: RecommendArguments, context: ToolContext) -> RecommendResult:
    """Recommend catalogue items to the user for a task and an instruction, under a rule."""
    (result,) = context.recommender.recommend([wide_request(args, context)])
    items = ranked(args, result, context)[: args.k]
    return RecommendResult(
        items=items,
        exhausted=len(items) < args.k,
        allowed=result.allowed,
        cold_start=result.cold_start,
        release=result.release,
        notes=result.notes,
        degraded_reason=result.degraded_reason,
        timings_ms=result.timings_ms,
    )


@registry.tool
def explain_item(args: ExplainArguments, context: ToolContext) -> Explanation:
    """Say which items of the user's history made the generator choose an item, and what of the request it matches."""
    catalogue = context.recommender.catalogue
    evidence = context.recommender.evidence(args.item_id, generate_request(args.request, context))
    return Explanation(
        item_id=args.item_id,
        because_of=[
            Because(item_id=cause.item_id, title=catalogue.get(cause.item_id).title, weight=cause.drop)
            for cause in evidence.because_of
        ],
        matched={
            field: [str(v) for v in (value if isinstance(value, list) else [value])]
            for field, value in evidence.matched_attributes.items()
        },
        degraded_reason=evidence.degraded_reason,
    )


def wide_request(args: RecommendArguments, context: ToolContext) -> GenerateRequest:
    """The generator's request, for more items than wanted where the order is changed afterwards."""
    request = generate_request(args, context)
    if not args.prefer and args.task is not Task.long_tail:
        return request
    wide = args.k * OVERSAMPLE if args.task is not Task.long_tail else max(args.k * OVERSAMPLE, TAIL_POOL)
    return request.model_copy(update={"k": min(wide, 500)})


def ranked(args: RecommendArguments, result: GenerateResult, context: ToolContext) -> list[Recommendation]:
    """What was generated, in the order that preferences and the task make of it; not yet cut to ``args.k``."""
    items = [
        Recommendation(item_id=item.item_id, score=item.score, log_probability=item.log_probability)
        for item in result.items
    ]
    tail = _tail(context) if args.task is Task.long_tail else None
    return _preferred(items, args.prefer, tail, context) if args.prefer or tail is not None else items


def generate_request(args: RecommendArguments, context: ToolContext) -> GenerateRequest:
    """The generator's request: the user's history with thumbs-up as its newest part, thumbs-down avoided."""
    liked = [item_id for item_id, value in context.feedback.items() if value > 0]
    disliked = [item_id for item_id, value in context.feedback.items() if value < 0]
    known = context.recommender.history(context.user_id) or []
    history = [item_id for item_id in known if item_id not in set(liked)] + liked
    avoid = list(dict.fromkeys([*args.avoid, *disliked]))[-200:]
    return GenerateRequest(
        task=args.task,
        instruction=args.instruction,
        about=args.about,
        profile=args.profile,
        history=history,
        filter=args.filter,
        exclude=list(dict.fromkeys([*args.exclude, *disliked])),
        anchors=args.anchors,
        avoid=avoid,
        k=args.k,
        beam=args.beam,
    )


def _preferred(
    items: list[Recommendation], prefer: list[ItemFilter], tail: NDArray[np.bool_] | None, context: ToolContext
) -> list[Recommendation]:
    catalogue = context.recommender.catalogue
    rows = catalogue.indices([item.item_id for item in items])
    bonus = np.zeros(len(rows))
    for rule in prefer:
        bonus += PREFER_BONUS * rule.mask(catalogue)[rows]
    if tail is not None:
        bonus += TAIL_BONUS * tail[rows]
    scored = [item.model_copy(update={"score": item.score + float(b)}) for item, b in zip(items, bonus, strict=True)]
    return sorted(scored, key=lambda item: -item.score)


def _tail(context: ToolContext) -> NDArray[np.bool_] | None:
    """Items outside the head, bool[n_items]; the head are the most used items that make up half of all interactions."""
    log = getattr(context.recommender, "log", None)
    if log is None:
        return None
    counts = np.bincount(log.items, minlength=len(context.recommender.catalogue))
    order = np.argsort(-counts, kind="stable")
    before = np.concatenate([[0], np.cumsum(counts[order])[:-1]])
    tail = np.ones(len(counts), dtype=np.bool_)
    tail[order[before < counts.sum() / 2]] = False
    return tail
