"""Items' titles and texts through the rewriter: a language model's version where there is one, else the rules'.

What is kept are texts of the catalogue under a hash of what they depend on; nothing of any person.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Literal, cast

from agents.calm.adjust import Calmer
from agents.calm.cache import CalmCache
from agents.calm.measure import Gauge
from agents.calm.soften import drafts
from agents.calm.types import MODES, CalmRequest, CalmResult, Mode, Source
from agents.calm.verify import Judged, problems
from agents.llm.protocol import ChatModel, TurnBudget
from agents.reading.meter import Meter
from agents.reading.texts import ItemText
from recsys_core.emotion.text import sentences
from recsys_core.encoders.text import TextEncoder

Part = Literal["title", "text"]
_MOST_TRIED = 20_000


class Rewriter:
    """The rewriter with its measures, opened with the first text.

    Args:
        meter: measures emotions.
        folder: where versions of the catalogue's texts are kept between runs; None keeps them in memory.
        encoder: measures likeness; the sentence model when None.
    """

    def __init__(self, meter: Meter, folder: Path | None = None, encoder: TextEncoder | None = None) -> None:
        self._meter = meter
        self._folder = folder
        self._encoder = encoder
        self._lock = threading.Lock()
        self._calmers: dict[bool, Calmer] = {}
        self._tried: set[tuple[str, CalmRequest]] = set()

    async def calm(
        self,
        requests: Sequence[CalmRequest],
        mode: Mode,
        llm: ChatModel | None = None,
        budget: TurnBudget | None = None,
        *,
        private: bool = True,
    ) -> AsyncGenerator[CalmResult, None]:
        """Texts calmed, in order, each as soon as it is ready.

        Args:
            requests: what to calm.
            mode: how.
            llm: the language model to ask; None for rules alone.
            budget: what it may spend on all of them.
            private: somebody's own texts, which are kept in no file; false for the catalogue's.
        """
        calmer = await asyncio.to_thread(self._opened, private, requests, mode)
        found = cast("AsyncGenerator[CalmResult, None]", calmer.calm(requests, mode, llm, budget))
        async with aclosing(found):
            async for result in found:
                yield result

    async def best(self, requests: Sequence[CalmRequest], mode: Mode, llm: ChatModel) -> list[CalmResult]:
        """The best version there is of catalogue texts: a language model's from before, else one by rules, at once."""
        if not requests:
            return []
        calmer = await asyncio.to_thread(self._opened, False, (), mode)
        known = [calmer.cached(request, mode, llm) for request in requests]
        missing = [request for request, result in zip(requests, known, strict=True) if result is None]
        made = [result async for result in self.calm(missing, mode, private=False)] if missing else []
        rules = iter(made)
        return [result if result is not None else next(rules) for result in known]

    async def refine(self, requests: Sequence[CalmRequest], mode: Mode, llm: ChatModel, budget: TurnBudget) -> None:
        """Have a language model write versions of catalogue texts, to be found by `best` from then on."""
        if len(self._tried) > _MOST_TRIED:
            self._tried.clear()
        self._tried.update((mode, request) for request in requests)
        for each in MODES:
            some = [request for request in requests if mode_of(request, mode) == each]
            if some:
                async with aclosing(self.calm(some, each, llm, budget, private=False)) as results:
                    async for _ in results:
                        pass

    def worth_more(self, requests: Sequence[CalmRequest], results: Sequence[CalmResult], mode: Mode) -> bool:
        """Whether a language model may do better: it wasn't asked, and rules reworded a text or left a loud one."""
        return any(
            (mode, request) not in self._tried
            and (result.made_by == "lexicon" or (result.made_by == "unchanged" and result.stimulus_before >= 0.5))
            for request, result in zip(requests, results, strict=True)
        )

    def softener(self) -> Callable[[str], str]:
        """Words an answer more calmly, by the word list and under the verifier's eye. Blocking."""
        gauge = self._opened(True, (), "balanced").gauge

        def soften(text: str) -> str:
            out, place = [], 0
            for sentence in sentences(text):
                out += [text[place : sentence.start], _softer(sentence.text, gauge)]
                place = sentence.end
            return "".join([*out, text[place:]])

        return soften

    def close(self) -> None:
        """Close the file of versions; safe to call twice."""
        with self._lock:
            for calmer in self._calmers.values():
                calmer.close()

    def _opened(self, private: bool, requests: Sequence[CalmRequest], mode: Mode) -> Calmer:
        """The calmer; every sentence is measured here, off the event loop, and found again by the calmer. Blocking."""
        with self._lock:
            if not self._calmers:
                gauge = Gauge(self._meter.scorer, self._encoder or TextEncoder())
                folder = CalmCache(self._folder)
                self._calmers = {True: Calmer(gauge, CalmCache()), False: Calmer(gauge, folder)}
        if requests:
            parts = [request.text for request in requests]
            if mode != "raw":
                parts += [sentence.text for request in requests for sentence in sentences(request.text)[:200]]
            self._meter.scorer.probabilities(parts)
        return self._calmers[private]


def requests_of(item: ItemText, mode: Mode, sources: Sequence[Source]) -> dict[Part, CalmRequest]:
    """What of an item may be reworded: its text, and a title that is a sentence; background goes with one of them."""
    parts: dict[Part, str] = {}
    if item.headline:
        parts["title"] = item.title
    if item.text:
        parts["text"] = item.text
    lent = tuple(sources) if mode == "cool" else ()
    last = next(reversed(parts), None)
    return {
        part: CalmRequest(
            text=text, item_id=item.item_id, sources=lent if part == last else (), may_frame=part == "text"
        )
        for part, text in parts.items()
    }


def mode_of(request: CalmRequest, mode: Mode) -> Mode:
    """The mode for one request: what nothing lends a background to is neutralised only."""
    return "balanced" if mode == "cool" and not request.sources else mode


def _softer(sentence: str, gauge: Gauge) -> str:
    """The calmest version that keeps every fact; the sentence itself when there is none."""
    made = [draft.text for draft in drafts(sentence)]
    if not made:
        return sentence
    before, *after = (float(value) for value in gauge.stimuli([sentence, *made]))
    alike = gauge.similarities(sentence, made)
    judged = [Judged(before, level, float(near)) for level, near in zip(after, alike, strict=True)]
    for text, measured in sorted(zip(made, judged, strict=True), key=lambda pair: pair[1].after):
        if not problems(sentence, text, measured):
            return text
    return sentence
