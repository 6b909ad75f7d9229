"""From the running request to a tool call: instruction, rule, preferences; and what to drop when nothing fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.intent import Wish
from agents.state import WorkingRequest
from agents.understanding.roles import Roles
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.filters import Condition, ItemFilter, Rule
from recsys_core.generator.protocol import Task
from tools.recommend import RecommendArguments


def rule_of(wishes: list[Wish], page_filter: ItemFilter | None, catalogue: Catalogue) -> ItemFilter | None:
    """All hard wishes and the page's rule as one filter; None when there is nothing to rule.

    The page's lists are joined rather than nested, so a deep page filter stays within the allowed depth.
    """
    base = page_filter or ItemFilter()
    wanted: list[Rule] = [_condition(wish, catalogue) for wish in wishes if wish.hard and not wish.negative]
    barred: list[Rule] = [_condition(wish, catalogue) for wish in wishes if wish.negative]
    if not wanted and not barred:
        return page_filter
    return ItemFilter(all_of=[*base.all_of, *wanted], any_of=list(base.any_of), none_of=[*base.none_of, *barred])


def instruction_of(request: WorkingRequest, catalogue: Catalogue, roles: Roles) -> str:
    """The request in plain words for the generator: moods, kinds, noun, then where, when and by whom.

    What is ruled out is left out: a sentence vector would take "no horror" for horror; the filter sees to it.
    """
    before: list[str] = request.words.split()
    after: list[str] = []
    for wish in request.wishes:
        if wish.negative:
            continue
        if wish.field in roles.genres and not wish.is_range:
            before += [value.lower() for value in wish.values]
        elif wish.is_range or wish.field in roles.exclusive:
            after.append(wish.words)
        else:
            before += [wish.words]
    if not before and not after:
        return ""
    return " ".join(dict.fromkeys([*before, catalogue.item_noun, *after]))[:1000]


def arguments_of(
    request: WorkingRequest,
    *,
    page_filter: ItemFilter | None,
    also_excluded: list[str],
    catalogue: Catalogue,
    roles: Roles,
    k: int,
    beam: int,
) -> RecommendArguments:
    """The arguments of the `recommend` tool."""
    soft = [wish for wish in request.wishes if not wish.hard and not wish.negative]
    exclude = dict.fromkeys([*request.seen, *request.exclude, *request.anchors, *request.avoid, *also_excluded])
    return RecommendArguments(
        task=request.task,
        instruction=instruction_of(request, catalogue, roles),
        filter=rule_of(request.wishes, page_filter, catalogue),
        prefer=[
            *(ItemFilter(all_of=[_condition(wish, catalogue)]) for wish in soft[-6:]),
            *(rule for anchor in request.anchors[:3] if (rule := kind_of(anchor, catalogue, roles)) is not None),
        ],
        anchors=request.anchors,
        exclude=list(exclude),
        avoid=request.avoid,
        k=k,
        beam=beam,
    )


def kind_of(item_id: str, catalogue: Catalogue, roles: Roles) -> ItemFilter | None:
    """Items that share a kind with one item, the commonest kind of the catalogue left aside where others remain.

    The generator's likeness goes by who likes what; this keeps "something like" in the same corner of the shelf.
    """
    for name in roles.genres:
        value = catalogue.get(item_id).attributes.get(name)
        values = [str(v) for v in value] if isinstance(value, list) else [str(value)] if value is not None else []
        telling = [v for v in values if v not in catalogue.fields[name].values[:1]] or values
        if telling:
            return ItemFilter(all_of=[Condition(field=name, op="in", value=list(telling))])
    return None


@dataclass(frozen=True)
class Relaxation:
    """What one dropped wish would free."""

    wishes: tuple[Wish, ...]
    """The wishes to drop, oldest first."""
    count: int
    """Items that are allowed then."""


def best_relaxation(
    request: WorkingRequest, page_filter: ItemFilter | None, excluded: list[str], catalogue: Catalogue
) -> Relaxation | None:
    """The wish whose dropping frees most; where no single one frees anything, the oldest few that do.

    What the user ruled out or insisted on and what the page's filter says is never offered for dropping.
    """
    droppable = [wish for wish in request.wishes if wish.hard and not wish.negative and wish not in request.kept]
    single = [Relaxation((wish,), _count(request, (wish,), page_filter, excluded, catalogue)) for wish in droppable]
    best = max(single, key=lambda r: r.count, default=None)
    if best is not None and best.count > 0:
        return best
    for size in range(2, len(droppable) + 1):
        some = Relaxation(
            tuple(droppable[:size]), _count(request, tuple(droppable[:size]), page_filter, excluded, catalogue)
        )
        if some.count > 0:
            return some
    return None


def without(request: WorkingRequest, wishes: tuple[Wish, ...]) -> WorkingRequest:
    """The request without some wishes."""
    return request.model_copy(update={"wishes": [wish for wish in request.wishes if wish not in wishes]})


def says_something(request: WorkingRequest) -> bool:
    """Whether a request asks for anything in particular."""
    asks = any(not wish.negative for wish in request.wishes)
    occasion = request.task not in {Task.for_you, Task.query, Task.category}
    return asks or occasion or bool(request.words or request.anchors)


def satisfies(wish: Wish, item_id: str, catalogue: Catalogue) -> bool:
    """True when an item has what the wish names (its sign left aside)."""
    return bool(_condition(wish, catalogue).mask(catalogue)[catalogue.index(item_id)])


def allowed(
    request: WorkingRequest, page_filter: ItemFilter | None, excluded: list[str], catalogue: Catalogue
) -> NDArray[np.bool_]:
    """What a request may bring, bool[n_items]."""
    rule = rule_of(request.wishes, page_filter, catalogue)
    mask = (catalogue.offered if rule is None else rule.mask(catalogue)).copy()
    mask[catalogue.indices(excluded)] = False
    return mask


def _count(
    request: WorkingRequest,
    dropped: tuple[Wish, ...],
    page_filter: ItemFilter | None,
    excluded: list[str],
    catalogue: Catalogue,
) -> int:
    return int(allowed(without(request, dropped), page_filter, excluded, catalogue).sum())


def _condition(wish: Wish, catalogue: Catalogue) -> Condition:
    return wish.condition(catalogue.fields[wish.field].kind.value)
