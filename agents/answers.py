"""Answers by rules: whole sentences from slate, request and notes, varied but the same for the same turn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from agents.cards import join_words, plain_title, sentence, singular, spoken_title
from agents.intent import Act, Intent
from agents.state import ConversationState, SlateCard, WorkingRequest
from agents.understanding.roles import Roles
from agents.why import told_fact
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.generator.protocol import Task

_QUOTE = "\N{LEFT DOUBLE QUOTATION MARK}{}\N{RIGHT DOUBLE QUOTATION MARK}"
_OPENINGS = ("Here {are} {what}", "I found {what}", "Try {these}: {what}", "How about {what}")
_REFINED = ("Changed: here {are} {what}", "Then {what}", "All right, {what}", "With that in mind, here {are} {what}")
_HELLO = (
    "Hello! Tell me what you feel like: a kind, a mood, a country, a time, or a title you liked.",
    "Hi! What do you feel like? A mood, a genre, a title you liked: anything helps.",
    "Good to see you. Name a mood, a kind, or a title you liked, and I will look.",
)
_THANKS = (
    "You're welcome. Say more whenever you like, or \N{LEFT DOUBLE QUOTATION MARK}start "
    "over\N{RIGHT DOUBLE QUOTATION MARK} for something else.",
    "Glad to help. I can refine this or begin something new.",
    "Any time. A thumb up or down on a card helps me with the next answer.",
)
_RESET = (
    "Forgotten. What do you feel like now?",
    "A clean slate. What shall I look for?",
    "Started over. What would you like?",
)
_NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def small_talk(state: ConversationState, catalogue: Catalogue, roles: Roles) -> str:
    """The answer to a turn that asks for no items."""
    act = state["intent"].act
    if act is Act.hello:
        return _pick(_HELLO, state)
    if act is Act.thanks:
        return _pick(_THANKS, state)
    if act is Act.reset:
        return _pick(_RESET, state)
    if act is Act.undo:
        return "There is nothing more to go back to."
    if act is Act.clarify:
        return _which_one(state)
    if act in {Act.memory, Act.reading}:
        return " ".join([*state["intent"].notes, *state["outcome"].recalled])
    return help_text(catalogue, roles)


def help_text(catalogue: Catalogue, roles: Roles) -> str:
    """What can be asked of this catalogue, with examples from its own values."""
    noun = catalogue.item_noun
    examples = []
    for name in roles.genres[:1]:
        values = [value.lower() for value in catalogue.fields[name].values]
        examples += [f"{values[0]} {noun}", f"no {values[-1]}"] if len(values) > 1 else values
    if roles.country and catalogue.fields[roles.country].values:
        examples.append(f"from {catalogue.fields[roles.country].values[-1]}")
    if roles.year:
        examples.append("from the nineties")
    if roles.duration:
        examples.append("under two hours")
    examples.append("something like a title you love")
    refined = join_words([_QUOTE.format("not that old"), _QUOTE.format("but funnier")], "or")
    return (
        f"I recommend {noun} from this catalogue. Say what you feel like, for example {join_words(examples, 'or')}. "
        f"Then refine it ({refined}), ask {_QUOTE.format('why the second one?')}, "
        f"or say {_QUOTE.format('I have seen it, more like it')}."
    )


def about_items(state: ConversationState) -> str:
    """The answer to "why" and "what is it about"."""
    intent, size = state["intent"], len(state.get("slate", []))
    unknown = [f"I don't know {_QUOTE.format(plain_title(name))} in this catalogue." for name in intent.unlinked]
    told = list(state["outcome"].recalled)
    told += [state["outcome"].because[item] for item in intent.items if item in state["outcome"].because]
    slots = {card.slot for card in state.get("slate", [])}
    missing = [slot for slot in intent.slots if slot not in slots]
    if missing:
        told.append(_no_such_slot(missing, size))
    told = [*unknown, *told, *([intent.question] if intent.question else [])]
    return " ".join(told) or "I have no list on the table yet; tell me what you feel like first."


_PREPOSITIONS = frozenset({"about", "at", "by", "for", "from", "in", "like", "of", "on", "to", "with", "without"})
"""A kind in these words stands behind its noun: "films about gangsters", not "about gangsters films"."""


def slate_answer(state: ConversationState, catalogue: Catalogue, roles: Roles, *, opening: bool = True) -> str:
    """The answer that goes with a slate; without its opening sentence when something has been said already."""
    cards, outcome = state["slate"], state["outcome"]
    parts = list(opening_notes(state, catalogue))
    question = state["intent"].question
    if not cards:
        return " ".join([*parts, outcome.closest, question]).strip()
    if outcome.closest:
        parts.append(outcome.closest)
    if opening:
        parts.append(opening_line(state, catalogue, roles))
    parts.append(_first_card(cards[0], catalogue, roles))
    if len(cards) > 1:
        parts.append(_second_card(cards[1 : min(len(cards), 4)], state, catalogue, roles))
    parts.append(question)
    return " ".join(part for part in parts if part)


def opening_notes(state: ConversationState, catalogue: Catalogue) -> list[str]:
    """What has to be said before the list: unknown names, assumptions, noted opinions, a cold start."""
    intent, outcome = state["intent"], state["outcome"]
    titles = {item: spoken_title(catalogue.get(item).title) for item in [*intent.seen, *intent.liked, *intent.disliked]}
    notes = [outcome.because[item] for item in intent.items if intent.aside and item in outcome.because]
    notes += [f"I don't know {_QUOTE.format(plain_title(name))} in this catalogue." for name in intent.unlinked]
    notes += [*intent.notes, *outcome.recalled]
    if intent.seen:
        notes.append(
            f"Noted: you know {join_words([titles[i] for i in intent.seen])}, so I won't bring "
            f"{_them(intent.seen)} again."
        )
    if intent.liked:
        notes.append(f"Good to know you like {join_words([titles[i] for i in intent.liked])}.")
    if intent.disliked:
        notes.append(f"I will stay away from {join_words([titles[i] for i in intent.disliked])} and the like.")
    if outcome.cold_start and state.get("turn", 1) == 1:
        notes.append("I don't know your taste yet, so this goes by your words and by what many like.")
    return notes


def opening_line(state: ConversationState, catalogue: Catalogue, roles: Roles) -> str:
    """The sentence that says what the list is: "Here are five funny films from the 1990s."."""
    count, request = len(state["slate"]), state["request"]
    noun = catalogue.item_noun if count != 1 else singular(catalogue.item_noun)
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    before, after = _described(request, catalogue, roles, state["message"] if state["intent"].fresh else request.words)
    what = " ".join([number, *before, noun]) + after
    options = _OPENINGS if state["intent"].fresh else _REFINED
    plural = count != 1
    text = _pick(options, state).format(what=what, these="these" if plural else "this", are="are" if plural else "is")
    return text + ("?" if text.startswith("How") else ".")


def _described(request: WorkingRequest, catalogue: Catalogue, roles: Roles, asked: str) -> tuple[list[str], str]:
    """The request around its noun: (["funny", "French"], " in the vein of Fargo, from the 1990s, no horror")."""
    moods: list[str] = []
    kinds: list[str] = []
    after: list[str] = []
    for wish in request.wishes:
        kind = not wish.negative and not wish.is_range and wish.field in roles.genres
        if kind and len(wish.words.split()) <= 3 and wish.words.split()[0].lower() not in _PREPOSITIONS:
            # "five dark thriller films": how it feels comes before what it is, whichever was said first
            (kinds if wish.hard else moods).append(wish.words.lower())
        else:
            after.append(wish.words.lower() if wish.field in roles.genres else wish.words)
    feelings = [f"{word}," for word in list(dict.fromkeys(moods))[:-1]] + list(dict.fromkeys(moods))[-1:]
    before = list(dict.fromkeys([*feelings, *kinds]))
    after += _occasion(request, asked, said=bool(before or after or request.anchors))
    like = [spoken_title(catalogue.get(i).title) for i in request.anchors[:3]]
    vein = f" in the vein of {join_words(like)}" if like else ""
    details = list(dict.fromkeys(after))
    return before, vein + (
        (", " if vein or details[0].startswith("no ") else " ") + ", ".join(details)
        if details
        else ""
        if vein or before
        else " you may like"
    )


def _occasion(request: WorkingRequest, asked: str, *, said: bool) -> list[str]:
    """What the task adds to the description; words that no wish stands for are quoted."""
    if request.task is Task.long_tail:
        return ["that few people know"]
    if request.task is Task.discover:
        return ["off the beaten track"]
    if request.task in {Task.holiday, Task.season} and " for " in f" {request.words}":
        return [f"for {plain_title(request.words.rsplit('for ', 1)[1])}"]
    words = asked.strip(" .!?") if len(asked) <= 80 else request.words
    return [f"for {_QUOTE.format(plain_title(words))}"] if request.words and not said else []


def _first_card(card: SlateCard, catalogue: Catalogue, roles: Roles) -> str:
    return f"{_named(card, catalogue, roles)} comes first{_because(card)}."


def _second_card(cards: Sequence[SlateCard], state: ConversationState, catalogue: Catalogue, roles: Roles) -> str:
    if len(cards) == 1:
        return f"The other is {_named(cards[0], catalogue, roles)}."
    names = join_words([_named(card, catalogue, roles) for card in cards[:2]])
    return _pick(("Also worth a look: {}.", "Close behind: {}.", "Next come {}."), state).format(names)


def _named(card: SlateCard, catalogue: Catalogue, roles: Roles) -> str:
    facts = card.facts
    told = [
        told_fact(name, facts[name], roles)
        for name in (roles.year, *roles.genres[:1], *roles.makers[:1])
        if name in facts
    ]
    title = spoken_title(card.title)
    return f"{title} ({', '.join(told)})" if told else title


def _because(card: SlateCard) -> str:
    reason = card.reason.removesuffix(".")
    if not reason:
        return ""
    first = reason[:1].lower() + reason[1:] if not reason.startswith("I ") else reason
    return f": it {first}" if first.startswith("shares") else f", {first}"


def _which_one(state: ConversationState) -> str:
    size = len(state.get("slate", []))
    if state["intent"].unlinked:
        unknown = join_words([_QUOTE.format(plain_title(name)) for name in state["intent"].unlinked], "or")
        then = state["intent"].question or "Check the spelling, or name another title, a kind or a mood."
        return f"I don't know {unknown} in this catalogue. {then}"
    if size == 0:
        return "I have no list on the table yet; tell me what you feel like first."
    slots = [slot for slot in state["intent"].slots if not 1 <= slot <= size]
    if slots:
        return _no_such_slot(slots, size)
    return f"Which one do you mean? Give me its number, from 1 to {size}, or its title."


def _no_such_slot(missing: list[int], size: int) -> str:
    if not size:
        return "I have no list on the table yet; tell me what you feel like first."
    return (
        f"There is no number {join_words([str(n) for n in missing[:5]], 'or')} on the list; it goes from 1 to {size}."
    )


def _them(items: list[str]) -> str:
    return "it" if len(items) == 1 else "them"


def _pick(options: Sequence[str], state: ConversationState) -> str:
    """One of several wordings, the same whenever the same turn is answered again."""
    seed = f"{state.get('turn', 0)}|{state.get('message', '')}".encode()
    return options[hashlib.sha256(seed).digest()[0] % len(options)]


def finish(intent: Intent, text: str) -> str:
    """A text that ends like a sentence; never empty."""
    return sentence(text) or ("I have nothing to say to that." if intent.act is not Act.recommend else "Here you are.")
