"""Facts lost or invented in what is shown, counted by code of its own: the rewriter's verifier is not asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from agents.calm.background import joined
from agents.calm.types import CalmResult

_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_AMOUNT = re.compile(
    r"(\d+(?:[.,:/]\d+)*)\s*-?\s*(%|percent|million|billion|trillion|bn|km|miles?|kg|tons?|tonnes?|dollars?|euros?|pounds?|"
    r"points?|cents?|years?|months?|weeks?|days?|hours?|minutes?|seconds?)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\b(?:january|february|march|april|june|july|august|september|"
    r"october|november|december|today|yesterday|tomorrow|tonight)\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot)\b|n['’]t\b|\b(?:den(?:y|ies|ied)|refus\w+|"
    r"reject\w*|fail(?:s|ed|ing)?)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“][^\"”]{2,600}[\"”]")
# a capital in the middle of a lower-case neighbourhood: a name beyond doubt
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+(?:['’-][A-Za-z]+)?\b|\b[A-Z]{2,}\b")


def violations(result: CalmResult, records: Mapping[str, str]) -> list[str]:
    """What is wrong with the facts of a shown text, in words; empty when nothing is.

    Args:
        result: a calmed text.
        records: item id -> text of every record that background may come from.
    """
    body = result.text
    problems: list[str] = []
    if result.background is not None:
        found = result.background
        if found.text not in records.get(found.item_id, ""):
            problems.append(f"the background sentence doesn't stand in the record of {found.item_id}")
        tail = joined("x", found.text)[1:].lstrip()
        if not body.endswith(tail):
            problems.append("the background isn't at the end of the text")
        body = body.removesuffix(tail).rstrip()
    body = body.removeprefix(result.frame or "")
    shouted = sum(char.isupper() for char in result.original) > 0.5 * sum(char.isalpha() for char in result.original)
    for kind, pattern in (("number", _NUMBER), ("amount", _AMOUNT), ("date", _DATE), ("quotation", _QUOTED)):
        problems += _compared(kind, _found(pattern, result.original), _found(pattern, body))
    before, after = (len(_NEGATION.findall(_without_frames(text))) for text in (result.original, body))
    if before != after:
        problems.append(f"{before} negations became {after}")
    kept = body.casefold()
    known = result.original.casefold()
    for line in result.sentences:
        # a headline capitalises every word: there a capital says nothing
        if line.changed and not shouted and not _headline(line.before):
            problems += [f"name lost: {name!r}" for name in _NAME.findall(line.before) if name.casefold() not in kept]
            problems += [
                f"name invented: {name!r}" for name in _NAME.findall(line.after) if name.casefold() not in known
            ]
    return problems


def _found(pattern: re.Pattern[str], text: str) -> Counter[str]:
    return Counter(" ".join(match[0].casefold().split()) for match in pattern.finditer(text))


def _compared(kind: str, before: Counter[str], after: Counter[str]) -> list[str]:
    lost, new = before - after, after - before
    return [f"{kind} lost: {value!r}" for value in lost] + [f"{kind} invented: {value!r}" for value in new]


def _headline(sentence: str) -> bool:
    words: list[str] = [word for word in re.findall(r"[A-Za-z]+", sentence) if len(word) > 3]
    capitals = sum(word[0].isupper() for word in words)
    return capitals >= 0.75 * len(words)


def _without_frames(text: str) -> str:
    """Clickbait's own negations state nothing."""
    return re.sub(r"\byou (?:won['’]t|will not) believe\b|\byou['’]ll never guess\b", " ", text, flags=re.IGNORECASE)
