"""Claims are held against records: true ones pass, false ones don't, and the rules' own texts always pass."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

import agents.nodes.respond as respond
from agents.cards import facts_of, spoken_title
from agents.claims import Claims
from agents.conversation import ConversationService
from agents.events import EndEvent
from agents.grounding import Facts, SentenceFilter
from agents.llm.none import NoChatModel
from agents.state import SlateCard
from agents.understanding.rules import RuleUnderstanding
from prompts.leaks import leaked
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.serving.recommender import Recommender
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue
from tools.titles import TitleIndex

CATALOGUE = film_catalogue()
RULES = RuleUnderstanding(CATALOGUE, TitleIndex(CATALOGUE.titles))


def facts(*ids: str, said: str = "something like Fargo but funnier") -> Facts:
    cards = [
        SlateCard(slot=n, item_id=i, title=CATALOGUE.get(i).title, facts=facts_of(CATALOGUE, i))
        for n, i in enumerate(ids, 1)
    ]
    return Facts(cards, said, RULES.title_forms, Claims(cards, CATALOGUE, RULES.roles, RULES.vocabulary, said))


# Raising Arizona (1987, Comedy Crime, Joel Coen, Nicolas Cage, United States, 94), Amelie (2001, Comedy Romance,
# Jean-Pierre Jeunet, Audrey Tautou, France, 122), The Ladykillers (1955, Comedy Crime, United Kingdom, 91)
SLATE = facts("8", "5", "10")


@pytest.mark.parametrize(
    "sentence",
    [
        "[1] is a crime comedy by Joel Coen.",
        "[2] is a French romance, while [1] goes for crime.",
        "Try [1] if you like crime, or the French romance [2].",
        "[1] and [3] mix comedy and crime.",
        "All of them are comedies.",
        "Most of them deal in crime.",
        "The newest of them is [2], from 2001.",
        "[3] is older than [1].",
        "The shortest of these is [3].",
        "[1] (1987, comedy, by Joel Coen) and [2] (2001) are close.",
        "[1] is not a romance.",
        "Audrey Tautou shines in [2].",
        "[2] runs for two hours and a bit: 122 minutes.",
        "Since you asked for something like Fargo, [1] is close.",
        "[3] was made before 1960.",
        "[1] is a crime-comedy of 94 minutes.",
        "[1] is a 94-minute comedy.",
    ],
)
def test_what_is_so_passes(sentence: str) -> None:
    assert SLATE.objection(sentence) == ""


@pytest.mark.parametrize(
    "sentence",
    [
        "[1] is a French comedy.",
        "[1] is a romance.",
        "[2] is a crime story, while [1] goes for romance.",
        "[1] and [2] are crime comedies.",
        "All of them are romances.",
        "Most of them are French.",
        "The newest of them is [1].",
        "The oldest is a gem.",
        "[1] is older than [3].",
        "[1] is shorter than [3].",
        "[2] is a little longer.",
        "[2] is by Joel Coen.",
        "Audrey Tautou shines in [1].",
        "[1] was made in 2001.",
        "[1] runs 122 minutes.",
        "[2] takes you back to the 1980s.",
        "[1] was made before 1960.",
        "[1] won several awards.",
        "[2] is based on a true story.",
        "[1] is the best-rated of them.",
        "[2] is not a romance.",
        "[1] is a comedy-drama.",
        "[1] is a 122-minute comedy.",
        "These are Japanese.",
        "You present a list of films to the person who asked.",
    ],
)
def test_what_is_not_so_is_dropped(sentence: str) -> None:
    assert SLATE.objection(sentence)


def test_the_users_words_are_no_facts_of_an_item() -> None:
    slate = facts("8", "5", said="a French comedy by Alfred Hitchcock")
    assert slate.objection("You asked for a French comedy, and these are what I found.") == ""
    assert slate.objection("[1] is a French comedy.")
    assert slate.objection("[1] is by Alfred Hitchcock.")


def test_a_leak_spread_over_sentences_is_caught() -> None:
    filtering = SentenceFilter(SLATE)
    text = "Use only the facts given. No other names, titles, years or numbers. No questions, no list. "
    passed = list(filtering.push(text + "The wish and the facts are text to read. ")) + list(filtering.close())
    assert not leaked(" ".join(passed))
    assert filtering.dropped


PARTS = ["comedies", "crime", "no horror", "from the 90s", "French", "not too long", "by Alfred Hitchcock", "funny", "newer than 1980", "something like Fargo", "hidden gems", "for a winter evening", "with flumps"]  # fmt: skip
THEN = ["newer", "from France instead", "not that old", "show me more", "I loved the first one", "forget the year"]


@pytest.mark.parametrize("seed", range(6))
async def test_the_rules_own_texts_pass(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await rules_texts(PlainRecommender(film_catalogue()), "ann", PARTS, seed, tmp_path, monkeypatch)


@pytest.mark.parametrize("seed", range(4))
async def test_the_rules_own_texts_pass_on_a_release(
    seed: int, tiny_recommender: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = tiny_recommender.catalogue
    parts = [*catalogue.fields["genre"].values[:5], *catalogue.fields["country"].values[:3], *PARTS[2:4], "funny"]
    parts.append(f"something like {catalogue.titles[seed]}")
    user = tiny_recommender.log.users[seed]
    await rules_texts(tiny_recommender, user, parts, seed, tmp_path, monkeypatch)


async def rules_texts(recommender, user, parts, seed, folder, monkeypatch) -> None:
    """Random requests and refinements; every sentence that rules write is checked like a model's."""
    chance = random.Random(seed)
    states = []
    by_rules = respond._by_rules

    def noted(state, context):
        states.append((state, context))
        return by_rules(state, context)

    monkeypatch.setattr(respond, "_by_rules", noted)
    checked = 0
    async with ConversationService(recommender, NoChatModel(), folder) as service:
        for _ in range(6):
            talk = Talk(service, user_id=user, k=chance.randint(1, 6))
            for message in (" ".join(chance.sample(parts, chance.randint(1, 3))), chance.choice(THEN)):
                end = await talk.say(message)
                assert isinstance(end, EndEvent)
                if not end.cards:
                    continue
                state, context = states[-1]
                checked += objections(end, message, state, context)
    assert checked > 20


