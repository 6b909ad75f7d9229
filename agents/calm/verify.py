"""May this version of a sentence be shown? Judged by code alone, whoever wrote it."""

from __future__ import annotations

from typing import NamedTuple

from agents.calm.facts import changed_facts, facts_of
from agents.calm.lexicon import lexicon
from agents.calm.words import FUNCTION_WORDS, NEUTRAL_WORDS, stem

SENTENCE_SIMILARITY = 0.55
"""A version less like its sentence than this is dropped."""
TEXT_SIMILARITY = 0.70
"""Changes are taken back until the whole text is this much like the original."""
SMALLEST_FALL = 0.005
"""Stimulus must fall by this much, or the change is not worth it."""
_KEPT_CONTENT = 0.75
"""Share of a sentence's meaning-bearing words that a version must still have."""


class Judged(NamedTuple):
    """What measuring says of a version.

    Attributes:
        before: stimulus of the sentence.
        after: stimulus of the version.
        similarity: cosine of the two in the sentence model.
    """

    before: float
    after: float
    similarity: float


def fact_problems(before: str, after: str) -> list[str]:
    """Facts that a version loses or invents, each in one phrase; empty when it keeps to the sentence.

    Args:
        before: the sentence.
        after: the version.
    """
    was, now = facts_of(before), facts_of(after)
    problems = changed_facts(was, now)
    allowed = {stem(word) for word in (*lexicon().calm_words, *NEUTRAL_WORDS, *FUNCTION_WORDS)}
    names = {stem(name) for name in was.names}
    invented = now.content - was.content - allowed - names
    problems += [f"word not in the original: {word!r}" for word in sorted(invented)]
    kept = was.content & (now.content | {stem(name) for name in now.names})
    if len(kept) < _KEPT_CONTENT * len(was.content):
        lost = ", ".join(sorted(was.content - kept)[:5])
        problems.append(f"too much left out: {lost}")
    return problems


def problems(before: str, after: str, judged: Judged, floor: float = SENTENCE_SIMILARITY) -> list[str]:
    """Everything that speaks against a version; see :func:`fact_problems`."""
    found = fact_problems(before, after)
    if not any(char.isalnum() for char in after):
        found.append("nothing is left of it")
    if judged.similarity < floor:
        found.append(f"too unlike the original ({judged.similarity:.2f})")
    if judged.after > judged.before - SMALLEST_FALL:
        found.append(f"not calmer ({judged.before:.2f} before, {judged.after:.2f} after)")
    return found
