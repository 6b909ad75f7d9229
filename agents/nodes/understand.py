"""understand: the message becomes an Intent, the running request changes, and what the user said of items is noted."""

from __future__ import annotations

from typing import Any

from agents.context import AgentContext
from agents.intent import Act, Intent
from agents.linking import suggest
from agents.merging import merge, prune
from agents.nodes.step import step
from agents.question import best_question, may_ask, too_open
from agents.reading.turns import heard_switch
from agents.remembering import remember
from agents.request import allowed
from agents.state import ConversationState, WorkingRequest
from agents.understanding.scene import Scene


@step("understand")
async def understand(state: ConversationState, context: AgentContext) -> tuple[dict[str, Any], str]:
    """Read the message by rules and apply it; what it says of how texts are shown is taken out first."""
    heard = await heard_switch(state, context)
    if heard is None:
        return await _understood(state, context)
    if not heard.rest:
        return {"intent": heard.intent(state)}, heard.note
    changes, detail = await _understood({**state, "message": heard.rest}, context)
    intent: Intent = changes["intent"]
    changes["intent"] = intent.model_copy(update={"notes": [heard.note, *intent.notes]})
    return {**changes, "message": heard.rest}, f"{heard.note} {detail}"


async def _understood(state: ConversationState, context: AgentContext) -> tuple[dict[str, Any], str]:
    catalogue = context.catalogue
    scene = scene_of(state, context)
    intent = context.understanding.understand(state["message"], scene)
    refused = (
        scene.previous is not None and bool(scene.previous.question) and scene.previous.unlinked == intent.unlinked
    )
    if not refused:
        intent = await suggest(intent, state["user_id"], context)
    remembered = remember(state, scene, intent, context)
    changes = remembered.into(apply(state, scene, intent, context), state, scene)
    changes["intent"] = intent = _with_question(intent, changes, scene, state, context)
    if intent.act is Act.compare:
        changes["focus"] = ""
    elif intent.items and intent.items[0] in catalogue:
        changes["focus"] = intent.items[0]
    elif len(intent.anchors) == 1 and intent.anchors[0] in {card.item_id for card in scene.slate}:
        changes["focus"] = intent.anchors[0]
    elif intent.act is Act.recommend and (intent.fresh or changes.get("slate") == []):
        changes["focus"] = ""
    return changes, describe(intent)


def scene_of(state: ConversationState, context: AgentContext) -> Scene:
    """What the message was said into, without items that this release doesn't have."""
    catalogue = context.catalogue
    request = state.get("request")
    return Scene(
        slate=[card for card in state.get("slate", []) if card.item_id in catalogue],
        focus=state.get("focus", "") if state.get("focus", "") in catalogue else "",
        request=prune(request, catalogue, catalogue.fields) if request is not None else None,
        previous=known_intent(state.get("intent"), context),
    )


def apply(state: ConversationState, scene: Scene, intent: Intent, context: AgentContext) -> dict[str, Any]:
    """Changes to the state that an intent makes; thumbs and seen items are stored (twice is as good as once)."""
    earlier = state.get("earlier_requests", [])
    if intent.act is Act.undo:
        return _undo(scene, earlier, intent, state, context)
    if intent.act is Act.reset:
        seen = scene.request.seen if scene.request else []
        # a thread without a running request starts its next message as a new one
        blank = {"request": WorkingRequest(seen=seen), "slate": [], "shown": [], "focus": ""}
        return {"intent": intent, **blank, "earlier_requests": _remember(earlier, scene.request, context)}
    if intent.act is not Act.recommend:
        return {"intent": intent}
    _note_opinions(state, intent, context)
    before = scene.request
    if intent.back and earlier:
        before = prune(_earlier(earlier, intent.back), context.catalogue, context.catalogue.fields)
        earlier = earlier[: -intent.back]
    request = merge(before, intent, state.get("shown", []), state["message"], context.understanding.roles)
    return {
        "intent": intent,
        "request": request,
        "shown": [] if intent.fresh else state.get("shown", []),
        "earlier_requests": _remember(earlier, before, context),
    }


