"""refine: the language model reads the message too; where it adds something, the request is answered again."""

from __future__ import annotations

from typing import Any

from agents.context import AgentContext
from agents.llm.protocol import LLMError, TurnBudget
from agents.llm.schemas import intent_schema
from agents.merging import merge
from agents.nodes.step import step
from agents.refining import kinds_of, worth_a_second_reading
from agents.refining import refine as refine_intent
from agents.state import ConversationState
from prompts import render_messages

CHANGED = "request changed"
"""Detail of a step after which the request is answered again."""


@step("refine")
async def refine(state: ConversationState, context: AgentContext) -> tuple[dict[str, Any], str]:
    """Ask the model, when a word was left that no rule knew."""
    outcome = state["outcome"].model_copy(update={"refined": True})
    intent = state["intent"]
    if not worth_a_second_reading(intent):
        return {"outcome": outcome}, "rules were sure"
    if not context.llm.available:
        return {"outcome": outcome}, "no language model"
    request = state["request"]
    kinds = kinds_of(context.catalogue, context.understanding.roles)
    messages = render_messages("intent", noun=context.catalogue.item_noun, kinds=kinds, message=state["message"])
    try:
        # the schema lets the model want only kinds that there are
        reply = await context.llm.complete_json(
            messages, intent_schema(kinds), budget=_share(context), max_tokens=120, name="intent"
        )
    except LLMError as error:
        reason = f"the language model could not read the message ({error.kind}); rules did"
        return {"outcome": outcome.model_copy(update={"degraded_reason": reason})}, error.kind
    finer = refine_intent(
        intent, reply.grounded(state["message"]), state["message"], context.understanding, context.titles
    )
    if finer == intent:
        return {"outcome": outcome}, "nothing to add"
    # the request is built again from the one before this turn, so nothing is merged twice
    earlier = state.get("earlier_requests", [])
    before = earlier[-1] if earlier else None
    merged = merge(before, finer, [], state["message"], context.understanding.roles)
    merged = merged.model_copy(
        update={"exclude": request.exclude, "seen": request.seen, "fact_turns": request.fact_turns}
    )
    return {"outcome": outcome, "intent": finer, "request": merged}, CHANGED


def after_refine(state: ConversationState) -> str:
    """Where to go from here."""
    return "recommend" if state["steps"][-1].detail == CHANGED else "explain"


def _share(context: AgentContext) -> TurnBudget:
    """The turn's budget; when the second reading would eat what the answer needs, it gets less time."""
    return _Part(context.budget, context.config.refine_seconds)


class _Part(TurnBudget):
    """A part of a turn's budget: calls and tokens are booked on the whole, the clock is its own and shorter."""

    def __init__(self, whole: TurnBudget, seconds: float) -> None:
        super().__init__(calls=whole.calls, tokens=whole.tokens, seconds=min(seconds, whole.remaining_seconds))
        self._whole = whole
        self.start()

    def take_call(self) -> None:
        """Pay for one request, from the part and from the whole."""
        super().take_call()
        self._whole.take_call()

    def spend_tokens(self, count: int) -> None:
        """Book tokens on both."""
        super().spend_tokens(count)
        self._whole.spend_tokens(count)
