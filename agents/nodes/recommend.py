"""recommend: the running request becomes a slate, through the tool registry; cards go out at once."""

from __future__ import annotations

import asyncio
from typing import Any

from agents.cards import join_words, make_cards, singular
from agents.context import AgentContext
from agents.effective import Standing, sentences, standing
from agents.events import SlateEvent
from agents.intent import Intent, Offer, OfferKind
from agents.nodes.step import emit, step
from agents.request import Relaxation, arguments_of, best_relaxation, says_something, without
from agents.state import ConversationState, Outcome, SlateCard, WorkingRequest
from recsys_core.catalog.filters import ItemFilter
from tools import registry
from tools.recommend import RecommendArguments, RecommendResult


@step("recommend")
async def recommend(state: ConversationState, context: AgentContext) -> tuple[dict[str, Any], str]:
    """Call the generator; when nothing is allowed, drop the one wish that frees most and say so."""
    request = state["request"]
    held = standing_of(request, state, context)
    outcome = state["outcome"].model_copy(update={"relaxed": [], "closest": "", "slate_changed": True})
    intent = _without_drop_offers(state["intent"])
    args = tool_arguments(request, state, context)
    result = await _call(args, state["user_id"], context)
    if not result.items or (result.exhausted and result.allowed < args.k):
        # which wish is in the way is counted in the catalogue, not guessed
        relaxation = await asyncio.to_thread(best_relaxation, request, held.rule, args.exclude, context.catalogue)
        if result.items and relaxation is not None and not says_something(without(request, relaxation.wishes)):
            # without its only wish a request would be no request
            relaxation = None
        if not result.items and relaxation is not None:
            request = without(request, relaxation.wishes)
            result = await _call(tool_arguments(request, state, context), state["user_id"], context)
            outcome = outcome.model_copy(update={"relaxed": [wish.words for wish in relaxation.wishes]})
        intent = _offering(intent, relaxation, len(result.items), dropped=bool(outcome.relaxed))
        outcome = outcome.model_copy(update={"closest": _closest(result, relaxation, outcome, context)})
    cards = make_cards(result.items, request, context.catalogue, context.understanding.roles)
    outcome = outcome.model_copy(
        update={
            "exhausted": len(cards) < args.k,
            "cold_start": result.cold_start,
            "release": result.release or context.release,
            "notes": [note for note in result.notes if note not in outcome.notes],
            "degraded_reason": both_reasons(outcome.degraded_reason, result.degraded_reason),
        }
    )
    outcome, told = _recalled(held, outcome, cards, state, context)
    emit(SlateEvent(cards=cards, final=False, note=outcome.closest))
    shown = list(dict.fromkeys([*state.get("shown", []), *(card.item_id for card in cards)]))
    changes = {"slate": cards, "shown": shown, "outcome": outcome, "told_facts": told}
    changes |= {"request": _with_relaxation(state, request), "intent": intent}
    detail = f"{len(cards)} of {result.allowed} allowed"
    return changes, detail + (f"; dropped {join_words(outcome.relaxed)}" if outcome.relaxed else "")


def tool_arguments(request: WorkingRequest, state: ConversationState, context: AgentContext) -> RecommendArguments:
    """Arguments of the recommend tool for a request of this thread."""
    catalogue = context.catalogue
    seen_before = [item for item in context.feedback.seen(state["user_id"]) if item in catalogue]
    held = standing_of(request, state, context)
    args = arguments_of(
        request,
        page_filter=held.rule,
        also_excluded=seen_before,
        catalogue=catalogue,
        roles=context.understanding.roles,
        k=request.k or state["k"],
        beam=context.config.beam,
    )
    # beside a wish of this request a profile says nothing
    about, profile = ("", "") if args.instruction else context.profile_of(state["user_id"])
    return args.model_copy(
        update={"prefer": [*args.prefer, *held.prefer], "about": about[:2000], "profile": profile[:2000]}
    )


def standing_of(request: WorkingRequest, state: ConversationState, context: AgentContext) -> Standing:
    """What is remembered of the user and set on the page, as far as it holds for a request."""
    facts = context.facts.of(state["user_id"])
    return standing(request, _answerable(state.get("page_filter")), facts, context.catalogue)


def _recalled(
    held: Standing, outcome: Outcome, cards: list[SlateCard], state: ConversationState, context: AgentContext
) -> tuple[Outcome, dict[str, int]]:
    """The outcome with what it says of remembered facts, and which of them this thread has heard of by now."""
    turn, told = state["turn"], state.get("told_facts", {})
    # what was stated in this thread needs no telling; what was told earlier in this turn is told again
    heard = [fact.id for fact in held.kept if fact.thread_id == context.thread_id or told.get(fact.id, turn) < turn]
    said, ids = sentences(held, state["intent"], cards, heard, context.catalogue)
    recalled = [*state["outcome"].recalled, *(s for s in said if s not in state["outcome"].recalled)]
    return outcome.model_copy(update={"recalled": recalled}), {**told, **dict.fromkeys(ids, turn)}


async def _call(args: RecommendArguments, user_id: str, context: AgentContext) -> RecommendResult:
    tools = context.tools(user_id)
    return await asyncio.to_thread(registry.invoke, "recommend", args, RecommendResult, tools)


def _answerable(page_filter: ItemFilter | None) -> ItemFilter | None:
    return None if page_filter is None or page_filter.is_empty() else page_filter


def both_reasons(before: str, now: str) -> str:
    """Two reasons as one, each said once."""
    return "; ".join(dict.fromkeys(reason for reason in (before, now) if reason))


def _with_relaxation(state: ConversationState, request: WorkingRequest) -> WorkingRequest:
    """A wish that led nowhere is dropped for good, so that the next refinement starts from what is on the table."""
    return request if request.wishes != state["request"].wishes else state["request"]


def _without_drop_offers(intent: Intent) -> Intent:
    """The intent before this node made offers; it may run twice in a turn."""
    offers = [offer for offer in intent.offers if offer.kind not in {OfferKind.drop, OfferKind.dropped}]
    return intent.model_copy(update={"offers": offers})


def _offering(intent: Intent, relaxation: Relaxation | None, found: int, *, dropped: bool) -> Intent:
    """The intent with what the next message may say "drop it" or "keep it" to, unless something else was asked."""
    if relaxation is None or intent.offers or (not dropped and relaxation.count <= found):
        return intent
    words = _quoted([wish.words for wish in relaxation.wishes])
    kind = OfferKind.dropped if dropped else OfferKind.drop
    return intent.model_copy(update={"offers": [Offer(kind=kind, words=words, wishes=list(relaxation.wishes))]})


def _closest(result: RecommendResult, relaxation: Relaxation | None, outcome: Outcome, context: AgentContext) -> str:
    noun = context.catalogue.item_noun
    if outcome.relaxed:
        say = f"say {_quoted(['keep it'])} if it must stay"
        return f"Nothing fits all of that, so I dropped {_quoted(outcome.relaxed)}; {say}."
    if not result.items:
        return f"No {noun} fit all of that; try a wider filter or say {_quoted(['start over'])}."
    count = len(result.items)
    found = f"Only {count} {noun} fit all of that" if count != 1 else f"Only 1 {singular(noun)} fits all of that"
    if relaxation is None or relaxation.count <= count:
        return f"{found}."
    without_it = f"without {_quoted([w.words for w in relaxation.wishes])} it would be {relaxation.count}"
    return f"{found}; {without_it}: say {_quoted(['drop it'])} if it may go."


def _quoted(words: list[str]) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{join_words(words)}\N{RIGHT DOUBLE QUOTATION MARK}"
