"""A second scorer that shares nothing with the classifier: a word list, negation and shouting.

It is weaker, and that is its use: what calms a text only in the eyes of one scorer calms nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_core.emotion.classes import EMOTIONS
from recsys_core.errors import ConfigError

_WORD = re.compile(r"[a-z]+(?:['’-][a-z]+)*|[!?]+")
_NEGATIONS = frozenset(
    ["not", "no", "never", "none", "nobody", "nothing", "neither", "nor", "without", "hardly", "cannot", "n't"]
)
_REACH = 3
"""A negation takes the sting out of so many words after it."""
_LONGEST = 20_000
_DAMPED = 0.25
_SURPRISE = EMOTIONS.index("surprise")


class _Words(NamedTuple):
    """Word (or beginning of one) -> weight of each emotion."""

    whole: dict[str, NDArray[np.float64]]
    beginnings: dict[str, NDArray[np.float64]]


class LexiconScorer:
    """Emotions by counting words. Deterministic, without a model; safe to share between threads."""

    name = "word list"

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[len(texts), 6]``; rows sum to less than 1, all zeros for a text without a listed word.

        The weight of the hits ``h`` becomes the share ``h / (h + 1)`` of emotion in the text, so one more word counts
        less in a text that has many. Characters after the 20,000th are not read.
        """
        rows = np.zeros((len(texts), len(EMOTIONS)))
        for row, text in enumerate(texts):
            hits, loudness = _count(text[:_LONGEST])
            total = hits.sum() * loudness
            if total > 0:
                rows[row] = hits / hits.sum() * total / (total + 1.0)
        return rows.astype(np.float32)


def _count(text: str) -> tuple[NDArray[np.float64], float]:
    words = _word_list()
    hits = np.zeros(len(EMOTIONS))
    since_negation = _REACH + 1
    loudness = 1.0
    for match in _WORD.finditer(text.replace("’", "'").casefold()):
        token = match[0]
        if token[0] in "!?":
            loudness += 0.15 * min(3, token.count("!"))
            if "?" in token:
                hits[_SURPRISE] += 0.5
            continue
        since_negation += 1
        weights = _look_up(token, words)
        if weights is not None:
            hits += weights * (_DAMPED if since_negation <= _REACH else 1.0)
        if token in _NEGATIONS or token.endswith("n't"):
            since_negation = 0
    letters = [char for char in text if char.isalpha()]
    if len(letters) >= 8 and sum(char.isupper() for char in letters) > 0.6 * len(letters):
        loudness += 0.5
    return hits, min(loudness, 2.0)


def _look_up(token: str, words: _Words) -> NDArray[np.float64] | None:
    found = words.whole.get(token)
    if found is not None:
        return found
    for length in range(len(token), 2, -1):
        found = words.beginnings.get(token[:length])
        if found is not None:
            return found
    return None


@cache
def _word_list() -> _Words:
    whole: dict[str, NDArray[np.float64]] = {}
    beginnings: dict[str, NDArray[np.float64]] = {}
    source = (files("recsys_core.emotion") / "words.txt").read_text(encoding="utf-8")
    for number, line in enumerate(source.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        emotion, _, listed = line.partition(":")
        if emotion not in EMOTIONS:
            raise ConfigError(f"emotion/words.txt, line {number}: {emotion!r} is none of {', '.join(EMOTIONS)}")
        for word in listed.split():
            weight = 2.0 if word.startswith("!") else 1.0
            kind = beginnings if word.endswith("*") else whole
            entry = kind.setdefault(word.strip("!*"), np.zeros(len(EMOTIONS)))
            entry[EMOTIONS.index(emotion)] = weight
    return _Words(whole, beginnings)
