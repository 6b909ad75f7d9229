"""What is remembered of a user, put into a request: the one place where lasting facts take effect.

What was ruled out or demanded for good joins the page's rule, so it is never relaxed; what is liked becomes a
preference. A request that speaks against a fact wins for as long as it runs, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.cards import join_words
from agents.intent import Intent, Wish
from agents.state import SlateCard, WorkingRequest
from agents.store import LastingFact
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.filters import Condition, ItemFilter, Rule
from recsys_core.errors import FilterError

MAX_LIKED = 6
"""The newest liked things that count as preferences at a time."""
_QUOTED = "\N{LEFT DOUBLE QUOTATION MARK}{}\N{RIGHT DOUBLE QUOTATION MARK}"


@dataclass(frozen=True)
class Standing:
    """What holds for a request beside its own wishes."""

    rule: ItemFilter | None
    """The page's rule and the facts that every item must satisfy."""
    prefer: list[ItemFilter]
    """What the user likes, as rules that items may fail."""
    kept: list[LastingFact]
    """Facts that are in `rule` or `prefer`."""
    overruled: list[LastingFact]
    """Facts that the request speaks against."""


def standing(
    request: WorkingRequest, page_filter: ItemFilter | None, facts: Sequence[LastingFact], catalogue: Catalogue
) -> Standing:
    """The facts that hold for a request, as rules.

    Args:
        request: the running request.
        page_filter: rule set on the page.
        facts: what is remembered, oldest first; those that this catalogue has no field for have no effect.
        catalogue: the items.
    """
    kept: list[LastingFact] = []
    overruled: list[LastingFact] = []
    demanded: list[Rule] = []
    ruled_out: dict[str, list[str]] = {}
    barred: list[Rule] = []
    liked: list[tuple[LastingFact, ItemFilter]] = []
    for fact in facts:
        wish = fact.wish
        condition = condition_of(wish, catalogue)
        if wish is None or condition is None:
            continue
        if speaks_against(request.wishes, wish):
            overruled.append(fact)
        elif wish.negative:
            kept.append(fact)
            if wish.is_range or condition.op != "in":
                barred.append(condition)
            else:
                ruled_out[wish.field] = [*ruled_out.get(wish.field, []), *wish.values]
        elif wish.hard:
            kept.append(fact)
            demanded.append(condition)
        elif not any(w.field == wish.field and not w.negative for w in request.wishes):
            # a request that names this field itself needs no leaning on it
            liked.append((fact, ItemFilter(all_of=[condition])))
    barred += [Condition(field=name, op="in", value=list(dict.fromkeys(v))) for name, v in ruled_out.items()]
    liked = liked[-MAX_LIKED:]
    rule = page_filter
    if demanded or barred:
        base = page_filter or ItemFilter()
        rule = ItemFilter(all_of=[*base.all_of, *demanded], any_of=list(base.any_of), none_of=[*base.none_of, *barred])
    return Standing(rule, [rule for _, rule in liked], [*kept, *(fact for fact, _ in liked)], overruled)


def condition_of(wish: Wish | None, catalogue: Catalogue) -> Condition | None:
    """A fact's wish as a condition on this catalogue, without its sign; None when it has no such field or value."""
    if wish is None or wish.field not in catalogue.fields:
        return None
    condition = wish.condition(catalogue.fields[wish.field].kind.value)
    try:
        condition.mask(catalogue)
    except FilterError:
        return None
    return condition


def speaks_against(wishes: Sequence[Wish], fact: Wish) -> bool:
    """True when one of a request's wishes contradicts a fact: a guess of the language model never does."""
    return any(_against(wish, fact) for wish in wishes if wish.field == fact.field)


def sentences(
    held: Standing, intent: Intent, cards: Sequence[SlateCard], told: Sequence[str], catalogue: Catalogue
) -> tuple[list[str], list[str]]:
    """What the answer says of the facts, each once a thread; a fact that changed nothing is not mentioned.

    Args:
        held: what holds for the request.
        intent: the message of this turn.
        cards: the slate.
        told: ids of facts that this thread has heard of.
        catalogue: the items.

    Returns:
        Sentences, and ids of the facts they speak of.
    """
    said: list[str] = []
    ids: list[str] = []
    against = [f for f in held.overruled if f.wish is not None and speaks_against(intent.wishes, f.wish)]
    if against:
        said.append(f"You once told me {_listed(against)}; this time I go by what you ask for now.")
    new = [f for f in held.kept if f.id not in told and f.wish is not None and _shows(f.wish, cards, catalogue)]
    if new:
        said.append(f"I kept in mind what you told me: {_listed(new)}.")
        ids += [fact.id for fact in new]
    return said, ids


def _shows(wish: Wish, cards: Sequence[SlateCard], catalogue: Catalogue) -> bool:
    """True when a fact can have made a difference: it bars items that are offered, or a card is as liked."""
    condition = condition_of(wish, catalogue)
    if condition is None:
        return False
    mask = condition.mask(catalogue)
    if not wish.hard and not wish.negative:
        return any(bool(mask[catalogue.index(card.item_id)]) for card in cards)
    return bool((catalogue.offered & (mask if wish.negative else ~mask)).any())


def _against(wish: Wish, fact: Wish) -> bool:
    if wish.is_range != fact.is_range or not wish.hard:
        return False
    if fact.is_range:
        return not wish.negative and not fact.negative and _outside(wish, fact)
    if fact.negative:
        return not wish.negative and bool(set(wish.values) & set(fact.values))
    if wish.negative:
        return bool(set(wish.values) & set(fact.values))
    return fact.hard and not set(wish.values) & set(fact.values)


def _outside(wish: Wish, fact: Wish) -> bool:
    """True when a range that is asked for reaches beyond the fact's by its own words."""
    below = fact.low is not None and any(v is not None and v < fact.low for v in (wish.low, wish.high))
    above = fact.high is not None and any(v is not None and v > fact.high for v in (wish.low, wish.high))
    return below or above


def _listed(facts: Sequence[LastingFact]) -> str:
    return join_words([_QUOTED.format(fact.sentence) for fact in facts])
