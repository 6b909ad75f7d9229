"""Tools that look ahead: where a person's interest lies, and what they are likely to ask for next."""

from __future__ import annotations

import weakref

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.interests.chips import Candidate, ChipConfig, item_probabilities, likeliest_wishes
from recsys_core.interests.space import InterestSpace
from tools.context import ToolContext
from tools.registry import registry

RECENT = 30
"""So many of the newest items make up somebody's interest."""
HALF_LIFE = 10.0
"""An item so many places older weighs half."""
EXPECTED = 100
"""So many of the likeliest items stand for what comes next."""


class Interest(BaseModel):
    """One tag of the catalogue: a value of a field, or a decade."""

    model_config = ConfigDict(extra="forbid")

    field: str
    """Field of the catalogue."""
    value: str
    """Its value, or a decade such as ``1990s``."""
    low: float | None = None
    """First year of a decade."""
    high: float | None = None
    """Last year of a decade."""


class InterestsArguments(BaseModel):
    """How much of it."""

    model_config = ConfigDict(extra="forbid")

    top: int = Field(default=5, ge=1, le=50)
    """So many tags, heaviest first."""
    items: list[str] | None = Field(default=None, max_length=1000)
    """Item ids to look at instead of the user's newest, newest last."""


class WeighedInterest(Interest):
    """A tag and how much of the interest it holds."""

    share: float
    """Of the interest, 0 to 1."""
    lift: float
    """Share of these items that have it, divided by the catalogue's share."""


class Interests(BaseModel):
    """Where a person's interest lies."""

    model_config = ConfigDict(extra="forbid")

    top: list[WeighedInterest]
    """Heaviest first."""
    spread: list[float]
    """float[n_tags], the whole distribution, in the order of the catalogue's tags; sums to 1 or is all zero."""


class WishesArguments(BaseModel):
    """What to consider."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(default=3, ge=1, le=10)
    """How many wishes."""
    fields: list[str] = Field(default_factory=list, max_length=50)
    """Fields whose values may be named; all when empty."""
    proposals: list[list[Interest]] = Field(default_factory=list, max_length=20)
    """Wishes that somebody else thought of, judged like all others; those with unknown tags are left out."""


class ExpectedWish(BaseModel):
    """One wish that may come next."""

    model_config = ConfigDict(extra="forbid")

    tags: list[Interest]
    """One or two."""
    probability: float
    """That the next item has all of them, as the recommender expects, 0 to 1."""
    share: float
    """Share of the catalogue that has all of them, 0 to 1."""
    proposed: bool
    """It was among the proposals."""


class ExpectedWishes(BaseModel):
    """What is likely to be asked for next."""

    model_config = ConfigDict(extra="forbid")

    wishes: list[ExpectedWish]
    """The one that covers most first; may be empty in a catalogue without tags."""
    release: str
    """Release that was asked."""


@registry.tool
def interests(args: InterestsArguments, context: ToolContext) -> Interests:
    """Where the user's interest lies, as tags of the catalogue."""
    space = space_of(context.recommender.catalogue)
    rows = _newest(context) if args.items is None else context.recommender.catalogue.indices(args.items)
    spread = space.interests(rows, HALF_LIFE)
    order = [int(n) for n in np.argsort(-spread, kind="stable")[: args.top] if spread[n] > 0]
    had = np.asarray(space.matrix[rows][:, order].mean(axis=0)).ravel() if order else np.zeros(0)
    return Interests(
        top=[
            WeighedInterest(
                **_interest(space, n).model_dump(),
                share=round(float(spread[n]), 4),
                lift=round(float(own / space.shares[n]), 3),
            )
            for n, own in zip(order, had, strict=True)
        ],
        spread=spread.tolist(),
    )


@registry.tool
def expected_wishes(args: WishesArguments, context: ToolContext) -> ExpectedWishes:
    """Predict what the user will ask for next, as one or two tags a wish."""
    catalogue = context.recommender.catalogue
    space = space_of(catalogue)
    known = _known(context)
    disliked = [item for item, value in context.feedback.items() if value < 0 and item in catalogue]
    (result,) = context.recommender.recommend(
        [GenerateRequest(history=[catalogue.ids[i] for i in known], avoid=disliked, k=EXPECTED, beam=50)]
    )
    rows = catalogue.indices([item.item_id for item in result.items])
    chances = item_probabilities(np.array([item.score for item in result.items], dtype=np.float64))
    offered = catalogue.offered.copy()
    offered[known] = False
    also = [tags for proposal in args.proposals if (tags := _tags(space, proposal)) is not None]
    found = likeliest_wishes(
        space, rows, chances, offered, ChipConfig(count=args.count, fields=tuple(args.fields)), also
    )
    return ExpectedWishes(wishes=[_wish(space, c, proposed=c.tags in also) for c in found], release=result.release)


_SPACES: weakref.WeakKeyDictionary[Catalogue, InterestSpace] = weakref.WeakKeyDictionary()


def space_of(catalogue: Catalogue) -> InterestSpace:
    """The tags of a catalogue, worked out once."""
    space = _SPACES.get(catalogue)
    if space is None:
        space = _SPACES[catalogue] = InterestSpace(catalogue)
    return space


def _known(context: ToolContext) -> NDArray[np.int64]:
    """The user's history with thumbs-up as its newest part, as item indices."""
    catalogue = context.recommender.catalogue
    liked = [item for item, value in context.feedback.items() if value > 0 and item in catalogue]
    history = [item for item in context.recommender.history(context.user_id) or [] if item not in set(liked)]
    return catalogue.indices([*history, *liked])


def _newest(context: ToolContext) -> NDArray[np.int64]:
    return _known(context)[-RECENT:]


def _tags(space: InterestSpace, proposal: list[Interest]) -> tuple[int, ...] | None:
    found = [space.find(interest.field, interest.value) for interest in proposal]
    if not found or len(found) > 2 or any(tag is None for tag in found):
        return None
    return tuple(sorted({tag for tag in found if tag is not None}))


def _interest(space: InterestSpace, tag: int) -> Interest:
    named = space.tags[tag]
    return Interest(field=named.field, value=named.value, low=named.low, high=named.high)


def _wish(space: InterestSpace, candidate: Candidate, *, proposed: bool) -> ExpectedWish:
    return ExpectedWish(
        tags=[_interest(space, tag) for tag in candidate.tags],
        probability=round(candidate.probability, 4),
        share=round(candidate.share, 4),
        proposed=proposed,
    )
