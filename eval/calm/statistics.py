"""Paired t-tests with Holm's correction, Cohen's d of pairs, and Flesch's reading ease."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")
_VOWELS = re.compile(r"[aeiouy]+")
_STOPS = re.compile(r"[.!?]+(?:\s|$)")


def paired_t(first: NDArray[np.floating], second: NDArray[np.floating]) -> tuple[float, float]:
    """Two-sided paired t-test and Cohen's d of the differences `second - first`.

    Returns:
        (p, d); (1, 0) when nothing differs.
    """
    difference = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    if len(difference) < 2 or not difference.any():
        return 1.0, 0.0
    spread = float(difference.std(ddof=1))
    if spread == 0.0:
        return 0.0, float("inf") if difference[0] > 0 else float("-inf")
    return float(stats.ttest_rel(second, first).pvalue), float(difference.mean()) / spread


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values corrected for their number (Holm, 1979), never below their own."""
    corrected: dict[str, float] = {}
    highest = 0.0
    ordered = sorted(p_values.items(), key=lambda pair: pair[1])
    for place, (name, p) in enumerate(ordered):
        highest = max(highest, min(1.0, p * (len(ordered) - place)))
        corrected[name] = highest
    return corrected


def correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Pearson's r; NaN when either doesn't vary."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def reading_ease(text: str) -> float:
    """Flesch reading ease: 206.835 - 1.015 words a sentence - 84.6 syllables a word; NaN without words.

    Syllables are counted by vowel groups, a silent e at the end taken off.
    """
    words = _WORD.findall(text)
    if not words:
        return float("nan")
    spans = max(1, len(_STOPS.findall(text)))
    syllables = sum(_syllables(word.casefold()) for word in words)
    return 206.835 - 1.015 * len(words) / spans - 84.6 * syllables / len(words)


def _syllables(word: str) -> int:
    groups = len(_VOWELS.findall(word))
    if word.endswith("e") and not word.endswith(("le", "ee")) and groups > 1:
        groups -= 1
    return max(1, groups)
