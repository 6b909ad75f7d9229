"""Calm wordings of one sentence from the list of sensational words: edits, and the sentences that they make.

Quoted speech, code, mark-up and names are left as they are. Knows no model and no measure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from agents.calm.facts import quotations
from agents.calm.lexicon import Reading, lexicon
from agents.calm.words import FUNCTION_WORDS, group
from recsys_core.emotion.text import fixed_spans

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SHOUT = re.compile(r"!+(?=[\s\"'”’)\]]|$)|\?!+|!+\?+|!{2,}")
_QUESTION = re.compile(r"[\w'’][^?!\n]*\?+", re.UNICODE)
_ASKED = "The question is: "
_ASKING = frozenset({"will", "would", "could", "should", "may", "might", "must", "shall", "isn't", "aren't", "won't"})
_ARTICLE = re.compile(r"\b(a)n?(\s+)$", re.IGNORECASE)
_ALL_SETS = 4
"""Of so many edits every set is tried; of more, each alone and each left out."""
_SINGLES = 6
"""So many edits are also tried each alone."""
_BEFORE_NOUN, _BEFORE_VERB, _AFTER_NOUN = group("before-noun"), group("before-verb"), group("after-noun")
_OBJECT = frozenset({"a", "an", "the", "his", "her", "its", "their", "this", "these", "those", "all"})
_MOTION = frozenset(
    {"into", "ashore", "shut", "through", "against", "onto", "home", "together", "across", "past", "toward"}
)
_COMPARED = frozenset({"most", "more", "less", "least", "so", "as"})
_CRITICISM = ("critici", "object")
# a storm that slams a coast criticises nobody
_PHYSICAL = group("physical")
_PARTICLES = frozenset({"up", "out", "off", "away", "down"})
_BE_OR_HAVE, _INITIALS = group("be-or-have"), group("initials")


class Edit(NamedTuple):
    """Put one of some wordings in a place.

    Attributes:
        start: first character replaced.
        end: one past the last.
        wordings: what may stand there, best first.
        reason: the word it calms, or what was done.
    """

    start: int
    end: int
    wordings: tuple[str, ...]
    reason: str


class Draft(NamedTuple):
    """A sentence as it could be, and the reasons for what is different."""

    text: str
    reasons: tuple[str, ...]


def drafts(sentence: str) -> list[Draft]:
    """Calmer versions of a sentence, the one with all edits first; none when there is nothing to calm."""
    spoken = quieted(sentence)
    edits = find_edits(spoken)
    if not edits:
        return [] if spoken == sentence else [Draft(spoken, ("shouting",))]
    extra = ("shouting",) if spoken != sentence else ()
    reasons = (*extra, *(edit.reason for edit in edits))
    most = max(len(edit.wordings) for edit in edits)
    made = [Draft(apply(spoken, edits, choice), reasons) for choice in range(most)]
    if 1 < len(edits) <= _ALL_SETS:
        sets = (some for size in range(1, len(edits)) for some in combinations(edits, size))
        made += [Draft(apply(spoken, some), (*extra, *(edit.reason for edit in some))) for some in sets]
    elif edits:
        made += [Draft(apply(spoken, [edit]), (*extra, edit.reason)) for edit in edits[:_SINGLES]]
        made += [
            Draft(apply(spoken, rest), (*extra, *(e.reason for e in rest)))
            for left_out in range(min(len(edits), _SINGLES))
            if len(rest := [*edits[:left_out], *edits[left_out + 1 :]]) > 1
        ]
    return list(dict.fromkeys(draft for draft in made if draft.text != sentence))


def told(sentence: str, made: Sequence[Draft]) -> list[Draft]:
    """A question as a sentence that tells it, from the question itself and from its calmer versions.

    "Is this the end of Acme?" becomes "The question is: is this the end of Acme." Nothing but the mark goes.

    Args:
        sentence: any sentence; one that isn't a question, or is quoted, has no such version.
        made: calmer versions of it.
    """
    if quotations(sentence) or not _QUESTION.fullmatch(sentence):
        return []
    versions = [(draft.text, draft.reasons) for draft in made[:1]] + [(sentence, ())]
    out = []
    for text, reasons in versions:
        body = text.rstrip("?!. ")
        first = _WORD.match(body)
        if first is not None and first[0].casefold() in FUNCTION_WORDS | _ASKING and not first[0][1:].isupper():
            body = body[0].lower() + body[1:]
        out.append(Draft(f"{_ASKED}{body}.", (*reasons, "a question")))
    return out


def find_edits(sentence: str) -> list[Edit]:
    """Where sensational words stand and what may stand there; no two overlap."""
    kept = quotations(sentence) + fixed_spans(sentence)
    words = list(_WORD.finditer(sentence))
    folded = [match[0].casefold().replace("’", "'") for match in words]
    headline = is_headline(sentence)
    known = lexicon()
    edits: list[Edit] = []
    place = 0
    while place < len(words):
        size = min(known.longest, len(words) - place)
        while size and not _fits(sentence, words, folded, place, size):
            size -= 1
        if not size:
            place += 1
            continue
        low, high = words[place].start(), words[place + size - 1].end()
        wordings = _calm(folded, place, size, known.forms[" ".join(folded[place : place + size])])
        if wordings and wordings[0].startswith(_CRITICISM) and _PHYSICAL & set(folded):
            wordings = ()
        if place > 1 and folded[place - 1] == "the" and all(words[n][0][0].isupper() for n in (place - 2, place)):
            wordings = ()  # Ivan the Terrible
        named = size == 1 and not headline and place > 0 and words[place][0][0].isupper() and not _starts(sentence, low)
        if wordings and not named and all(high <= start or low >= end for start, end in kept):
            shown = tuple(_in_case(wording, sentence[low:high], headline) for wording in wordings)
            edits.append(Edit(low, high, shown, f"'{sentence[low:high]}'"))
        place += size
    return edits


def apply(sentence: str, edits: Sequence[Edit], choice: int = 0) -> str:
    """The sentence with edits put in, articles and beginnings mended."""
    out, place = [], 0
    for edit in edits:
        wording = edit.wordings[min(choice, len(edit.wordings) - 1)]
        before, end = sentence[place : edit.start], edit.end
        if not wording:
            end += len(sentence[end:]) - len(sentence[end:].lstrip(" ,:"))
        if wording:
            before = _with_article(before, wording)
        out += [before, wording]
        place = end
    text = "".join([*out, sentence[place:]])
    first = next((match for match in _WORD.finditer(text)), None)
    if first is not None and first[0][0].islower() and sentence.lstrip("\"'“‘( ")[:1].isupper() and first.start() < 3:
        text = text[: first.start()] + text[first.start()].upper() + text[first.start() + 1 :]
    return text


def quieted(sentence: str) -> str:
    """Without exclamation marks and shouted words; quotations, code and initials stay."""
    kept = quotations(sentence) + fixed_spans(sentence)

    def calm_mark(match: re.Match[str]) -> str:
        if any(low <= match.start() < high for low, high in kept):
            return match[0]
        return "?" if "?" in match[0] else "."

    def calm_word(match: re.Match[str]) -> str:
        word = match[0]
        inside = any(low <= match.start() < high for low, high in kept)
        if inside or len(word) < 2 or not word.isupper() or word.casefold() in _INITIALS:
            return word
        if shouting:
            return word.capitalize() if len(word) > 3 or match.start() == 0 else word.lower()
        folded = word.casefold()
        if len(word) < 4 or (folded not in lexicon().words and folded not in FUNCTION_WORDS):
            return word
        return word.capitalize() if _starts(sentence, match.start()) else folded

    shouting = is_shouted(sentence)
    calmed = _WORD.sub(calm_word, _SHOUT.sub(calm_mark, sentence))
    # Spanish opens with a mark of its own
    return calmed if "!" in calmed else calmed.replace("\N{INVERTED EXCLAMATION MARK}", "")


def is_shouted(sentence: str) -> bool:
    """Whether most of a sentence of three words or more is in capitals."""
    words = [match[0] for match in _WORD.finditer(sentence) if len(match[0]) > 1]
    return len(words) >= 3 and sum(word.isupper() for word in words) > 0.6 * len(words)


def is_headline(sentence: str) -> bool:
    """Whether nearly all words of four letters or more are capitalised, so that a capital says nothing about names."""
    words = [match[0] for match in _WORD.finditer(sentence) if len(match[0]) > 3]
    return len(words) >= 2 and sum(word[0].isupper() for word in words) >= 0.8 * len(words)


def _fits(sentence: str, words: list[re.Match[str]], folded: list[str], place: int, size: int) -> bool:
    if " ".join(folded[place : place + size]) not in lexicon().forms:
        return False
    return all(sentence[words[n].end() : words[n + 1].start()] == " " for n in range(place, place + size - 1))


def _calm(folded: list[str], place: int, size: int, readings: list[Reading]) -> tuple[str, ...]:
    """Wordings of the reading that the neighbours speak for."""
    before = folded[place - 1] if place else ""
    after = folded[place + size] if place + size < len(folded) else ""
    by_part = {reading.part: reading.calm for reading in readings}
    if "phrase" not in by_part and (after in _MOTION or (before in _COMPARED and "plain" in by_part)):
        return ()
    for part in ("phrase", "intensifier"):
        if part in by_part and (part == "phrase" or after):
            return by_part[part]
    if "verb" in by_part and "noun" in by_part:
        if before in _BEFORE_VERB:
            return by_part["verb"]
        acts = before not in _BEFORE_NOUN and after in _OBJECT
        if before in _BEFORE_NOUN or after in _AFTER_NOUN or not (by_part["noun"] or acts):
            return by_part["noun"]
        return next(iter(by_part.values()))
    if "noun" in by_part and (before in _BEFORE_VERB or after in _PARTICLES):
        return ()
    if "verb" in by_part and "plain" in by_part:
        # "soaring prices" describes, "was slammed" and "are soaring" act
        return by_part["verb" if before in _BE_OR_HAVE or before in _BEFORE_VERB else "plain"]
    return next(iter(by_part.values()), ())


def _starts(sentence: str, place: int) -> bool:
    """Whether a word stands where a capital says nothing: at the beginning, after a colon or a dash."""
    return sentence[:place].rstrip(" \"'“‘(")[-1:] in {"", ":", "-", "–", "—", ".", "!", "?"}


def _in_case(wording: str, original: str, headline: bool) -> str:
    if not wording or not original[0].isupper():
        return wording
    if headline:
        return " ".join(word if word in FUNCTION_WORDS else word[0].upper() + word[1:] for word in wording.split(" "))
    return wording[0].upper() + wording[1:]


def _with_article(before: str, wording: str) -> str:
    """`before` with the `a` or `an` at its end as `wording` wants it."""

    def chosen(match: re.Match[str]) -> str:
        vowel = wording[0].casefold() in "aeiou"
        return match[1] + ("n" if vowel else "") + match[2]

    return _ARTICLE.sub(chosen, before)
