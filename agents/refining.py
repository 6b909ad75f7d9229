"""What a language model's reading adds to the rules' reading: linked to the catalogue, or not used at all.

Rules win: numbers, slots, seen items and everything they understood stay. The model only helps with words that no rule
knew, and only where those words, or the ones it proposes for them, are in the message.
"""

from __future__ import annotations

from agents.intent import Act, Intent, Wish
from agents.llm.schemas import IntentReply
from agents.understanding.roles import Roles
from agents.understanding.rules import RuleUnderstanding
from agents.understanding.vocabulary import phrase_for
from agents.vetted import is_vetted
from recsys_core.catalog.catalogue import Catalogue
from tools.titles import SURE, TitleIndex, plain

KINDS = 30
"""How many kinds are put into the prompt."""
MAX_KIND_CHARS = 24
"""Longer values are texts, not kinds."""


def kinds_of(catalogue: Catalogue, roles: Roles) -> list[str]:
    """Kinds that the model may propose: the commonest values of the kind field, as far as they are words."""
    for name in roles.genres[:1]:
        values = catalogue.fields[name].values[:KINDS]
        short = [value for value in values if len(value) <= MAX_KIND_CHARS and len(value.split()) <= 3]
        return [value for value in short if is_vetted(name, value, catalogue)]
    return []


def worth_a_second_reading(intent: Intent) -> bool:
    """True when words were left that no rule knew, or a title wasn't found."""
    return intent.act is Act.recommend and bool(intent.residue or intent.unlinked)


def refine(intent: Intent, reply: IntentReply, message: str, rules: RuleUnderstanding, titles: TitleIndex) -> Intent:
    """The intent with what the model added; the same object's equal when it added nothing.

    Args:
        intent: the rules' reading.
        reply: the model's reading.
        message: what was said; the model's words must come from it or be values of the catalogue.
        rules: vocabulary of the catalogue.
        titles: titles of the catalogue.
    """
    guesses = not _tells_a_kind(intent, rules.roles)
    out = {plain(phrase) for phrase in reply.avoid} & {plain(phrase) for phrase in reply.want}
    known = {(wish.field, value) for wish in intent.wishes for value in wish.values}
    wishes = list(intent.wishes)
    for phrase, negative in [*((p, False) for p in [*reply.want, reply.mood]), *((p, True) for p in reply.avoid)]:
        if not phrase or plain(phrase) in out:
            continue
        for wish in _wishes(phrase, negative, message, rules, guesses=guesses):
            if not {(wish.field, value) for value in wish.values} & known:
                wishes.append(wish)
                known |= {(wish.field, value) for value in wish.values}
    anchors = list(intent.anchors)
    said = f" {plain(message)} "
    for name in reply.like:
        best = next(iter(titles.link(name, 1)), None)
        item_id = rules.catalogue.ids[best.index] if best is not None and best.confidence >= SURE else None
        if item_id and item_id not in anchors and f" {plain(name)} " in said and not rules.vocabulary.knows(name):
            anchors.append(item_id)
    heard = reply.mood and not intent.mood and (guesses or _said(reply.mood, message))
    mood = rules.vocabulary.mood(reply.mood) if heard else None
    named = mood.words if mood is not None and not mood.topic else intent.mood
    return intent.model_copy(update={"wishes": wishes, "anchors": anchors[:20], "mood": named})


def _tells_a_kind(intent: Intent, roles: Roles) -> bool:
    """Whether the message said what kind of thing is meant: by a kind, an example, or by going on with a list.

    What is left of such a message is mostly talk ("my nephews are visiting"), and a small model makes kinds of that.
    """
    kinds = any(wish.field in roles.genres for wish in intent.wishes)
    return bool(kinds or intent.anchors or intent.seen or intent.liked or intent.disliked or intent.more)


def _said(phrase: str, message: str) -> bool:
    return f" {plain(phrase)} " in f" {plain(message)} "


def _wishes(phrase: str, negative: bool, message: str, rules: RuleUnderstanding, *, guesses: bool) -> list[Wish]:
    vocabulary, roles = rules.vocabulary, rules.roles
    spoken = _said(phrase, message)
    if not spoken and not guesses:
        return []
    meanings = vocabulary.lookup(phrase)[:1]
    if meanings:
        # a value that was not said is the model's guess: liked, not demanded
        return [
            Wish(
                field=m.field,
                values=list(m.values),
                negative=negative and spoken,
                hard=False if not negative else spoken,
                words=phrase_for(m.field, phrase, negative, roles, list(m.values)),
            )
            for m in meanings
            if spoken or not negative
        ]
    mood = vocabulary.mood(phrase)
    if mood is None or negative:
        return []
    for field in roles.genres:
        if values := vocabulary.pick(field, mood.values):
            return [Wish(field=field, values=list(values), hard=False, words=mood.words)]
    return []
