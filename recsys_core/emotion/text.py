"""Sentences of any text, without losing a character: the pieces put together again are the text.

Code, mark-up and addresses are pieces of their own kind, so that whoever changes prose can leave them as they are.
Everything here takes time linear in the length of the text.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

LONGEST_SENTENCE = 600
"""Characters after which a sentence is cut at the next blank."""

Kind = Literal["prose", "fixed"]

_FIXED = re.compile(
    r"```.*?(?:```|\Z)"  # code between fences
    r"|`[^`\n]{1,200}`"
    r"|<(?:script|style|pre|code)\b[^<>]{0,500}>.*?(?:</(?:script|style|pre|code)>|\Z)"
    r"|</?[a-zA-Z!][^<>]{0,500}>"
    r"|&(?:[a-zA-Z]{2,8}|\#\d{1,6}|\#x[0-9a-fA-F]{1,6});"
    r"|\{\{.{0,200}?\}\}|\{%.{0,200}?%\}"
    r"|\b(?:https?|ftp)://[^\s<>\"']+|\bwww\.[^\s<>\"']+|\b[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,100}",
    re.DOTALL | re.IGNORECASE,
)
# marks inside a sentence, which don't end it
_INLINE = re.compile(
    r"</?(?:a|abbr|b|br|em|font|i|mark|s|small|span|strong|sub|sup|u)\b[^<>]*>|&[#\w]+;|`[^`]*`|\{.*\}|\w.*",
    re.IGNORECASE | re.DOTALL,
)
_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？]+[”’」』]*|\n[ \t]*(?:\n\s*)+|\n(?=[ \t]*(?:[-*•#]|\d{1,3}[.)] ))")
_ABBREVIATIONS = frozenset(
    re.findall(
        r"\S+",
        "adm al approx apr assn assoc aug ave bros capt ch cmdr co col corp dec dept det dr est etc feb fig "
        "fr ft gen gov hon inc jan jr jul jun lt ltd maj mar messrs mr mrs ms mt mts no nos nov oct op pp "
        "pres prof rep reps rev rs sec sen sens sep sept sgt sr st supt u.k u.n u.s univ vol vs calif fla ill "
        "ky mass minn penn tenn tex wash wis ",
    )
)
_LAST_WORD = re.compile(r"([\w.]{1,30})\.+[\"'”’)\]]*$")
_NEXT = re.compile(r"\s*[\"'“‘(\[]*(\w)")


class Piece(NamedTuple):
    """A part of a text.

    Attributes:
        start: first character's place in the text.
        end: one past the last.
        kind: `prose` is a sentence with the blanks after it; `fixed` is code, mark-up or a break, never to be changed.
    """

    start: int
    end: int
    kind: Kind


class Sentence(NamedTuple):
    """A sentence and where it stands; the blanks around it aren't part of it."""

    start: int
    end: int
    text: str


def fixed_spans(text: str) -> list[tuple[int, int]]:
    """Where code, mark-up, entities, templates and addresses stand, in order."""
    return [match.span() for match in _FIXED.finditer(text)]


def pieces(text: str) -> list[Piece]:
    """The whole text in pieces, in order and without gaps.

    Mark-up within a line (``<b>``, entities, addresses) stays inside its sentence; see :func:`fixed_spans`.
    """
    out: list[Piece] = []
    place = 0
    for low, high in fixed_spans(text):
        if _INLINE.fullmatch(text, low, high):
            continue
        out += _prose(text, place, low)
        out.append(Piece(low, high, "fixed"))
        place = high
    return out + _prose(text, place, len(text))


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text, those without a letter or digit left out."""
    found = []
    for piece in pieces(text):
        if piece.kind == "prose":
            words = text[piece.start : piece.end]
            kept = words.strip()
            if any(char.isalnum() for char in kept):
                start = piece.start + len(words) - len(words.lstrip())
                found.append(Sentence(start, start + len(kept), kept))
    return found


def _prose(text: str, low: int, high: int) -> list[Piece]:
    out: list[Piece] = []
    start = low
    for match in _END.finditer(text, low, high):
        end = match.end()
        if end <= start or (match[0][0] in ".!?…" and not _ends(text, start, match, high)):
            continue
        while end < high and text[end].isspace():
            end += 1
        out += _cut(text, start, end)
        start = end
    return out + _cut(text, start, high)


def _ends(text: str, start: int, match: re.Match[str], high: int) -> bool:
    """Whether a mark ends its sentence rather than an abbreviation, an initial or a quotation inside it."""
    following = _NEXT.match(text, match.end(), high)
    if following is not None and following[1].islower():
        return False
    before = _LAST_WORD.search(text, max(start, match.end() - 40), match.end())
    if before is None or match[0][0] in "!?":
        return True
    word = before[1].strip(".").casefold()
    if len(word) == 1 and word.isalpha():
        return False
    return word not in _ABBREVIATIONS


def _cut(text: str, start: int, end: int) -> list[Piece]:
    """A sentence, in several pieces when it is very long."""
    out: list[Piece] = []
    while end - start > LONGEST_SENTENCE:
        blank = text.find(" ", start + LONGEST_SENTENCE, min(end, start + 2 * LONGEST_SENTENCE))
        place = blank + 1 if blank >= 0 else start + LONGEST_SENTENCE
        out.append(Piece(start, place, "prose"))
        start = place
    if end > start:
        out.append(Piece(start, end, "prose"))
    return out