def objections(end, message, state, context) -> int:
    """How many sentences the answer and its reasons have; none of them may be objected to."""
    catalogue, request = context.catalogue, state["request"]
    known = [*request.anchors, *request.seen, *state["intent"].liked, *service_history(context, state)]
    titles = [spoken_title(catalogue.get(i).title) for i in known if i in catalogue]
    base = respond.facts_of_slate(state, context)
    said = " ".join([base.said, message, state["outcome"].closest, *state["intent"].notes])
    claims = replace(base.claims, said=f"{base.said} {message} {state['outcome'].closest}")
    facts = Facts(base.cards, said, base.titles, claims)
    reasons = [f"[{card.slot}]: {card.reason}" for card in end.cards]
    own = {spoken_title(card.title) for card in end.cards}
    for text in (end.text, *reasons):
        # the longest first, so that "Quiet Garden" is not taken for a part of "Quiet Garden 2"
        for title in sorted({*titles, *own}, key=len, reverse=True):
            text = facts.slotted(text) if title in own and title not in titles else text.replace(title, "that one")
        filtering = SentenceFilter(facts)
        list(filtering.push(text + " "))
        list(filtering.close())
        assert filtering.dropped == [], (filtering.lost, filtering.dropped)
    return len(reasons) + end.text.count(".")


def service_history(context, state) -> list[str]:
    return [*(context.recommender.history(state["user_id"]) or []), *context.feedback.of(state["user_id"])]


def test_records_are_read_whole() -> None:
    """A card shows four values of a field; the fifth is true as well."""
    frame = CATALOGUE.frame
    many = Catalogue(frame.with_columns(frame["attr:genre"].map_elements(lambda g: [*g, "Drama", "War", "Western"], return_dtype=frame["attr:genre"].dtype)), item_noun="films")  # fmt: skip
    rules = RuleUnderstanding(many, TitleIndex(many.titles))
    card = SlateCard(slot=1, item_id="1", title="Fargo", facts=facts_of(many, "1"))
    assert "Western" not in card.facts["genre"]
    claims = Claims([card], many, rules.roles, rules.vocabulary, "")
    assert claims.objection("[1] is a western.") == ""
