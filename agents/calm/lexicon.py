"""The list of sensational words with their calm ones, read once; forms of verbs and nouns are made here.

Knows words, not sentences: :mod:`agents.calm.soften` puts them in.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

from recsys_core.errors import ConfigError

Part = Literal["verb", "noun", "plain", "intensifier", "phrase"]
_PARTS: dict[str, Part] = {"v": "verb", "n": "noun", "a": "plain", "i": "intensifier", "p": "phrase"}
_VOWELS = "aeiou"
# verbs that double their last consonant, which spelling alone can't tell
_DOUBLING = frozenset({"slam", "rip", "spar", "grab", "drop", "plan", "stun", "scrap", "gut", "nab"})


class Reading(NamedTuple):
    """What a form of a sensational word may stand for.

    Attributes:
        part: part of speech.
        calm: calm wordings of exactly this form, best first; an empty one takes the word out; none at all leaves it.
    """

    part: Part
    calm: tuple[str, ...]


class Lexicon(NamedTuple):
    """All readings of all forms.

    Attributes:
        forms: folded form, possibly of several words -> its readings.
        longest: words in the longest form.
        words: every single folded word that is a form by itself.
        calm_words: every folded word of a calm wording.
    """

    forms: dict[str, list[Reading]]
    longest: int
    words: frozenset[str]
    calm_words: frozenset[str]


@cache
def lexicon() -> Lexicon:
    """The list in `lexicon.txt`.

    Raises:
        ConfigError: a line can't be read.
    """
    forms: dict[str, list[Reading]] = {}
    source = (files("agents.calm") / "lexicon.txt").read_text(encoding="utf-8")
    for number, line in enumerate(source.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        part, head, calm = _parsed(line, number)
        for place, form in enumerate(_forms(head, part)):
            if calm == ("=",):
                forms.setdefault(form, []).append(Reading(part, ()))
                continue
            told = tuple(_forms(wording, part)[place] if wording else "" for wording in calm)
            readings = forms.setdefault(form, [])
            if all(reading.part != part for reading in readings):
                readings.append(Reading(part, told))
    words = frozenset(form for form, told in forms.items() if " " not in form and any(r.calm for r in told))
    calm_words = frozenset(
        word
        for readings in forms.values()
        for reading in readings
        for calm in reading.calm
        for word in calm.replace("-", " ").split()
    )
    return Lexicon(forms, max(form.count(" ") for form in forms) + 1, words, calm_words)


@cache
def lexicon_version() -> str:
    """Changes with every change of the list; part of cache keys."""
    return hashlib.sha256((files("agents.calm") / "lexicon.txt").read_bytes()).hexdigest()[:12]


@cache
def frames() -> re.Pattern[str]:
    """Finds the phrases of the list, which state nothing by themselves."""
    phrases = [form for form, readings in lexicon().forms.items() if any(r.part == "phrase" for r in readings)]
    longest_first = sorted(phrases, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)


def sensational(word: str) -> bool:
    """Whether a folded word is a form in the list."""
    return word in lexicon().words


def _parsed(line: str, number: int) -> tuple[Part, str, tuple[str, ...]]:
    head, colon, calm = line.partition(": ")
    letter, _, word = head.partition(" ")
    if letter not in _PARTS or not colon or not word:
        raise ConfigError(f"calm/lexicon.txt, line {number}: expected `part head: calm | calm`, not {line!r}")
    wordings = tuple("" if piece.strip() == "-" else piece.strip() for piece in calm.split(" | "))
    return _PARTS[letter], word.strip(), wordings


def _forms(word: str, part: Part) -> list[str]:
    """Forms in a fixed order: base, 3rd person, past, participle, -ing; or singular, plural; or the word itself."""
    given = [form.strip() for form in word.split("/")]
    if part == "verb":
        return given if len(given) == 5 else _verb_forms(given[0])
    if part == "noun":
        return given if len(given) == 2 else [given[0], plural(given[0])]
    return [word]


def _verb_forms(verb: str) -> list[str]:
    first, _, rest = verb.partition(" ")
    tail = f" {rest}" if rest else ""
    past, present = f"{_ed(first)}{tail}", f"{_ing(first)}{tail}"
    return [verb, f"{plural(first)}{tail}", past, past, present]


def plural(word: str) -> str:
    """A word with its regular -s."""
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _ed(verb: str) -> str:
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2:-1] not in _VOWELS:
        return verb[:-1] + "ied"
    return verb + (verb[-1] if verb in _DOUBLING else "") + "ed"


def _ing(verb: str) -> str:
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return verb[:-1] + "ing"
    return verb + (verb[-1] if verb in _DOUBLING else "") + "ing"