def known_intent(intent: Intent | None, context: AgentContext) -> Intent | None:
    """A reading of an earlier turn without items and fields that this release doesn't have."""
    if intent is None:
        return None
    catalogue = context.catalogue
    offers = [
        offer
        for offer in intent.offers
        if all(item in catalogue for item in offer.items) and all(w.field in catalogue.fields for w in offer.wishes)
    ]
    wishes = [wish for wish in intent.wishes if wish.field in catalogue.fields]
    items = [item for item in intent.items if item in catalogue]
    return intent.model_copy(update={"offers": offers, "wishes": wishes, "items": items})


def _with_question(
    intent: Intent, changes: dict[str, Any], scene: Scene, state: ConversationState, context: AgentContext
) -> Intent:
    """The intent with what has to be asked back: which items, or what somebody unknown feels like."""
    if intent.act is Act.compare and len(intent.items) < 2 and scene.slate and not intent.question:
        size = len(scene.slate)
        question = f"Which two do you mean? Give me their numbers, from 1 to {size}, or their titles."
        return intent.model_copy(update={"question": question})
    user_id = state["user_id"]
    if intent.question or not (too_open(intent, changes["request"]) if "request" in changes else False):
        return intent
    if context.recommender.history(user_id, 1) or context.feedback.of(user_id):
        return intent
    if not may_ask(scene.previous, state.get("messages", [])):
        return intent
    seen = [item for item in context.feedback.seen(user_id) if item in context.catalogue]
    candidates = allowed(changes["request"], state.get("page_filter"), seen, context.catalogue)
    best = best_question(candidates, context.catalogue, context.understanding.roles)
    return intent.model_copy(update={"question": best.text, "offers": best.offers}) if best else intent


def describe(intent: Intent) -> str:
    """An intent in a few words, for the list of steps."""
    parts = [intent.act.value]
    if intent.act is Act.recommend:
        parts.append("new request" if intent.fresh else "refined")
        parts += [wish.words for wish in intent.wishes[:6]]
        if intent.anchors:
            parts.append(f"like {len(intent.anchors)} item{'s' if len(intent.anchors) > 1 else ''}")
        if intent.seen:
            parts.append(f"{len(intent.seen)} seen")
        if intent.dropped:
            parts.append(f"no longer bound: {', '.join(intent.dropped[:4])}")
        if intent.aside:
            parts.append(f"beside it: {intent.aside.value}")
    elif intent.slots:
        parts.append(", ".join(f"slot {slot}" for slot in intent.slots[:5]))
    return "; ".join(parts)[:200]


def after_understand(state: ConversationState) -> str:
    """Where to go from here."""
    act = state["intent"].act
    if act is Act.recommend or (act is Act.undo and state.get("slate") != []):
        return "recommend"
    if act is Act.reading:
        return "calm"
    enough = act is Act.compare and len(state["intent"].items) >= 2
    return "explain" if act in {Act.why, Act.about} or enough else "respond"


def _undo(
    scene: Scene, earlier: list[WorkingRequest], intent: Intent, state: ConversationState, context: AgentContext
) -> dict[str, Any]:
    if not earlier:
        return {"intent": intent, "slate": []}
    previous = _earlier(earlier, intent.back)
    taken_back = [item for item in (scene.request.seen if scene.request else []) if item not in previous.seen]
    context.feedback.unmark_seen(state["user_id"], taken_back)
    previous = prune(previous, context.catalogue, context.catalogue.fields)
    return {
        "intent": intent,
        "request": previous,
        "shown": [],
        "focus": "",
        "earlier_requests": earlier[: -max(1, intent.back)],
    }


def _earlier(earlier: list[WorkingRequest], back: int) -> WorkingRequest:
    """The request so many steps back; the oldest that is kept when there are fewer."""
    return earlier[-min(max(1, back), len(earlier))]


def _note_opinions(state: ConversationState, intent: Intent, context: AgentContext) -> None:
    user_id = state["user_id"]
    context.feedback.mark_seen(user_id, intent.seen, context.thread_id)
    for items, value in ((intent.liked, 1), (intent.disliked, -1)):
        for item_id in items:
            context.feedback.set(user_id, item_id, value, context.thread_id)


def _remember(
    earlier: list[WorkingRequest], request: WorkingRequest | None, context: AgentContext
) -> list[WorkingRequest]:
    return [*earlier, request][-context.config.max_earlier_requests :] if request is not None else earlier
