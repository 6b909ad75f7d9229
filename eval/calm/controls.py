"""What each part of calming does by itself: the words, and what is only put around an original that stays as it was.

An announcement or a background sentence thins a stirring text out in a classifier's eyes without any word of it being
calmer. Whoever reads the main figures should know how much of them is that.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.calm.adjust import Calmer
from agents.calm.background import joined
from agents.calm.types import CalmResult, Mode
from recsys_core.emotion import stimulus


def parts_alone(results: Sequence[CalmResult], mode: Mode, calmer: Calmer) -> dict[str, float]:
    """Change of the mean stimulus as a share of RAW's, each part alone, negative is calmer.

    Args:
        results: what was shown in one mode.
        mode: which.
        calmer: measures.

    Returns:
        ``control.words.MODE``: reworded sentences without announcement and background. ``control.frame.MODE``: the
        original after the same announcement. For `cool` also ``control.background.cool``: the original before the same
        background sentence. Texts that have no such part count as they were.
    """
    versions = {"words": [_words(result) for result in results]}
    versions["frame"] = [f"{result.frame or ''}{result.original}" for result in results]
    if mode == "cool":
        versions["background"] = [
            joined(result.original, result.background.text) if result.background else result.original
            for result in results
        ]
    raw = _mean([result.original for result in results], calmer)
    return {
        f"control.{part}.{mode}": _mean(texts, calmer) / raw - 1.0 if raw else 0.0 for part, texts in versions.items()
    }


def _mean(texts: list[str], calmer: Calmer) -> float:
    return float(stimulus(calmer.gauge.scorer.probabilities(texts)).mean())


def _words(result: CalmResult) -> str:
    text = result.text.removeprefix(result.frame or "")
    if result.background is None:
        return text
    tail = joined("x", result.background.text)[1:].lstrip()
    return text.removesuffix(tail).rstrip()
