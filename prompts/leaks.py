"""Does a text repeat a prompt? Runs of words that stand in a prompt file are not to be said to anybody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import prompts

GRAM = 8
"""So many words in a row that also stand in a prompt file are a leak."""
WITHIN = 6
"""Inside one sentence that much is enough."""

_TEMPLATE = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_NOUN = re.compile(r"\{\{ noun \}\}")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words(text: str) -> list[str]:
    """The words of a text, lower case."""
    return [word.replace("’", "'") for word in _WORD.findall(text.casefold())]


@cache
def prompt_grams(size: int = GRAM, noun: str = "items") -> frozenset[tuple[str, ...]]:
    """All runs of `size` words of all prompt files, the noun put in; what else a template puts in counts as a gap."""
    grams: set[tuple[str, ...]] = set()
    for name in prompts.names():
        body = _NOUN.sub(noun, prompts.load(name).body)
        for piece in _TEMPLATE.split(body):
            grams.update(_grams(words(piece), size))
    return frozenset(grams)


def leaked(text: str, size: int = GRAM, noun: str = "items") -> list[str]:
    """Runs of `size` words of the text that stand in a prompt file, in order.

    Args:
        text: what is about to be said.
        size: how many words.
        noun: what the catalogue calls its items.
    """
    known = prompt_grams(size, noun)
    return [" ".join(gram) for gram in _grams(words(text), size) if gram in known]


def _grams(listed: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(listed[n : n + size]) for n in range(len(listed) - size + 1)]
