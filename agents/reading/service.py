"""Readings: what each person gets to read of an item, what the guide proposes, and the diary of who wants one.

Rules and the word list answer at once; where a language model is there it works on finer versions behind the answer,
one text at a time and only while no conversation needs it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from agents.calm.background import LEAD
from agents.calm.types import MODES, CalmRequest, CalmResult, Source
from agents.llm.protocol import ChatModel, LLMError, TurnBudget
from agents.reading.advice import advise
from agents.reading.calming import Part, Rewriter, mode_of, requests_of
from agents.reading.guide import Sensitivity, Verdict, propose, sensitivity, wanted_by
from agents.reading.meter import Meter, level
from agents.reading.modes import Effective, Mode, effective
from agents.reading.texts import ItemText, Texts
from agents.reading.views import Change, Reading
from agents.reading.week import Week, week_of, weeks
from agents.store.reading import DiaryEntry, ReadingStore
from agents.traces import trace_of
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.errors import SidraError
from tools.context import Recommends

log = logging.getLogger(__name__)

MOST_TAUGHT = 200
"""The guide learns from the newest so many acts."""
_FINER_SECONDS = 60.0
"""What a language model may take for one text behind the answer."""


Work = Mapping[str, Mapping[Part, CalmRequest]]
"""What of which item may be reworded."""


class Balance(BaseModel):
    """What a person's diary shows."""

    model_config = ConfigDict(extra="forbid")

    on: bool
    """Whether a diary is kept; off until the person switches it on."""
    since: float | None
    """When it was switched on, seconds since 1970-01-01 UTC."""
    keep_days: int
    """Days after which an entry is deleted."""
    weeks: list[Week] = Field(default_factory=list)
    """Weeks that hold anything, oldest first."""
    this_week: str
    """Monday of the running week."""
    advice: str
    """One piece of advice, written by rules."""
    scorer: str
    """What measured the texts."""


