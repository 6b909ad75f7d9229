"""What a language model wrote of a user, against the facts: nothing invented, nothing barred, nothing that acts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from prompts.leaks import leaked
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.folding import fold
from recsys_core.catalog.items import FieldKind
from recsys_core.profiles import HistoryFacts, fitted
from tools.inert import inert

_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_NUMBER = re.compile(r"\b\d{2,4}s?\b")
_LONGEST_NAME = 5
# "Likes ...", "Often picks ...": a statement about somebody; an order ("Rank ...", "Ignore ...") begins otherwise
_STATEMENT = re.compile(
    r"(?:often|mostly|usually|also|lately|sometimes|frequently|drawn to|interested in|\w+[^\Ws]s|\w+sses)\b",
    re.IGNORECASE,
)
_ADDRESSED = re.compile(r"\b(?:you|your|please|must|ignore|instructions?|system|assistant)\b", re.IGNORECASE)


def checked(
    lines: Iterable[str], facts: HistoryFacts, catalogue: Catalogue, barred: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """The lines that may stand in a profile, cut to its limit, and why the others may not.

    A line may name a value of the catalogue, a proper name or a year only where facts or sample titles have it, and no
    value that the user has struck out.

    Args:
        lines: as the model wrote them.
        facts: what the model was told.
        catalogue: whose values are names.
        barred: values that the user has struck out.

    Returns:
        Good lines, and one sentence for each line that was left out.
    """
    allowed = _allowed(facts)
    known = _names(catalogue)
    struck = {fold(value) for value in barred}
    good: list[str] = []
    refused: list[str] = []
    for raw in lines:
        line = inert(raw)
        if not line or line in good:
            continue
        fault = _fault(line, allowed, known, struck, catalogue.item_noun)
        if fault:
            refused.append(fault)
        else:
            good.append(line)
    return fitted(good), refused


def named_values(text: str, catalogue: Catalogue) -> list[str]:
    """Values of the catalogue (kinds, makers, decades, places) that a text names, folded."""
    known = _names(catalogue)
    return [gram for gram in _grams(text) if gram in known]


def mentions(text: str, barred: Sequence[str]) -> bool:
    """Whether a text names one of some values."""
    struck = {fold(value) for value in barred}
    return any(gram in struck for gram in _grams(text))


def _fault(line: str, allowed: frozenset[str], known: frozenset[str], struck: set[str], noun: str) -> str:
    grams = _grams(line)
    if any(gram in struck for gram in grams):
        return "it named what the user had struck out"
    if leaked(line, noun=noun):
        return "it repeated its instructions"
    if not _STATEMENT.match(line) or _ADDRESSED.search(line):
        return "it didn't describe a taste"
    words = {word for name in allowed for word in name.split()}
    # "bits" in a line about drill bits is no invention, even where a whole category is called so
    invented = [gram for gram in grams if gram in known and not words.issuperset(gram.split())]
    if invented:
        return f"it named {invented[0]}, which the history doesn't show"
    strange = [name for name in _proper(line) if fold(name) not in words and fold(name) != fold(noun)]
    if strange:
        return f"it named {strange[0]}, which the history doesn't show"
    years = [number for number in _NUMBER.findall(line) if number not in words]
    return f"it named {years[0]}, which the history doesn't show" if years else ""


def _allowed(facts: HistoryFacts) -> frozenset[str]:
    values = [
        fact.value
        for group in (facts.genres, facts.creators, facts.eras, facts.places, facts.languages, facts.others)
        for fact in group
    ]
    words = [fact.value for fact in facts.subjects]
    titles = [item.title for item in (*facts.liked, *facts.recent)]
    return frozenset(" ".join(_words(text)) for text in (*values, *words, *titles))


@lru_cache(maxsize=4)
def _names(catalogue: Catalogue) -> frozenset[str]:
    """Every text value of the catalogue of up to five words, folded as `_grams` does."""
    found: set[str] = set()
    for name, spec in catalogue.fields.items():
        if spec.kind in {FieldKind.tags, FieldKind.string}:
            for spellings in catalogue.postings(name).spellings.values():
                words = _words(spellings[0])
                # one short lower-case word ("a", "in") is no name
                if 0 < len(words) <= _LONGEST_NAME and sum(map(len, words)) >= 3:
                    found.add(" ".join(words))
    return frozenset(found)


def _words(text: str) -> list[str]:
    return [fold(word).strip(".") for word in _WORD.findall(text)]


def _grams(text: str) -> list[str]:
    words = _words(text)
    return [
        " ".join(words[start : start + size])
        for size in range(1, _LONGEST_NAME + 1)
        for start in range(len(words) - size + 1)
    ]


def _proper(line: str) -> list[str]:
    """Words with a capital that don't begin a sentence."""
    found = []
    for match in _WORD.finditer(line):
        before = line[: match.start()].rstrip()
        if match.group()[0].isupper() and before and before[-1] not in ".!?:":
            found.append(match.group().strip("."))
    return found
