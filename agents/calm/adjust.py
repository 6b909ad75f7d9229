"""Calming texts: the way in. Results stream in the order of the texts; what was calmed before comes from the cache."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from agents.calm.cache import CalmCache, cache_key
from agents.calm.graph import CalmContext, CalmState, build_graph
from agents.calm.lexicon import lexicon_version
from agents.calm.measure import Gauge
from agents.calm.types import (
    MODES,
    Background,
    CalmRequest,
    CalmResult,
    Method,
    Mode,
    SentenceChange,
    Source,
)
from agents.calm.writer import SentenceWriter
from agents.llm.protocol import ChatModel, TurnBudget
from recsys_core.emotion import EmotionClassifier
from recsys_core.emotion.text import sentences
from recsys_core.encoders.text import TextEncoder

__all__ = [
    "MODES",
    "Background",
    "CalmRequest",
    "CalmResult",
    "Calmer",
    "Method",
    "Mode",
    "SentenceChange",
    "Source",
    "calm",
]

logger = logging.getLogger(__name__)
RULES_VERSION = 3
"""Goes up when graph, verifier or background choose differently for the same text; part of cache keys."""


class Calmer:
    """Calms texts with one classifier, one sentence model and one cache; safe for concurrent use on one event loop.

    Args:
        gauge: measures stimulus and similarity; the classifier that comes with Sidra by default.
        cache: what was calmed before; in memory only by default.
    """

    def __init__(self, gauge: Gauge | None = None, cache: CalmCache | None = None) -> None:
        self.gauge = gauge or Gauge(EmotionClassifier.load(), TextEncoder())
        self.cache = cache or CalmCache()

    @classmethod
    def open(cls, folder: Path, encoder: TextEncoder | None = None) -> Calmer:
        """With the classifier that comes with Sidra and a cache in a folder.

        Args:
            folder: for the cache.
            encoder: sentence model to share with others.

        Raises:
            ConfigError: the classifier's weights are damaged.
        """
        return cls(Gauge(EmotionClassifier.load(), encoder or TextEncoder()), CalmCache(folder))

    async def calm(
        self,
        texts: Sequence[CalmRequest],
        mode: Mode,
        llm: ChatModel | None = None,
        budget: TurnBudget | None = None,
    ) -> AsyncIterator[CalmResult]:
        """Each text calmed, in order, each as soon as it is ready.

        Args:
            texts: what to calm.
            mode: how much.
            llm: language model to rewrite with; None is the lexicon alone.
            budget: what the model may spend on all texts together; a default one when None.
        """
        writer = SentenceWriter(llm, budget or TurnBudget()) if llm is not None and llm.status.state != "off" else None
        self._read_ahead(texts, mode, writer)
        for request in texts:
            yield await self._one(request, mode, writer)

    def cached(self, request: CalmRequest, mode: Mode, llm: ChatModel | None = None) -> CalmResult | None:
        """What was calmed before, or None."""
        writer = SentenceWriter(llm, TurnBudget()) if llm is not None and llm.status.state != "off" else None
        found = self.cache.get(self._key(request, mode, writer))
        return found.model_copy(update={"method": "cached"}) if found is not None else None

    def close(self) -> None:
        """Close the cache."""
        self.cache.close()

    async def _one(self, request: CalmRequest, mode: Mode, writer: SentenceWriter | None) -> CalmResult:
        key = self._key(request, mode, writer)
        if (found := self.cache.get(key)) is not None:
            return found.model_copy(update={"method": "cached"})
        failure = writer.failure if writer is not None else ""
        result = self._raw(request) if mode == "raw" else await self._calmed(request, mode, writer)
        # what the lexicon did in the model's place is not what the model would have done
        if not (writer is not None and (failure or writer.failure)):
            self.cache.put(key, result)
        return result

    def _raw(self, request: CalmRequest) -> CalmResult:
        level = float(self.gauge.stimuli([request.text])[0])
        return CalmResult(
            original=request.text,
            text=request.text,
            mode="raw",
            method="unchanged",
            made_by="unchanged",
            stimulus_before=level,
            stimulus_after=level,
        )

    async def _calmed(self, request: CalmRequest, mode: Mode, writer: SentenceWriter | None) -> CalmResult:
        state: CalmState = {"request": request, "mode": mode}
        done = await build_graph().ainvoke(state, context=CalmContext(self.gauge, writer))
        by = {line.by for line in done["lines"]}
        made_by: Literal["llm", "lexicon", "unchanged"] = (
            "llm" if "llm" in by else "lexicon" if "lexicon" in by or done["frame"] else "unchanged"
        )
        before, after = self.gauge.stimuli([request.text, done["text"]])
        return CalmResult(
            original=request.text,
            text=done["text"],
            mode=mode,
            method=made_by,
            made_by=made_by,
            stimulus_before=float(before),
            stimulus_after=float(after),
            sentences=[
                SentenceChange(
                    before=line.sentence.text,
                    after=line.after,
                    changed=line.after != line.sentence.text,
                    reason=line.reason,
                )
                for line in done["lines"]
            ],
            frame=done["frame"],
            background=done.get("background"),
            marks=done["marks"],
        )

    def _read_ahead(self, texts: Sequence[CalmRequest], mode: Mode, writer: SentenceWriter | None) -> None:
        """Measure the sentences of all texts in one batch; the scorer remembers them."""
        fresh = [text for text in texts if self.cache.get(self._key(text, mode, writer)) is None]
        if len(fresh) > 1 and mode != "raw":
            self.gauge.stimuli(
                [part for text in fresh for part in (text.text, *(s.text for s in sentences(text.text)))]
            )

    def _key(self, request: CalmRequest, mode: Mode, writer: SentenceWriter | None) -> str:
        sources = (
            [part for source in request.sources for part in (source.item_id, source.text)] if mode == "cool" else []
        )
        made_with = (writer.name if writer is not None else "lexicon", self.gauge.name)
        rules = (str(RULES_VERSION), lexicon_version(), "framed" if request.may_frame else "")
        return cache_key(mode, request.text, *made_with, *rules, *sources)


async def calm(
    texts: Sequence[CalmRequest],
    mode: Mode,
    llm: ChatModel | None = None,
    budget: TurnBudget | None = None,
    calmer: Calmer | None = None,
) -> AsyncIterator[CalmResult]:
    """:meth:`Calmer.calm` of a given calmer, or of one shared in this process that keeps its cache in memory."""
    async for result in (calmer or _shared()).calm(texts, mode, llm, budget):
        yield result


@cache
def _shared() -> Calmer:
    return Calmer()
