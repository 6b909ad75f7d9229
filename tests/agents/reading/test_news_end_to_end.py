"""News from two CSV files to calm cards: import, build, talk; with the real classifier and the real release."""

from __future__ import annotations

from pathlib import Path

from agents.conversation import ConversationService
from agents.events import CalmEvent, SlateEvent
from agents.llm.none import NoChatModel
from recsys_core.catalog.importer import ColumnMapping, import_dataset
from recsys_core.releases.build import build_release
from recsys_core.releases.store import ReleaseStore
from recsys_core.serving.recommender import Recommender
from tests.agents.conftest import Talk
from tests.conftest import TINY_BUILD
from tests.news import NEWS, write_news

ROWS = {row[0]: row for row in NEWS}


async def test_headlines_come_out_calm_with_their_facts(tmp_path: Path) -> None:
    items, log = write_news(tmp_path)
    columns = ColumnMapping().with_flags(["item_noun=articles"])
    report = import_dataset(items, log, columns, tmp_path / "datasets", "news", 0.0)
    few = TINY_BUILD.model_copy(update={"train": TINY_BUILD.train.model_copy(update={"epochs": 3})})
    build_release(report.path, ReleaseStore(tmp_path), few)
    recommender = Recommender.open(ReleaseStore(tmp_path).open(), threads=1)
    async with ConversationService(recommender, NoChatModel(), tmp_path / "talk") as service:
        talk = Talk(service, "reader3", k=10)
        await talk.say("cool mode")
        end = await talk.say("sci/tech")
        assert end.cards
        readings = {r.item_id: r for e in talk.events if isinstance(e, CalmEvent) for r in e.readings}
        assert set(readings) == {card.item_id for card in end.cards}
        kinds = [type(e) for e in talk.events]
        assert kinds.index(SlateEvent) < kinds.index(CalmEvent)
        for item, reading in readings.items():
            assert (reading.title, reading.text) == ROWS[item][1:3]
            assert reading.stimulus_shown <= reading.stimulus + 0.02
            assert all(number in reading.shown_text for number in ("9 million", "14.2") if number in reading.text)
            assert not reading.background or reading.background in ROWS[reading.background_item][2]
            assert not reading.background or ROWS[reading.background_item][3] == ROWS[item][3]
        again = await service.readings.read("reader3", talk.thread_id, list(readings), recommender)
        assert [(r.shown_title, r.shown_text) for r in again] == [
            (r.shown_title, r.shown_text) for r in readings.values()
        ]
