"""A realistic set of utterances with their readings; see `utterances.py` for the notation."""

from __future__ import annotations

import pytest

from agents.intent import Act, Intent, Wish
from agents.state import SlateCard, WorkingRequest
from agents.understanding.rules import RuleUnderstanding
from agents.understanding.scene import Scene
from recsys_core.catalog.catalogue import Catalogue
from tests.agents.understanding.utterances import FILMS, SHOP
from tools.titles import TitleIndex


def lines(table: str) -> list[tuple[str, str, str]]:
    found = []
    for line in table.strip().splitlines():
        said, _, expected = line.partition(" => ")
        found.append((said[0], said[2:], expected))
    return found


def _range(wish: Wish) -> str:
    return "..".join("" if value is None else f"{value:g}" for value in (wish.low, wish.high))


def _wish(wish: Wish) -> str:
    sign = "-" if wish.negative else "+" if wish.hard else "~"
    return f"{sign}{wish.field}:{'|'.join(wish.values).replace(' ', '_') or _range(wish)}"


def brief(intent: Intent) -> set[str]:
    """An intent in the notation of the table, without words, residue and notes."""
    told = {_wish(wish) for wish in intent.wishes}
    told |= {intent.act.value} if intent.act is not Act.recommend else set()
    told |= {"new"} if intent.fresh else set()
    told |= {"more"} if intent.more else set()
    for name, values in (
        ("like", intent.anchors), ("slots", intent.slots), ("items", intent.items), ("barred", intent.barred), ("seen", intent.seen),
        ("liked", intent.liked), ("disliked", intent.disliked), ("unlinked", intent.unlinked),
    ):  # fmt: skip
        told |= {f"{name}={','.join(str(v) for v in values).replace(' ', '_')}"} if values else set()
    for name in ("mood", "aspect", "k", "back"):
        value = getattr(intent, name)
        told |= {f"{name}={value}".replace(" ", "_")} if value else set()
    told |= {f"aside={intent.aside.value}"} if intent.aside else set()
    told |= {f"task={intent.task.value}"} if intent.task and intent.task.value not in _PLAIN else set()
    for field in intent.dropped:
        meant = [r for r in intent.released if r.field == field]
        told |= {f"dropped={field}{_released(meant[0]) if meant else ''}"}
    return told


_PLAIN = {"query", "category", "for_you"}


def _released(wish: Wish) -> str:
    if wish.values:
        return f":{'-' if wish.negative else ''}{'|'.join(wish.values)}".replace(" ", "_")
    return ":<" if wish.high is not None else ":>"


@pytest.fixture(scope="module")
def rules(films: Catalogue) -> RuleUnderstanding:
    return RuleUnderstanding(films, TitleIndex(films.titles, films.numbers("year")))


@pytest.fixture(scope="module")
def scenes(films: Catalogue) -> dict[str, Scene]:
    ids = ["1", "8", "2", "7", "11"]
    slate = [SlateCard(slot=n, item_id=i, title=films.get(i).title) for n, i in enumerate(ids, start=1)]
    running = [
        Wish(field="country", values=["United States"], words="from United States"),
        Wish(field="genre", values=["Crime"], words="Crime"),
        Wish(field="genre", values=["Comedy"], hard=False, words="funny"),
        Wish(field="genre", values=["Horror"], negative=True, words="no Horror"),
    ]
    request = WorkingRequest(wishes=running, words="funny")
    return {"-": Scene(), "S": Scene(slate=slate, focus="8", request=request)}


@pytest.mark.parametrize(("scene", "message", "expected"), lines(FILMS), ids=lambda v: str(v)[:60])
def test_films(rules: RuleUnderstanding, scenes: dict[str, Scene], scene: str, message: str, expected: str) -> None:
    assert brief(rules.understand(message, scenes[scene])) == set(expected.split())


@pytest.mark.parametrize(("scene", "message", "expected"), lines(SHOP), ids=lambda v: str(v)[:60])
def test_a_shop(shop: RuleUnderstanding, scene: str, message: str, expected: str) -> None:
    assert brief(shop.understand(message, Scene())) == set(expected.split())


def test_the_set_is_large_enough() -> None:
    assert len({message for _, message, _ in [*lines(FILMS), *lines(SHOP)]}) >= 200
