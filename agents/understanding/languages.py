"""Requests in German, French, Spanish and Italian, word for word in the English that rules read.

No translation: the words that requests are made of are replaced, titles and names stay. Enough to ask, to rule out and
to bound; what is said beyond that is lost, so the answer says that it read another language.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agents.understanding.language_words import LANGUAGES, SMALL, Language
from agents.understanding.lexicon import FILLER
from agents.understanding.text import USED, same_length_fold

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_NAMED = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_QUOTED = re.compile(r'"[^"]+"')
_LONGEST_TITLE = 8
_OWN_ENGLISH = frozenset(
    ["about", "and", "anything", "films", "for", "from", "i", "is", "it", "like", "movie", "movies", "not", "please"]
) | {"show", "something", "the", "want", "with", "without"}
"""Words that these languages don't have, or not in requests."""


def in_english(message: str, is_title: Callable[[str], bool]) -> tuple[str, str]:
    """The message in words that rules read, and the language that it was in (`""` for English or unknown).

    Args:
        message: as written.
        is_title: whether some words are the title of an item, accents and capitals aside.
    """
    low = same_length_fold(message).replace("ß", "s")
    view = _without_titles(message, low, is_title)
    language = _language(view)
    if language is None:
        return message, ""
    said: list[tuple[int, int, str]] = []
    for pattern, english in language.phrases:
        for match in list(re.finditer(pattern, view)):
            said.append((*match.span(), match.expand(english)))
            view = _used(view, *match.span())
    for match in _WORD.finditer(view):
        english = _word(match[0], language)
        if english != match[0]:
            said.append((*match.span(), english))
    out, at = [], 0
    for begin, end, english in sorted(said):
        # what has no word here stays as it was written: names are told by their capitals
        out += [message[at:begin], english]
        at = end
    return re.sub(r"\s+", " ", "".join(out) + message[at:]).strip(), language.name


def _word(word: str, language: Language) -> str:
    if word in language.words or "-" not in word:
        return language.words.get(word, word)
    return " ".join(language.words.get(part, part) for part in word.split("-"))


def _language(view: str) -> Language | None:
    """The language that most words speak for; None for English, or when too little speaks for any."""
    words = [part for word in _WORD.findall(view) for part in {word, *word.split("-")}]
    english = sum(word in _OWN_ENGLISH for word in words)
    best, most = None, 0
    for language in LANGUAGES:
        told = sum(word in language.telling for word in words)
        found = ((re.search(pattern, view), said) for pattern, said in language.phrases)
        told += sum(match is not None and match[0] != match.expand(said) for match, said in found)
        if told:  # small words that English texts have too, in names most of all, only add to others
            told += sum(word in language.words and word in SMALL for word in words)
        if told > most:
            best, most = language, told
    # one word is enough only where little else is said: "Komödie 1995"
    enough = most >= 2 or (most == 1 and english == 0 and sum(word not in FILLER for word in words) <= 2)
    return best if enough and most > english else None


def _without_titles(message: str, low: str, is_title: Callable[[str], bool]) -> str:
    """The folded text with titles and what stands in quotes eaten, so that no word of theirs is read."""
    view = low
    for match in _QUOTED.finditer(low):
        view = _used(view, *match.span())
    words = [match.span() for match in _NAMED.finditer(view)]
    first = 0
    while first < len(words):
        begin = words[first][0]
        longest = min(len(words), first + _LONGEST_TITLE) - 1 if message[begin].isupper() else first
        last = next((n for n in range(longest, first, -1) if is_title(message[begin : words[n][1]])), None)
        if last is not None:
            view = _used(view, begin, words[last][1])
            first = last
        first += 1
    return view


def _used(view: str, begin: int, end: int) -> str:
    return view[:begin] + USED * (end - begin) + view[end:]
