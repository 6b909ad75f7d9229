"""The conversation over the real recommender: a tiny release in every run, MovieLens where one was built."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from agents.conversation import ConversationService
from agents.events import EndEvent
from agents.llm.none import NoChatModel
from recsys_core.releases.store import ReleaseStore
from recsys_core.serving.recommender import Recommender
from tests.agents.conftest import Talk


async def test_the_dialogue_on_a_tiny_release(tiny_recommender: Recommender, tmp_path: Path) -> None:
    catalogue = tiny_recommender.catalogue
    anchor = next(i for i in range(len(catalogue)) if "Thriller" in catalogue.tags("genre")[i])
    async with ConversationService(tiny_recommender, NoChatModel(), tmp_path) as service:
        talk = Talk(service, user_id=tiny_recommender.log.users[0])
        await dialogue(talk, catalogue.titles[anchor], catalogue.ids[anchor])


@pytest.mark.realdata
async def test_the_dialogue_on_movielens(tmp_path: Path) -> None:
    store = ReleaseStore(Path(os.environ.get("SIDRA_HOME", "var")))
    current = store.current_id() if store.root.is_dir() else None
    if current is None or "movielens" not in store.open().manifest.dataset.get("name", ""):
        pytest.skip("no MovieLens release in SIDRA_HOME; run `sidra build`")
    recommender = Recommender.open(store.open(), threads=1)
    fargo = recommender.catalogue.ids[recommender.catalogue.titles.index("Fargo")]
    async with ConversationService(recommender, NoChatModel(), tmp_path) as service:
        talk = Talk(service, user_id="42")
        first = await dialogue(talk, "Fargo", fargo)
        kinds = [set(card.facts["genre"]) for card in first.cards]
        assert sum(bool(kind & {"Comedy", "Crime"}) for kind in kinds) >= 4
        french = await Talk(service, user_id="42").say("light-hearted French films from the 1990s")
        assert french.cards
        for card in french.cards:
            assert "France" in card.facts["country"]
            assert 1990 <= card.facts["year"] <= 1999


async def dialogue(talk: Talk, title: str, item_id: str) -> EndEvent:
    """The four turns that must work; returns the first answer."""
    first = await talk.say(f"something like {title} but funnier")
    assert isinstance(first, EndEvent)
    assert first.cards
    assert item_id not in [card.item_id for card in first.cards]
    median = np.median([card.facts["year"] for card in first.cards])
    second = await talk.say("not that old")
    assert len(second.cards) >= 2
    assert all(card.facts["year"] > median for card in second.cards)
    why = await talk.say("why the second one?")
    about = second.cards[1]
    assert about.title in why.text
    assert why.cards == []
    last = await talk.say("I've seen it, more like it")
    got = [card.item_id for card in last.cards]
    assert got
    assert about.item_id not in got
    assert item_id not in got
    assert all(card.facts["year"] > median for card in last.cards)
    return first
