"""The facts of a sentence that no rewriting may touch, found by code: numbers with their units, dates, names,
negations, hedges, directions and quotations. Comparing two sentences gives the sentence's loss and its inventions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from agents.calm.lexicon import frames, lexicon, sensational
from agents.calm.words import FUNCTION_WORDS, NEUTRAL_WORDS, group, stem

_QUOTES = re.compile(
    r"\"[^\"\n]{1,600}\"|“[^”\n]{1,600}”|«[^»\n]{1,600}»|"
    r"(?<![\w'])'(?=\w)[^'\n]{2,300}[\w.,!?]'(?!\w)|‘[^’\n]{2,300}’(?!\w)"
)
_WORD = re.compile(r"[^\W\d_][^\W_]*(?:[.'’&-][^\W_]+)*\.?|\d[\d.,:/]*\d|\d")
_NUMBER = re.compile(r"(?<![\w.])[-+$€£¥#]{0,2}\d[\d.,:/]*\d(?!\w)|\d+")
_UNIT_AFTER = re.compile(r"[\s-]*([%°]|[A-Za-z]+)")
_PARTICLE = re.compile(
    r"\b(?:back|break|broke|broken|clean|close|crack|flare|give|gave|pick|set|shake|shook|show|shut|sign|speak|stand|step|"
    r"take|took|turn)(?:s|ed|d|n|ing)? (?:up|down)\b",
    re.IGNORECASE,
)
"""Verbs whose `up` and `down` are no direction."""
_SPELLED, _UNITS, _DATES = group("spelled"), group("units"), group("dates")
_NEGATIONS, _HEDGES = group("negations"), group("hedges")
_DIRECTIONS = {word: name for name in ("up", "down", "win", "lose") for word in group(name)}


class Facts(NamedTuple):
    """What a sentence states that must stay as it is, each with how often.

    Attributes:
        numbers: figures and number words, with the unit that follows.
        dates: days, months, seasons and words like `today`.
        names: capitalised words that aren't a sentence's ordinary beginning, folded.
        negations: words that turn a statement round.
        hedges: words that say how sure, by whom and under which condition.
        directions: `up`, `down`, `win`, `lose`.
        quotations: what stands between quotation marks, to the character.
        content: stems of all other words that carry meaning and aren't sensational.
        words: all words, folded.
    """

    numbers: Counter[str]
    dates: Counter[str]
    names: Counter[str]
    negations: Counter[str]
    hedges: Counter[str]
    directions: frozenset[str]
    quotations: Counter[str]
    content: frozenset[str]
    words: frozenset[str]


def quotations(text: str) -> list[tuple[int, int]]:
    """Where quoted speech stands, marks included."""
    return [match.span() for match in _QUOTES.finditer(text)]


def facts_of(sentence: str) -> Facts:
    """The facts of one sentence; see :class:`Facts`."""
    quoted = Counter(sentence[low:high] for low, high in quotations(sentence))
    # what a clickbait frame says ("you won't believe") states nothing
    stated = frames().sub(" ", sentence)
    words = _words(stated)
    folded = [_fold(word) for word in words]
    moving = [_fold(word) for word in _words(_PARTICLE.sub(" ", stated))]
    negations = Counter("not" if word in {"not", "n't", "cannot"} else stem(word) for word in _negated(folded))
    return Facts(
        numbers=_numbers(stated, folded),
        dates=Counter(word for word in folded if word in _DATES),
        names=Counter(_names(words)),
        negations=negations,
        hedges=Counter(word for word in folded if word in _HEDGES),
        directions=frozenset(_DIRECTIONS[word] for word in moving if word in _DIRECTIONS),
        quotations=quoted,
        content=frozenset(stem(word) for word in folded if _carries(word)),
        words=frozenset(part for word in folded for part in (word, *word.split("-"))),
    )


def changed_facts(before: Facts, after: Facts) -> list[str]:
    """What was lost or invented between two versions of a sentence, in words a person and a model can act on."""
    problems = [
        *_compared("number", before.numbers, after.numbers),
        *_compared("date", before.dates, after.dates),
        *_names_compared(before, after),
        *_compared("negation", before.negations, after.negations),
        *_compared("word", before.hedges, after.hedges),
        *_compared("quotation", before.quotations, after.quotations),
    ]
    if before.directions != after.directions:
        problems.append(
            f"directions differ: {', '.join(sorted(before.directions)) or 'none'} became "
            f"{', '.join(sorted(after.directions)) or 'none'}"
        )
    return problems


def _compared(kind: str, before: Counter[str], after: Counter[str]) -> list[str]:
    lost, new = before - after, after - before
    return [f"{kind} lost: {value!r}" for value in lost] + [f"{kind} not in the original: {value!r}" for value in new]


def _names_compared(before: Facts, after: Facts) -> list[str]:
    """A name may change its capitals, since headlines capitalise everything, but may neither go nor come."""
    lost = [name for name in before.names if name not in after.words]
    plain = lexicon().calm_words | NEUTRAL_WORDS | before.words
    new = [name for name in after.names if name not in plain]
    return [f"name lost: {name!r}" for name in lost] + [f"name not in the original: {name!r}" for name in new]


def _words(sentence: str) -> list[str]:
    return [match[0].rstrip(".") if match[0].count(".") < 2 else match[0] for match in _WORD.finditer(sentence)]


def _fold(word: str) -> str:
    return word.replace("’", "'").casefold().removesuffix("'s")


def _negated(folded: Iterable[str]) -> Iterable[str]:
    for word in folded:
        if word in _NEGATIONS:
            yield word
        elif word.endswith("n't"):
            yield "n't"


def _numbers(sentence: str, folded: list[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for match in _NUMBER.finditer(sentence):
        unit = _UNIT_AFTER.match(sentence, match.end())
        named = unit[1].casefold() if unit is not None and unit[1].casefold() in _UNITS else ""
        found[f"{match[0].strip('.,:/')} {named}".strip()] += 1
    found.update(word for word in folded if word in _SPELLED or (word in _UNITS and word not in _DATES))
    return found


def _names(words: list[str]) -> Iterable[str]:
    """Capitalised words; sensational and function words are none, also where a headline capitalises them."""
    for word in words:
        folded = _fold(word)
        if not word[0].isupper() or folded in FUNCTION_WORDS or folded in _DATES or folded in _SPELLED:
            continue
        if folded in _HEDGES or folded in _NEGATIONS or folded.endswith("n't"):
            continue
        if not sensational(folded):
            yield from (part for part in folded.split("-") if part)


def _carries(word: str) -> bool:
    return (
        not word[0].isdigit()
        and len(word) > 2
        and word not in FUNCTION_WORDS
        and word not in _HEDGES
        and word not in _NEGATIONS
        and word not in _DIRECTIONS
        and not word.endswith("n't")
        and not sensational(word)
    )
