"""A recommender and a conversation service small enough to have no model in them, for tests of the doors alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel

from agents.errors import ThreadNotFound
from agents.events import CalmEvent, EndEvent, ErrorEvent, Event, SlateEvent, StartEvent, StepEvent, TokenEvent
from agents.llm.none import NoChatModel
from agents.profile.service import ProfileService
from agents.remembering import Memory
from agents.state import ChatMessage, SlateCard
from agents.store import (
    Database,
    FactStore,
    FeedbackStore,
    ProfileStore,
    ReadingStore,
    SqliteDatabase,
    ThreadInfo,
)
from agents.view import View
from app.failures import ApiError
from app.runtime import Runtime, Stage
from app.settings import Settings
from app.tuning_job import TuneBody
from recsys_core.catalog.changes import Applied, CatalogueChanges, Change, check, offering
from recsys_core.catalog.synth import synthetic
from recsys_core.generator.protocol import GenerateRequest, GenerateResult, ScoredItem
from recsys_core.releases.new_items import catalogue_after
from recsys_core.releases.release import Manifest
from recsys_core.serving.plan import AS_BUILT
from tests.reading_fakes import plain_readings


class ThreadHistory(BaseModel):
    messages: list[ChatMessage]


class FakeRecommender:
    """Items in catalogue order under the filter and the exclusions."""

    def __init__(self) -> None:
        self.catalogue, self.log = synthetic(40, 20, seed=3)
        manifest = Manifest(id="r-test", created="2026-01-01T00:00:00Z", dataset={"name": "made"}, item_count=40)
        # no folder: served as built, and nothing can be promoted
        self.release = SimpleNamespace(id="r-test", manifest=manifest, path=Path("/dev/null/r-test"))
        self.scorer = SimpleNamespace(plan=AS_BUILT)
        self.generator = "compact"
        self.asked: list[GenerateRequest] = []

    def recommend(self, requests: list[GenerateRequest], model: str = "sidra") -> list[GenerateResult]:
        self.asked += requests
        return [self._one(request) for request in requests]

    def _one(self, request: GenerateRequest) -> GenerateResult:
        self.catalogue.indices([*request.history, *request.exclude, *request.avoid, *request.anchors])
        gone = {*request.exclude, *request.avoid, *request.history}
        keep = None if request.filter is None else request.filter.mask(self.catalogue)
        allowed = [i for n, i in enumerate(self.catalogue.ids) if i not in gone and (keep is None or keep[n])]
        items = [
            ScoredItem(item_id=i, sid=[0, n], log_probability=-float(n), score=-float(n)) for n, i in enumerate(allowed)
        ]
        return GenerateResult(
            items=items[: request.k],
            exhausted=len(allowed) < request.k,
            allowed=len(allowed),
            cold_start=not request.history,
            release="r-test",
            generator=self.generator,
        )

    changes = 0

    def history(self, user_id: str, limit: int | None = None) -> list[str] | None:
        user = self.log.user(user_id)
        if user is None:
            return None
        found = [self.catalogue.ids[i] for i in self.log.sequence(user)]
        return found if limit is None else found[-limit:]

    def ratings(self, user_id: str) -> dict[str, float]:
        return {item: float(place % 5 + 1) for place, item in enumerate(self.history(user_id) or [])}

    def search(self, text: str, k: int = 10, where: Any = None) -> list[Any]:
        return [SimpleNamespace(item_id=i, title=i, similarity=0.5) for i in self.catalogue.ids[:k]]

    def similar(self, item_id: str, k: int = 10) -> list[Any]:
        return [hit for hit in self.search("", k + 1) if hit.item_id != item_id][:k]

    def close(self) -> None:
        return None


class FakeConversations:
    """Answers with the first items that have no thumb down; `say` of a test decides what else happens."""

    def __init__(self, recommender: FakeRecommender, database: Database) -> None:
        self.recommender = recommender
        self.database = database
        self.feedback = FeedbackStore(database)
        self.background_llm = NoChatModel()
        self.profiles = ProfileService(self.background_llm, ProfileStore(database))
        self.memory = Memory(FactStore(database))
        self.readings = plain_readings(ReadingStore(database))
        self.stored: dict[str, tuple[str, list[ChatMessage]]] = {}
        self.cancelled = asyncio.Event()
        self.asked: list[dict[str, Any]] = []

    async def turn(self, **asked: Any) -> AsyncIterator[Event]:
        self.asked.append(asked)
        thread, user, message = asked["thread_id"], asked["user_id"], asked["message"]
        if thread is None:
            thread = f"thread-{len(self.stored) + 1}"
            self.stored[thread] = (user, [])
        elif self.stored.get(thread, ("", []))[0] != user:
            raise ThreadNotFound(thread)
        yield StartEvent(thread_id=thread, turn=len(self.stored[thread][1]) // 2 + 1, release="r-test")
        yield StepEvent(node="understand", status="start")
        try:
            if message == "hang":
                await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        yield StepEvent(node="understand", status="end", ms=1.5, detail="one wish")
        if message == "break":
            yield ErrorEvent(code="turn_failed", message="It broke.")
            return
        down = {item for item, value in self.feedback.of(user).items() if value < 0}
        keep = None if asked["filter"] is None else asked["filter"].mask(self.recommender.catalogue)
        ids = [i for n, i in enumerate(self.recommender.catalogue.ids) if i not in down and (keep is None or keep[n])]
        cards = [self._card(slot, item) for slot, item in enumerate(ids[: asked["k"]], 1)]
        yield SlateEvent(cards=cards, final=True)
        if asked.get("reading") is not None:
            await self.readings.choose(user, thread, asked["reading"])
        items = [card.item_id for card in cards]
        if any(mode != "raw" for mode in self.readings.modes(user, thread, items).values()):
            yield CalmEvent(readings=await self.readings.read(user, thread, items, self.recommender))  # type: ignore[arg-type]
        for word in ("Here ", "you ", "are."):
            yield TokenEvent(text=word)
        said = [ChatMessage(role="user", content=message, created=1.0)]
        said.append(ChatMessage(role="assistant", content="Here you are.", created=2.0, slate=cards))
        self.stored[thread][1].extend(said)
        yield EndEvent(thread_id=thread, text="Here you are.", cards=cards, release="r-test", timings_ms={"total": 2.0})

    async def threads(self, user_id: str) -> list[ThreadInfo]:
        mine = [(i, said) for i, (user, said) in self.stored.items() if user == user_id and said]
        return [ThreadInfo(id=i, title=said[0].content, updated=2.0, turns=len(said) // 2) for i, said in mine]

    async def history(self, thread_id: str, user_id: str) -> Any:
        user, said = self.stored.get(thread_id, ("", []))
        if user != user_id:
            raise ThreadNotFound(thread_id)
        return ThreadHistory(messages=said)

    async def delete_thread(self, thread_id: str, user_id: str) -> None:
        await self.history(thread_id, user_id)
        del self.stored[thread_id]

    async def forget(self, user_id: str) -> None:
        self.feedback.delete(user_id)
        self.profiles.forget(user_id)
        FactStore(self.database).delete(user_id)
        self.readings.store.delete(user_id)
        self.stored = {i: pair for i, pair in self.stored.items() if pair[0] != user_id}

    def view(self) -> View:
        return View.of(self.recommender)  # type: ignore[arg-type]

    def _card(self, slot: int, item_id: str) -> SlateCard:
        item = self.recommender.catalogue.get(item_id)
        return SlateCard(
            slot=slot, item_id=item_id, title=item.title, facts=dict(item.attributes), reason="It is near."
        )


class FakeLive:
    """Changes of the catalogue in memory: checked and shown as for real, never written down."""

    def __init__(self, recommender: FakeRecommender) -> None:
        self.recommender = recommender
        self.base = recommender.catalogue
        self.made = CatalogueChanges()

    def current(self) -> FakeRecommender:
        return self.recommender

    def behind(self) -> bool:
        return False

    def apply(self, change: Change) -> Applied:
        check(change, self.recommender.catalogue)
        self.made = self.made.then(self.made.number + 1, change)
        self.recommender.catalogue = offering(catalogue_after(self.base, self.made), self.made.withdrawn)
        return self.status()

    def status(self) -> Applied:
        catalogue = self.recommender.catalogue
        offered = int(catalogue.offered.sum())
        return Applied(
            number=self.made.number,
            release="r-test",
            items=offered,
            withdrawn=len(catalogue) - offered,
            pending=len(self.made.added) + len(self.made.retags),
        )

    def merge(self, *, wait: bool = True) -> Applied:
        return self.status()

    def close(self) -> None:
        return None


def no_study(body: TuneBody) -> None:
    """Instead of a study in a process of its own."""
    raise ApiError(409, "tuning_runs", "no studies in this test")


def fake_runtime(settings: Settings) -> Runtime:
    """A runtime that is ready at once."""
    runtime = Runtime(settings)
    recommender = FakeRecommender()
    runtime._live = FakeLive(recommender)  # type: ignore[assignment]
    runtime._conversations = FakeConversations(recommender, SqliteDatabase(settings.home / "talk.sqlite"))  # type: ignore[assignment]
    runtime._llm = NoChatModel()
    runtime.stages = {name: Stage("ready") for name in runtime.stages}
    runtime.stages["language_model"] = Stage("off", "no language model")

    async def close() -> None:
        runtime._pool.shutdown(wait=True)

    runtime.tuning.start = no_study  # type: ignore[method-assign]
    runtime.start = lambda: None  # type: ignore[method-assign]
    runtime.close = close  # type: ignore[method-assign]
    return runtime
