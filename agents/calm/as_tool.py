"""The rewriter as tools know it: one text at a time, rules only, nothing kept on disk."""

from __future__ import annotations

import asyncio
import threading

from agents.calm.adjust import Calmer, CalmRequest, Source
from agents.calm.measure import Gauge
from agents.calm.types import Mode
from recsys_core.emotion import EmotionClassifier
from recsys_core.encoders.text import TextEncoder
from tools.emotion import CalmedText, SentenceCalmed


class RuleCalmer:
    """Calms by rules; models are loaded with the first text. Safe to share between threads.

    Args:
        encoder: sentence model to share with others.
    """

    def __init__(self, encoder: TextEncoder | None = None) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self._calmer: Calmer | None = None

    def calm(self, text: str, mode: Mode, related: list[str]) -> CalmedText:
        """The text in a mode; background only from `related`. Blocking.

        Raises:
            ConfigError: the classifier's weights are damaged.
        """
        sources = tuple(Source(item_id=f"related-{place}", text=each) for place, each in enumerate(related, 1))
        with self._lock:
            if self._calmer is None:
                self._calmer = Calmer(Gauge(EmotionClassifier.load(), self._encoder or TextEncoder()))
            return asyncio.run(_calmed(self._calmer, CalmRequest(text=text, sources=sources), mode))


async def _calmed(calmer: Calmer, request: CalmRequest, mode: Mode) -> CalmedText:
    (result,) = [result async for result in calmer.calm([request], mode)]
    return CalmedText(
        original=result.original,
        text=result.text,
        mode=result.mode,
        stimulus_before=result.stimulus_before,
        stimulus_after=result.stimulus_after,
        changed=[
            SentenceCalmed(before=line.before, after=line.after, reason=line.reason)
            for line in result.sentences
            if line.changed
        ],
        frame=result.frame,
        background=result.background.text if result.background is not None else None,
        marks=result.marks,
    )
