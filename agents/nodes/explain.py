"""explain: measured reasons for every card, or the long answer to "why" and "what is it about"."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from agents.cards import first_reason, join_words, sentence, spoken_title
from agents.context import AgentContext
from agents.events import SlateEvent
from agents.intent import Act
from agents.measured import measured_text, variants
from agents.merging import prune
from agents.nodes.compare import compared
from agents.nodes.recommend import both_reasons, tool_arguments
from agents.nodes.step import emit, step
from agents.profile.quoting import fitting_line
from agents.request import satisfies
from agents.state import ConversationState, SlateCard, WorkingRequest
from agents.why import about_text, why_text
from recsys_core.catalog.items import Item
from tools import ToolContext, registry
from tools.inert import inert
from tools.intervene import InterveneArguments, Intervention
from tools.items import ItemArguments
from tools.recommend import Because, ExplainArguments, Explanation, RecommendArguments

WEIGHS_IN = 0.02
"""History items whose removal lowers an item's log-probability by less are not called a reason."""


@step("explain")
async def explain(state: ConversationState, context: AgentContext) -> tuple[dict[str, Any], str]:
    """Give reasons; the final slate goes out with them."""
    intent = state["intent"]
    if intent.act in {Act.why, Act.about, Act.compare}:
        return await _about_items(state, context)
    aside = await _beside(state, context)
    args = tool_arguments(state["request"], state, context)
    tools = context.tools(state["user_id"])
    deadline = time.perf_counter() + context.config.evidence_ms / 1000
    cards = []
    measured = 0
    degraded = state["outcome"].degraded_reason
    for card in state["slate"]:
        if time.perf_counter() < deadline and context.meter.left:
            explanation = await asyncio.to_thread(_measure, card.item_id, args, tools)
            card = card.model_copy(update={"reason": _reason(card, explanation, state["request"], context, tools)})
            degraded = both_reasons(degraded, explanation.degraded_reason)
            measured += 1
        cards.append(card)
    emit(SlateEvent(cards=cards, final=True, note=state["outcome"].closest))
    outcome = aside.get("outcome", state["outcome"])
    degraded = both_reasons(outcome.degraded_reason, degraded)
    outcome = outcome.model_copy(update={"degraded_reason": degraded})
    return {"slate": cards, **aside, "outcome": outcome}, f"{measured} of {len(cards)} measured"


async def _beside(state: ConversationState, context: AgentContext) -> dict[str, Any]:
    """The answer to a question asked beside a request; it is about the request before."""
    intent, earlier = state["intent"], state.get("earlier_requests", [])
    if intent.aside is None:
        return {}
    before = earlier[-1] if earlier else WorkingRequest()
    asked = intent.model_copy(update={"act": intent.aside})
    return (await _about_items({**state, "intent": asked, "request": before}, context))[0]


async def _about_items(state: ConversationState, context: AgentContext) -> tuple[dict[str, Any], str]:
    because: dict[str, str] = {}
    degraded = state["outcome"].degraded_reason
    tools = context.tools(state["user_id"])
    # it is older than this turn, and what it names may be gone
    request = prune(state.get("request") or WorkingRequest(), context.catalogue, context.catalogue.fields)
    if state["intent"].act is Act.compare:
        because = compared(state, request, context)
        return {"outcome": state["outcome"].model_copy(update={"because": because})}, "compared"
    for item_id in state["intent"].items[:3]:
        item = registry.invoke("item_details", ItemArguments(item_id=item_id), Item, tools)
        if state["intent"].act is Act.about:
            because[item_id] = about_text(item, context.catalogue, context.understanding.roles)
            continue
        because[item_id], reason = await _why(item, request, state, context, tools)
        degraded = both_reasons(degraded, reason)
    because = {item_id: inert(text) for item_id, text in because.items()}
    outcome = state["outcome"].model_copy(update={"because": because, "degraded_reason": degraded})
    return {"outcome": outcome}, f"{len(because)} items"


async def _why(
    item: Item, request: WorkingRequest, state: ConversationState, context: AgentContext, tools: ToolContext
) -> tuple[str, str]:
    """What it fits, then what was measured by taking wishes and history away; likeness only where neither tells.

    The second text says why another engine than asked for did the measuring; empty when none did.
    """
    catalogue, roles = context.catalogue, context.understanding.roles
    args = tool_arguments(request, state, context)
    fits = [wish for wish in request.wishes if not wish.negative and satisfies(wish, item.id, catalogue)]
    less = variants(request, catalogue)
    asked = InterveneArguments(
        item_id=item.id,
        request=_with(item.id, args),
        without=[_with(item.id, tool_arguments(variant, state, context)) for _, variant in less],
        budget_ms=context.config.evidence_ms,
    )
    result = await asyncio.to_thread(registry.invoke, "intervene", asked, Intervention, tools)
    measured = measured_text(result, [label for label, _ in less])
    if not measured:
        explanation = await asyncio.to_thread(_measure, item.id, args, tools)
        degraded = both_reasons(result.degraded_reason, explanation.degraded_reason)
        return why_text(item, _weighing(explanation), fits, request, catalogue, roles), degraded
    facts = why_text(item, [], fits, request, catalogue, roles) if fits or request.anchors else ""
    text = f"{facts} {measured}" if facts else f"{spoken_title(item.title)}: {measured}"
    return text, result.degraded_reason


def _with(item_id: str, args: RecommendArguments) -> RecommendArguments:
    """The request under which the item may be on the list, whatever was excluded because it was shown."""
    return args.model_copy(update={"exclude": [i for i in args.exclude if i != item_id]})


def _measure(item_id: str, args: RecommendArguments, tools: ToolContext) -> Explanation:
    # the item itself is on the slate, so nothing that was excluded because it was shown may stand in the way
    asked = ExplainArguments(item_id=item_id, request=_with(item_id, args))
    return registry.invoke("explain_item", asked, Explanation, tools)


def _weighing(explanation: Explanation) -> list[Because]:
    return [because for because in explanation.because_of if because.weight >= WEIGHS_IN]


def _reason(
    card: SlateCard, explanation: Explanation, request: WorkingRequest, context: AgentContext, tools: ToolContext
) -> str:
    catalogue = context.catalogue
    fits = [wish for wish in request.wishes if not wish.negative and satisfies(wish, card.item_id, catalogue)]
    facts = first_reason(card.item_id, fits, request, catalogue, context.understanding.roles).removesuffix(".")
    history = [b for b in _weighing(explanation) if b.item_id not in request.anchors][:2]
    parts = [facts] if facts else []
    if history:
        liked = all(tools.feedback.get(b.item_id, 0) > 0 for b in history)
        titles = join_words([spoken_title(b.title) for b in history])
        parts.append(f"because you liked {titles}" if liked else f"weighed most from your history: {titles}")
    elif not facts:
        line = fitting_line(card.item_id, context.profile_of(tools.user_id)[1].splitlines(), catalogue)
        parts.append(
            f"fits your profile: \N{LEFT DOUBLE QUOTATION MARK}{line.rstrip('.')}\N{RIGHT DOUBLE QUOTATION MARK}"
            if line
            else "a favourite of people with a taste like yours"
            if not tools_cold(context, tools)
            else "liked by many"
        )
    return sentence(inert("; ".join(parts)))


def tools_cold(context: AgentContext, tools: ToolContext) -> bool:
    """True when nothing is known of the user."""
    return not context.recommender.history(tools.user_id) and not tools.feedback


def after_recommend(state: ConversationState) -> str:
    """Where to go from `recommend`: a second reading, when it is due, else the reasons."""
    return "explain" if state["outcome"].refined else "refine"
