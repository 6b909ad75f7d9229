"""respond: the answer's text, by the language model where it is up to it, else and otherwise by rules."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any

from agents.answers import about_items, finish, opening_line, opening_notes, slate_answer, small_talk
from agents.context import AgentContext
from agents.events import TokenEvent
from agents.grounding import Facts, SentenceFilter
from agents.intent import Act
from agents.llm.protocol import LLMError
from agents.nodes.step import emit, step
from agents.state import ChatMessage, ConversationState, Outcome
from prompts import PromptMessage, render_messages

MAX_SENTENCES = 4
"""A longer answer of the model is cut."""
CARDS_IN_PROMPT = 5
"""Slots the model is told of; more would only make it slower."""
_WITH_SLATE = {Act.recommend, Act.undo}


@step("respond")
async def respond(state: ConversationState, context: AgentContext) -> tuple[dict[str, Any], str]:
    """Write the answer, stream it, and put it into the thread."""
    if state["rejected"]:
        text, outcome = _say(state["rejected"]), state["outcome"]
    elif _wants_model(state, context):
        text, outcome = await _by_model(state, context)
    else:
        text, outcome = _say(_by_rules(state, context)), _unless_off(state, context)
    outcome = outcome.model_copy(update={"text": text})
    cards = state["slate"] if outcome.slate_changed else []
    answer = ChatMessage(
        role="assistant",
        content=text,
        created=time.time(),
        slate=cards,
        steps=state.get("steps", []),
        degraded=bool(outcome.degraded_reason),
        degraded_reason=outcome.degraded_reason,
    )
    return {"outcome": outcome, "messages": [answer]}, f"written by {outcome.llm if outcome.llm != 'none' else 'rules'}"


def _by_rules(state: ConversationState, context: AgentContext) -> str:
    catalogue, roles, intent = context.catalogue, context.understanding.roles, state["intent"]
    if intent.act in {Act.why, Act.about, Act.compare}:
        return finish(intent, about_items(state))
    if intent.act in _WITH_SLATE and state["outcome"].slate_changed:
        return finish(intent, slate_answer(state, catalogue, roles))
    return finish(intent, small_talk(state, catalogue, roles))


def _wants_model(state: ConversationState, context: AgentContext) -> bool:
    """Only slates are presented by the model: reasons and item texts are given as they are, small talk is quick."""
    return (
        context.llm.available
        and state["intent"].act in _WITH_SLATE
        and bool(state.get("slate"))
        and state["outcome"].slate_changed
        and context.budget.remaining_seconds > 0
    )


def _unless_off(state: ConversationState, context: AgentContext) -> Outcome:
    """A model that should be there and isn't makes the turn degraded; one that is switched off doesn't."""
    status = context.llm.status
    missing = status.state not in {"off", "ready"} and state["intent"].act in _WITH_SLATE
    if not missing or state["outcome"].degraded_reason:
        return state["outcome"]
    reason = status.reason or f"the language model is {status.state}"
    return state["outcome"].model_copy(update={"degraded_reason": f"{reason}; answered by rules"})


async def _by_model(state: ConversationState, context: AgentContext) -> tuple[str, Outcome]:
    outcome = state["outcome"]
    said: list[str] = []
    # what must be said is said by rules, first; the model can't forget or change it
    for note in [*opening_notes(state, context.catalogue), outcome.closest]:
        if note:
            said.append(_stream_out(note, said))
    # nobody waits for the model to learn what the list is: rules say that at once, the model goes on from there
    said.append(_stream_out(opening_line(state, context.catalogue, context.understanding.roles), said))
    facts = Facts(state["slate"], _wish_words(state), context.understanding.title_forms)
    sentences = SentenceFilter(facts)
    written: list[str] = []
    failure = ""
    try:
        pieces = context.llm.stream(_prompt(state, context), budget=context.budget, max_tokens=140, name="respond")
        async with aclosing(pieces) as stream:
            deadline = time.monotonic() + context.config.first_words_seconds
            async for piece in _timely(stream, lambda: bool(written), deadline):
                for sentence in _limited(sentences.push(piece), MAX_SENTENCES - len(written)):
                    written.append(_stream_out(sentence, said))
                    said.append(written[-1])
                if len(written) >= MAX_SENTENCES:
                    break
        for sentence in _limited(sentences.close(), MAX_SENTENCES - len(written)):
            written.append(_stream_out(sentence, said))
            said.append(written[-1])
    except LLMError as error:
        failure = f"the language model broke off ({error.kind}); the answer was finished by rules"
    if failure or not written:
        rules = slate_answer(_without_notes(state), context.catalogue, context.understanding.roles, opening=False)
        said.append(_stream_out(rules, said))
        failure = failure or "nothing the language model wrote could be checked against the facts; rules answered"
    if state["intent"].question:
        said.append(_stream_out(state["intent"].question, said))
    name = context.llm.name if written else "none"
    reason = failure or outcome.degraded_reason
    return "".join(said), outcome.model_copy(update={"llm": name, "degraded_reason": reason})


async def _timely(stream: AsyncIterator[str], begun: Callable[[], bool], deadline: float) -> AsyncIterator[str]:
    """The stream's pieces; an LLMError when nothing usable has come by the deadline (monotonic seconds)."""
    while True:
        left = None if begun() else max(0.0, deadline - time.monotonic())
        try:
            yield await asyncio.wait_for(anext(stream), left)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise LLMError("timeout", "the language model took too long to begin") from None


def _prompt(state: ConversationState, context: AgentContext) -> Sequence[PromptMessage]:
    return render_messages(
        "respond",
        noun=context.catalogue.item_noun,
        wish=_wish_words(state),
        notes=[],
        cards=[
            {"slot": card.slot, "facts": "; ".join(_fact_lines(card.facts))}
            for card in state["slate"][:CARDS_IN_PROMPT]
        ],
    )


def _fact_lines(facts: dict[str, Any]) -> Iterable[str]:
    """Facts as the model reads them; only values that look like a name or a number, never a sentence."""
    for name, value in facts.items():
        values = [str(v) for v in (value if isinstance(value, list) else [value])][:3]
        short = [v for v in values if len(v) <= 40 and len(v.split()) <= 5]
        if short:
            yield f"{name.replace('_', ' ')}: {', '.join(short)}"


def _wish_words(state: ConversationState) -> str:
    request = state["request"]
    return ", ".join(
        dict.fromkeys([*(wish.words for wish in request.wishes), *([request.words] if request.words else [])])
    )[:300]


def _without_notes(state: ConversationState) -> ConversationState:
    """The state for the rules' second half of an answer: notes have been said already."""
    said: dict[str, Any] = {
        "notes": [],
        "unlinked": [],
        "seen": [],
        "liked": [],
        "disliked": [],
        "aside": None,
        "question": "",
    }
    intent = state["intent"].model_copy(update=said)
    outcome = state["outcome"].model_copy(update={"closest": "", "cold_start": False})
    return {**state, "intent": intent, "outcome": outcome}


def _limited(sentences: Iterable[str], room: int) -> list[str]:
    return list(sentences)[: max(0, room)]


def _say(text: str) -> str:
    """Stream a text by rules, sentence by sentence."""
    for piece in re.findall(r".+?(?:[.!?](?=\s)\s+|$)", text, flags=re.DOTALL):
        emit(TokenEvent(text=piece))
    return text


def _stream_out(text: str, said: list[str]) -> str:
    piece = f" {text}" if said else text
    emit(TokenEvent(text=piece))
    return piece
