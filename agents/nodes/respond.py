"""respond: the answer's text, by the language model where it is up to it, else and otherwise by rules."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any

from agents.answers import about_items, finish, opening_line, opening_notes, slate_answer, small_talk
from agents.claims import Claims
from agents.context import AgentContext
from agents.events import TokenEvent
from agents.grounding import Facts, SentenceFilter
from agents.intent import Act
from agents.llm.protocol import LLMError
from agents.nodes.step import emit, step
from agents.reading.wording import in_mode, worded
from agents.state import ChatMessage, ConversationState, Outcome
from agents.vetted import vetted_facts
from prompts import PromptMessage, render_messages, untrusted
from tools.inert import inert, without_hidden

MAX_SENTENCES = 4
"""A longer answer of the model is cut."""
MEND_SECONDS = 4.0
"""A sentence is asked for again only while the turn has more time left than this."""
CARDS_IN_PROMPT = 5
"""Slots the model is told of; more would only make it slower."""
_WITH_SLATE = {Act.recommend, Act.undo}


@step("respond")
async def respond(state: ConversationState, context: AgentContext) -> tuple[dict[str, Any], str]:
    """Write the answer, in the wording that the person chose, stream it, and put it into the thread."""
    with await worded(state, context):
        return await _respond(state, context)


async def _respond(state: ConversationState, context: AgentContext) -> tuple[dict[str, Any], str]:
    dropped: list[str] = []
    if state["rejected"]:
        text, outcome = _say(state["rejected"]), state["outcome"]
    elif _wants_model(state, context):
        text, outcome = await _by_model(state, context, dropped)
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
    return {"outcome": outcome, "messages": [answer]}, _detail(outcome, dropped)


def _detail(outcome: Outcome, dropped: list[str]) -> str:
    """Who wrote it, and what was left out and why."""
    by = f"written by {outcome.llm if outcome.llm != 'none' else 'rules'}"
    return f"{by}; dropped: {'; '.join(inert(each) for each in dropped[:3])}"[:300] if dropped else by


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


async def _by_model(state: ConversationState, context: AgentContext, dropped: list[str]) -> tuple[str, Outcome]:
    outcome = state["outcome"]
    said: list[str] = []
    # what must be said is said by rules, first; the model can't forget or change it
    for note in [*opening_notes(state, context.catalogue), outcome.closest]:
        if note:
            said.append(_stream_out(note, said))
    # nobody waits for the model to learn what the list is: rules say that at once, the model goes on from there
    said.append(_stream_out(opening_line(state, context.catalogue, context.understanding.roles), said))
    sentences = SentenceFilter(facts_of_slate(state, context))
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
        if not sentences.lost or len(written) >= MAX_SENTENCES:
            mended = None
        else:
            mended = await _mended(sentences, state, context)
        if mended:
            written.append(_stream_out(mended, said))
            said.append(written[-1])
    except LLMError as error:
        failure = f"the language model broke off ({error.kind}); the answer was finished by rules"
    dropped += sentences.dropped
    if failure or not written:
        rules = slate_answer(_without_notes(state), context.catalogue, context.understanding.roles, opening=False)
        said.append(_stream_out(rules, said))
        failure = failure or "nothing the language model wrote could be checked against the facts; rules answered"
    if state["intent"].question:
        said.append(_stream_out(state["intent"].question, said))
    name = context.llm.name if written else "none"
    reason = failure or outcome.degraded_reason
    return "".join(said), outcome.model_copy(update={"llm": name, "degraded_reason": reason})


async def _mended(sentences: SentenceFilter, state: ConversationState, context: AgentContext) -> str | None:
    """Another sentence for the first one that was dropped: asked for once, checked alike, or left out for good."""
    if context.budget.remaining_seconds <= MEND_SECONDS:
        return None
    messages = [
        *_prompt(state, context),
        PromptMessage(role="assistant", content=untrusted(sentences.lost[0])),
        *render_messages("mend", noun=context.catalogue.item_noun, problem=sentences.dropped[0]),
    ]
    again: list[str] = []
    try:
        pieces = context.llm.stream(messages, budget=context.budget, max_tokens=50, name="mend")
        async with aclosing(pieces) as stream:
            deadline = time.monotonic() + context.config.first_words_seconds
            async for piece in _timely(stream, lambda: False, deadline):
                again.extend(sentences.push(piece))
                if again:
                    break
        again.extend(sentences.close())
    except LLMError as error:
        # the answer stands without it
        sentences.dropped.append(f"and not written again ({error.kind})")
    return again[0] if again else None


def facts_of_slate(state: ConversationState, context: AgentContext) -> Facts:
    """What the text of this turn may speak of."""
    said = _wish_words(state)
    rules = context.understanding
    claims = Claims(state["slate"], context.catalogue, rules.roles, rules.vocabulary, said)
    return Facts(state["slate"], said, rules.title_forms, claims)


async def _timely(stream: AsyncIterator[str], begun: Callable[[], bool], deadline: float) -> AsyncIterator[str]:
    """The stream's pieces; an LLMError when nothing usable has come by the deadline (monotonic seconds)."""
    while True:
        left = None if begun() else max(0.0, deadline - time.monotonic())
        try:
            # not wait_for: before Python 3.12 it can swallow the cancellation of a turn that the user has stopped
            async with asyncio.timeout(left):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise LLMError("timeout", "the language model took too long to begin") from None
        yield piece


def _prompt(state: ConversationState, context: AgentContext) -> Sequence[PromptMessage]:
    return render_messages(
        "respond",
        noun=context.catalogue.item_noun,
        wish=_wish_words(state),
        notes=[],
        cards=[
            {"slot": card.slot, "facts": "; ".join(vetted_facts(card.facts, context.catalogue))}
            for card in state["slate"][:CARDS_IN_PROMPT]
        ],
    )


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
    outcome = state["outcome"].model_copy(update={"closest": "", "cold_start": False, "recalled": []})
    return {**state, "intent": intent, "outcome": outcome}


def _limited(sentences: Iterable[str], room: int) -> list[str]:
    return list(sentences)[: max(0, room)]


def _say(text: str) -> str:
    """Stream a text by rules, sentence by sentence."""
    text = without_hidden(in_mode(text))
    for piece in re.findall(r".+?(?:[.!?](?=\s)\s+|$)", text, flags=re.DOTALL):
        emit(TokenEvent(text=piece))
    return text


def _stream_out(text: str, said: list[str]) -> str:
    piece = without_hidden(f" {in_mode(text)}" if said else in_mode(text))
    emit(TokenEvent(text=piece))
    return piece
