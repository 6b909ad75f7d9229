"""Reasons that quote a headline follow the mode, there and back again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from agents.cards import spoken_title
from agents.reading.wording import reasons_in_mode
from agents.state import SlateCard
from tests.agents.conftest import film_catalogue

CATALOGUE = film_catalogue()
ITEM = CATALOGUE.ids[0]
LOUD, CALM = spoken_title(CATALOGUE.get(ITEM).title), "A calm town"


def context(shown: str) -> Any:
    async def read(*_: Any) -> list[Any]:
        return [SimpleNamespace(title=CATALOGUE.get(ITEM).title, shown_title=shown)]

    return SimpleNamespace(
        readings=SimpleNamespace(read=read),
        recommender=SimpleNamespace(history=lambda *_: [ITEM]),
        feedback=SimpleNamespace(of=lambda user: {}),
        catalogue=CATALOGUE,
        thread_id="t",
    )


async def test_a_reason_is_the_original_again_after_the_switch_back() -> None:
    card = SlateCard(slot=1, item_id="2", title="Another", reason=f"Because you liked {LOUD}.")
    state: Any = {"user_id": "u", "slate": [card], "request": SimpleNamespace(anchors=[])}
    (calm,) = await reasons_in_mode(state, context(CALM))
    assert calm.reason == f"Because you liked {CALM}."
    assert calm.reason_written == card.reason
    (back,) = await reasons_in_mode({**state, "slate": [calm]}, context(LOUD))
    assert back == card