class Readings:
    """Modes, texts, guide and diaries of everybody who talks to one API.

    Args:
        store: where choices, evidence and diaries are kept.
        llm: the language model; `none` is one too.
        meter: measures texts; the shipped classifier when None.
        rewriter: calms them; one whose versions are kept in memory when None.
    """

    def __init__(
        self, store: ReadingStore, llm: ChatModel, meter: Meter | None = None, rewriter: Rewriter | None = None
    ) -> None:
        self.store = store
        self.meter = meter or Meter()
        self.rewriter = rewriter or Rewriter(self.meter)
        self.idle: Callable[[], bool] = lambda: True
        self._llm = llm
        self._texts: tuple[object, Texts] | None = None
        self._finer: dict[tuple[Mode, tuple[CalmRequest, ...]], asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(1)

    def warm(self) -> None:
        """Open what measures and delete what has lived its time, so that the first page waits for neither. Blocking."""
        try:
            self.store.expire()
            self.meter.stimuli(["warm"])
        except SidraError as error:
            log.error("texts can't be measured yet: %s", error)

    # --- what is shown ---

    async def read(
        self,
        user_id: str,
        thread_id: str,
        item_ids: Sequence[str],
        recommender: Recommends,
        mode: Mode | None = None,
    ) -> list[Reading]:
        """Items' texts in the modes that hold for this person; items that are not there are left out.

        Args:
            user_id: who reads.
            thread_id: conversation whose choices hold; empty for none.
            item_ids: which items.
            recommender: the release that answers, as it is now.
            mode: for all of them, as if chosen for each card; None for what was chosen.
        """
        catalogue = recommender.catalogue
        texts = self._texts_of(catalogue)
        items = [texts.of(item) for item in dict.fromkeys(item_ids) if item in catalogue]
        if not items:
            return []
        choices = await asyncio.to_thread(self.store.choices, user_id, thread_id)
        held = {i.item_id: Effective(mode, "card") if mode else effective(choices, i.item_id) for i in items}
        person = await self.person(user_id, catalogue)
        work = {
            item.item_id: requests_of(item, held[item.item_id].mode, await self._sources(item, held, recommender))
            for item in items
            if held[item.item_id].mode != "raw"
        }
        calm = await self._calmed(work, held)
        shown = [_shown(item, held[item.item_id], calm.get(item.item_id, {})) for item in items]
        measured = await asyncio.to_thread(
            self.meter.stimuli, [*(item.whole for item in items), *(_as_read(reading) for reading in shown)]
        )
        readings = []
        for place, reading in enumerate(shown):
            before, after = measured[place], measured[len(items) + place]
            readings.append(
                reading.model_copy(
                    update={
                        "stimulus": round(before, 4),
                        "stimulus_shown": round(after, 4),
                        "level": level(before),
                        "level_shown": level(after),
                        "proposal": propose(person, before, held[reading.item_id]),
                        "pending": self._ask(
                            work.get(reading.item_id, {}), calm.get(reading.item_id, {}), reading.mode
                        ),
                    }
                )
            )
        return readings

    async def _sources(self, item: ItemText, held: Mapping[str, Effective], recommender: Recommends) -> list[Source]:
        if held[item.item_id].mode != "cool" or self._texts is None:
            return []
        return await asyncio.to_thread(self._texts[1].sources, item, recommender)

    async def _calmed(self, work: Work, held: Mapping[str, Effective]) -> dict[str, dict[Part, CalmResult]]:
        calm: dict[str, dict[Part, CalmResult]] = {}
        for mode in MODES:
            parts = [
                (item, part, request)
                for item, some in work.items()
                for part, request in some.items()
                if mode_of(request, held[item].mode) == mode
            ]
            results = await self.rewriter.best([request for *_, request in parts], mode, self._llm)
            for (item, part, _), result in zip(parts, results, strict=True):
                calm.setdefault(item, {})[part] = result
        return calm

    def modes(self, user_id: str, thread_id: str, item_ids: Sequence[str]) -> dict[str, Mode]:
        """The mode that holds for each item. Blocking."""
        choices = self.store.choices(user_id, thread_id)
        return {item: effective(choices, item).mode for item in item_ids}

    def _texts_of(self, catalogue: Catalogue) -> Texts:
        if self._texts is None or self._texts[0] is not catalogue.frame:
            self._texts = (catalogue.frame, Texts(catalogue))
        return self._texts[1].now(catalogue)

    # --- choices and the guide ---

    async def choose(
        self, user_id: str, thread_id: str, mode: Mode | None, item_id: str = "", on_table: Sequence[str] = ()
    ) -> None:
        """Keep a choice for a thread or a card; None takes it back, and what it taught.

        Args:
            user_id: who chose.
            thread_id: in which conversation.
            mode: what.
            item_id: for this card; empty for the whole thread.
            on_table: items that were shown when a thread's mode was chosen.
        """

        def keep() -> None:
            self.store.choose(user_id, thread_id, item_id, mode)
            self.store.learn(user_id, [item_id] if item_id else on_table, "card" if item_id else "thread", mode)

        await asyncio.to_thread(keep)

    async def judge(self, user_id: str, item_id: str, verdict: Verdict, shown: Mode) -> None:
        """Keep what somebody says of a version they read."""
        await asyncio.to_thread(self.store.learn, user_id, [item_id], "verdict", wanted_by(verdict, shown))

    async def person(self, user_id: str, catalogue: Catalogue) -> Sensitivity:
        """How loud a person likes texts, from what they chose and said."""
        texts = self._texts_of(catalogue)

        def learned() -> Sensitivity:
            evidence = [e for e in self.store.evidence(user_id) if e.item_id in catalogue][-MOST_TAUGHT:]
            ids = list(dict.fromkeys(each.item_id for each in evidence))
            stimuli = self.meter.stimuli([texts.of(item).whole for item in ids])
            return sensitivity(evidence, dict(zip(ids, stimuli, strict=True)))

        return await asyncio.to_thread(learned)

    # --- the diary ---

    async def note(
        self, user_id: str, thread_id: str, item_ids: Sequence[str], recommender: Recommends, mode: Mode | None = None
    ) -> bool:
        """Write items into a person's diary, as they were read; False while it is off.

        Args:
            user_id: who read.
            thread_id: in which conversation.
            item_ids: what.
            recommender: the release that answers, as it is now.
            mode: in which mode; None for the one that holds.
        """
        if not item_ids or await asyncio.to_thread(self.store.since, user_id) is None:
            return False
        texts = self._texts_of(recommender.catalogue)
        readings = await self.read(user_id, thread_id, item_ids, recommender, mode)

        def write() -> bool:
            emotions = self.meter.probabilities([_as_read(reading) for reading in readings])
            today = self.store.today()
            kept = [
                self.store.write(
                    user_id,
                    DiaryEntry(
                        item_id=reading.item_id,
                        day=today,
                        mode=reading.mode,
                        category=texts.of(reading.item_id).category,
                        emotions=tuple(float(value) for value in row),
                    ),
                )
                for reading, row in zip(readings, emotions, strict=True)
            ]
            return any(kept)

        return await asyncio.to_thread(write)

    async def balance(self, user_id: str) -> Balance:
        """What a person's diary shows."""

        def look() -> Balance:
            since = self.store.since(user_id)
            found = weeks(self.store.diary(user_id)) if since is not None else []
            current = week_of(self.store.today())
            off = "Switched off: nothing is kept of what you read."
            return Balance(
                on=since is not None,
                since=since,
                keep_days=self.store.keep_days,
                weeks=found,
                this_week=current,
                advice=off if since is None else advise(found, current),
                scorer=self.meter.name,
            )

        return await asyncio.to_thread(look)

    # --- finer versions, behind the answer ---

    def _ask(self, work: Mapping[Part, CalmRequest], calm: Mapping[Part, CalmResult], mode: Mode) -> bool:
        """Begin to work on a finer version where it is worth it; whether one is being worked on."""
        requests = tuple(work.values())
        if not requests or not self._llm.available:
            return False
        key = (mode, requests)
        if key not in self._finer and self.idle() and self.rewriter.worth_more(requests, list(calm.values()), mode):
            self._finer[key] = asyncio.create_task(self._refine(requests, mode), name="finer-text")
        return key in self._finer

    async def _refine(self, requests: tuple[CalmRequest, ...], mode: Mode) -> None:
        try:
            async with self._turn:
                budget = TurnBudget(calls=20, tokens=8_000, seconds=_FINER_SECONDS)
                await self.rewriter.refine(requests, mode, self._llm, budget)
        except LLMError as error:
            log.info("no finer text (%s); the word list's stays", error.kind)
        except Exception as error:
            # nobody waits for this task; what went wrong goes to the log, the text that is there stays
            log.error("a finer text failed\n%s", trace_of(error))
        finally:
            self._finer.pop((mode, requests), None)

    async def settle(self) -> None:
        """Wait until no finer version is being worked on; for tests and measurements."""
        while self._finer:
            await asyncio.wait(list(self._finer.values()))

    async def close(self) -> None:
        """Stop working; safe to call twice."""
        tasks = list(self._finer.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self.rewriter.close)


def _shown(item: ItemText, held: Effective, calm: Mapping[Part, CalmResult]) -> Reading:
    results = list(calm.values())
    shown = {part: _without_background(result) for part, result in calm.items()}
    background = next((result.background for result in results if result.background is not None), None)
    marks = [mark for result in results for mark in result.marks]
    if held.mode == "cool" and background is None and not any("background" in mark for mark in marks):
        marks.append("no record lends it a background sentence")
    methods = [result.made_by for result in results if result.made_by != "unchanged"]
    return Reading(
        item_id=item.item_id,
        mode=held.mode,
        chosen_by=held.by,
        title=item.title,
        text=item.text,
        headline=item.headline,
        shown_title=shown.get("title", item.title),
        shown_text=shown.get("text", item.text),
        background=background.text if background else "",
        background_item=background.item_id if background else "",
        method=methods[-1] if methods else "unchanged",
        marks=list(dict.fromkeys(marks)),
        sentences=[change for result in results for change in _changes(result)],
        stimulus=0.0,
        stimulus_shown=0.0,
        level="",
        level_shown="",
    )


def _changes(result: CalmResult) -> list[Change]:
    """Sentence by sentence, an announcement first."""
    lines = [Change(**change.model_dump()) for change in result.sentences]
    if result.frame is None:
        return lines
    reason = "announced neutrally: calmer words alone left the text loud"
    return [Change(before="", after=result.frame.strip(), changed=True, reason=reason), *lines]


def _without_background(result: CalmResult) -> str:
    """The text alone; its background is shown beside it."""
    if result.background is None:
        return result.text
    return result.text.removesuffix(result.background.text).removesuffix(LEAD).rstrip()


def _as_read(reading: Reading) -> str:
    return "\n".join(part for part in (reading.shown_title, reading.shown_text, reading.background) if part)
