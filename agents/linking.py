"""Names that no rule could link: what they may mean, by spelling and by nearness of vectors, with a confidence.

From `tools.titles.LIKELY` on, rules have linked a name already. What stays below is said to be unknown; from SUGGEST on
the answer asks "did you mean ...?", and nothing is used before the user says yes.
"""

from __future__ import annotations

import asyncio

from rapidfuzz import fuzz

from agents.cards import join_words, spoken_title
from agents.context import AgentContext
from agents.intent import Intent, Offer, OfferKind, Wish
from agents.understanding.vocabulary import phrase_for
from tools import ToolContext, registry
from tools.items import Hits, LinkArguments, SearchArguments
from tools.titles import plain, title_forms, without_article

SUGGEST = 0.68
"""From this confidence on, what a name may mean is put to the user."""
CLOSE = 0.04
"""A second candidate this near the first is named, too."""
_OTHER_BEGINNING = 0.1
"""Taken off a spelling that begins with another letter."""
_MEANING = 0.3
"""Weight of the vectors' similarity beside that of the spelling."""


async def suggest(intent: Intent, user_id: str, context: AgentContext) -> Intent:
    """The intent with a question, when its first unknown name is near something that the catalogue has."""
    if not intent.unlinked or intent.question:
        return intent
    name = intent.unlinked[0]
    found = await asyncio.to_thread(candidates, name, context, context.tools(user_id))
    near = [(offer, sure) for offer, sure in found if sure >= SUGGEST]
    if not near:
        return intent
    offers = [offer for offer, sure in near[:2] if near[0][1] - sure <= CLOSE]
    question = f"Did you mean {join_words([offer.words for offer in offers], 'or')}?"
    return intent.model_copy(update={"question": question, "offers": offers})


def candidates(name: str, context: AgentContext, tools: ToolContext) -> list[tuple[Offer, float]]:
    """What a name may mean, most certain first: items by spelling and vector, people by spelling."""
    linked = registry.invoke("link_title", LinkArguments(text=name[:300], limit=5), Hits, tools).hits
    near = registry.invoke("search_items", SearchArguments(text=name[:500], k=5), Hits, tools).hits
    meaning = {hit.item_id: max(0.0, min(1.0, hit.similarity)) for hit in near}
    titles = {hit.item_id: hit.title for hit in [*linked, *near]}
    found: list[tuple[Offer, float]] = []
    for item_id, title in titles.items():
        spelling = _alike(name, title)
        sure = max(spelling, (1 - _MEANING) * spelling + _MEANING * meaning.get(item_id, 0.0))
        if item_id in context.catalogue:
            found.append((Offer(kind=OfferKind.meant, words=spoken_title(title), items=[item_id]), sure))
    person = context.understanding.people.nearest(name)
    if person is not None:
        field, value, sure = person
        words = phrase_for(field, value, False, context.understanding.roles, [value])
        wish = Wish(field=field, values=[value], words=words)
        found.append((Offer(kind=OfferKind.meant, words=value, wishes=[wish]), sure))
    return sorted(found, key=lambda candidate: -candidate[1])


def _alike(name: str, title: str) -> float:
    """Likeness of spelling, 0 to 1, with the nearest form of a title."""
    wanted = without_article(plain(name))
    return max((_spelt(wanted, without_article(form)) for form in title_forms(title)), default=0.0)


def _spelt(wanted: str, form: str) -> float:
    # who misspells a title gets its first letter right: "Interstellar" is no "Cinderella"
    alike = fuzz.ratio(wanted, form) / 100
    return alike if wanted[:1] == form[:1] else alike - _OTHER_BEGINNING
