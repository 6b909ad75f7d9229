"""COOL's one sentence of background: a sentence of a record, word for word, never of a model's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agents.calm.lexicon import sensational
from agents.calm.measure import Gauge
from agents.calm.types import Background, Source
from recsys_core.emotion.text import Sentence, fixed_spans, sentences
from tools.inert import inert

LEAD = "Background: "
"""Stands before the sentence."""
CALM_ENOUGH = 0.15
"""Background with more stimulus than this calms nobody."""
_ALIKE, _SAME = 0.30, 0.92
_SHORTEST, _LONGEST = 30, 240
_SENTENCES = 24
_SOURCES = 8


class _Candidate(NamedTuple):
    text: str
    item_id: str


def choose(text: str, shown: str, sources: Sequence[Source], gauge: Gauge, floor: float) -> Background | None:
    """The sentence that fits best, or None.

    It must be calm and about the same thing without repeating it, hold no mark-up, and leave the text with it at least
    `floor` like the original and no more stirring than it was without.

    Args:
        text: the original.
        shown: the calm text that it will follow.
        sources: records, in order of preference.
        gauge: measures.
        floor: least similarity of the whole to the original.
    """
    candidates = _candidates(text, sources)
    if not candidates:
        return None
    texts = [candidate.text for candidate in candidates]
    stimuli = gauge.stimuli(texts)
    alike = gauge.similarities(text, texts)
    fitting = [n for n in range(len(texts)) if stimuli[n] <= CALM_ENOUGH and _ALIKE <= alike[n] <= _SAME]
    if not fitting:
        return None
    wholes = [joined(shown, texts[n]) for n in fitting]
    after = gauge.stimuli(wholes)
    whole_alike = gauge.similarities(text, wholes)
    before = float(gauge.stimuli([shown])[0])
    good = [n for n in range(len(fitting)) if whole_alike[n] >= floor and after[n] <= before]
    if not good:
        return None
    best = max(good, key=lambda n: float(whole_alike[n]) - float(after[n]))
    chosen = candidates[fitting[best]]
    return Background(text=chosen.text, item_id=chosen.item_id)


def joined(shown: str, background: str) -> str:
    """The calm text with its background."""
    gap = "" if not shown or shown[-1].isspace() else " "
    return f"{shown}{gap}{LEAD}{background}"


def _candidates(text: str, sources: Sequence[Source]) -> list[_Candidate]:
    folded = text.casefold()
    found: list[_Candidate] = []
    for source in sources[:_SOURCES]:
        for sentence in sentences(source.text[:4000]):
            if _usable(sentence) and sentence.text.casefold() not in folded:
                found.append(_Candidate(sentence.text, source.item_id))
    return found[:_SENTENCES]


def _usable(sentence: Sentence) -> bool:
    text = sentence.text
    if not _SHORTEST <= len(text) <= _LONGEST or text[-1] not in '.)"”' or not text[0].isupper():
        return False
    if inert(text) != text or fixed_spans(text) or any(mark in text for mark in "!?\\"):
        return False
    return not any(sensational(word.strip(".,;:'\"()").casefold()) for word in text.split())
