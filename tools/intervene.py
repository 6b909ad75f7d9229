"""The tool that answers "why" by taking things away: what drops an item from the list when it is gone?"""

from __future__ import annotations

import time
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from recsys_core.generator.protocol import GenerateRequest, GenerateResult
from tools.context import ToolContext
from tools.recommend import RecommendArguments, ranked, wide_request
from tools.registry import registry

DEPTH = 50
"""How far down an item is looked for, so that its place without something can be told."""


class InterveneArguments(BaseModel):
    """Which item, the request that brought it, and what to take away."""

    model_config = ConfigDict(extra="forbid")

    item_id: str = Field(max_length=200)
    """Item whose place is measured."""
    request: RecommendArguments = Field(default_factory=RecommendArguments)
    """The request as it was made."""
    without: list[RecommendArguments] = Field(default_factory=list, max_length=20)
    """The same request, each time without one of its wishes."""
    history: int = Field(default=12, ge=0, le=50)
    """So many of the newest history items are taken away, one at a time."""
    budget_ms: float = Field(default=400.0, ge=0, le=600_000)
    """Time; what would take longer is left untried, wishes going before history."""


class Removal(BaseModel):
    """What happened to the item when something was taken away."""

    model_config = ConfigDict(extra="forbid")

    item_ids: list[str] = Field(default_factory=list)
    """History items taken away together; empty for a wish."""
    titles: list[str] = Field(default_factory=list)
    """Their titles; untrusted text."""
    wish: int | None = None
    """Which of ``without`` it was; None for history items."""
    place: int | None
    """The item's place then, from 1; None when it is not among the first fifty."""


class Intervention(BaseModel):
    """Places of an item with and without what was taken away."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    """The item."""
    size: int
    """Length of the list: a place beyond it is off the list."""
    place: int | None
    """Its place under the request as it was made; None when it isn't among the first fifty now."""
    removals: list[Removal]
    """What was tried, in the order of trying."""
    complete: bool
    """False when the time ended before everything asked for was tried."""
    degraded_reason: str = ""
    """Why another engine measured than asked for, in some of the trials; empty when none did."""

    def decisive(self) -> list[Removal]:
        """Removals that took the item off the list; none unless it is on it."""
        if self.place is None or self.place > self.size:
            return []
        return [removal for removal in self.removals if removal.place is None or removal.place > self.size]


@registry.tool
def intervene(args: InterveneArguments, context: ToolContext) -> Intervention:
    """Measure which wishes and which items of the user's history keep an item on the list, by taking them away."""
    catalogue = context.recommender.catalogue
    catalogue.get(args.item_id)
    begun = time.perf_counter()
    base = _deep(wide_request(args.request, context))
    (first,) = context.recommender.recommend([base])
    place = _place(args.item_id, args.request, first, context)
    spent = (time.perf_counter() - begun) * 1000
    room = int((args.budget_ms - spent) / max(spent, 0.1)) if place is not None else 0

    newest = [item for item in reversed(base.history) if item in catalogue][: args.history]
    wishes = list(enumerate(args.without))[: max(0, room)]
    singles = newest[: max(0, room - len(wishes))]
    requests = [_deep(wide_request(variant, context)) for _, variant in wishes]
    requests += [_less(base, [item]) for item in singles]
    results = context.recommender.recommend(requests) if requests else []
    removals = [
        Removal(wish=number, place=_place(args.item_id, variant, result, context))
        for (number, variant), result in zip(wishes, results, strict=False)
    ]
    alone = [
        Removal(
            item_ids=[item], titles=[catalogue.get(item).title], place=_place(args.item_id, args.request, r, context)
        )
        for item, r in zip(singles, results[len(wishes) :], strict=True)
    ]
    removals += alone
    measured = Intervention(item_id=args.item_id, size=args.request.k, place=place, removals=removals, complete=False)
    more, reasons = _together(args, measured, alone, base, context, room - len(wishes) - len(singles))
    complete = place is not None and len(wishes) == len(args.without) and len(singles) == len(newest)
    reasons += [result.degraded_reason for result in (first, *results)]
    return measured.model_copy(
        update={
            "removals": [*removals, *more],
            "complete": complete,
            "degraded_reason": next(filter(None, reasons), ""),
        }
    )


def _together(
    args: InterveneArguments,
    measured: Intervention,
    alone: list[Removal],
    base: GenerateRequest,
    context: ToolContext,
    room: int,
) -> tuple[list[Removal], list[str]]:
    """Where no single history item decides, those that move the item most are taken away two and three together.

    Also why each of these trials was degraded.
    """
    place = measured.place
    if place is None or any(removal.item_ids for removal in measured.decisive()):
        return [], []
    moving = sorted((r for r in alone if r.place is not None and r.place > place), key=lambda r: -(r.place or 0))
    groups = [moving[:size] for size in (2, 3) if len(moving) >= size][: max(0, room)]
    sets = [[item for removal in group for item in removal.item_ids] for group in groups]
    results = context.recommender.recommend([_less(base, items) for items in sets]) if sets else []
    removals = [
        Removal(
            item_ids=items,
            titles=[context.recommender.catalogue.get(item).title for item in items],
            place=_place(args.item_id, args.request, result, context),
        )
        for items, result in zip(sets, results, strict=True)
    ]
    return removals, [result.degraded_reason for result in results]


def _deep(request: GenerateRequest) -> GenerateRequest:
    return request.model_copy(update={"k": max(request.k, DEPTH)})


def _less(request: GenerateRequest, items: Sequence[str]) -> GenerateRequest:
    """Without some history items; they stay excluded, so that none of them takes a place on the list itself."""
    history = [item for item in request.history if item not in items]
    return request.model_copy(update={"history": history, "exclude": [*request.exclude, *items]})


def _place(item_id: str, args: RecommendArguments, result: GenerateResult, context: ToolContext) -> int | None:
    order = [item.item_id for item in ranked(args, result, context)]
    return order.index(item_id) + 1 if item_id in order[:DEPTH] else None
