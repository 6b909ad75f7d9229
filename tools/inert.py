"""Text from outside as text and nothing else: no control, direction or hidden characters, no terminal sequences,
no markup and no addresses. What a person reads stays; what a program would act on goes.
"""

from __future__ import annotations

import re
import unicodedata

_ANSI = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[\[\(][0-9;?]*[ -/]*[@-~]|\x1b.|\x9b[0-9;?]*[@-~]", re.DOTALL
)
_ADDRESS = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.|(?:mailto|javascript|vbscript):(?=\S)|data:\w+/)\S*", re.IGNORECASE
)
_IMAGE = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
_MARKS = re.compile(r"[<>`\[\]]")
_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
_JOINER = "\u200d"
_SYMBOLS = {"So", "Sk", "Mn"}


def without_hidden(text: str) -> str:
    """No terminal sequences, control, direction, zero-width, tag or private characters; line breaks are spaces.

    A joiner stays between the parts of an emoji.
    """
    text = _ANSI.sub("", text)
    out = []
    for place, char in enumerate(text):
        kind = unicodedata.category(char)
        if char.isspace() or kind in {"Zl", "Zp"}:
            out.append(" ")
        elif kind not in _HIDDEN or (char == _JOINER and _joins(text, place)):
            out.append(char)
    return "".join(out)


def inert(text: str) -> str:
    """The text on one line, without what :func:`without_hidden` takes out, markup, and addresses."""
    shown = without_hidden(text)
    before = None
    while before != shown:  # taking one mark out may bring two halves together
        before = shown
        shown = _MARKS.sub("", _TAG.sub(" ", _IMAGE.sub(r"\1", shown)))
        shown = _ADDRESS.sub(" ", shown)
    return " ".join(shown.split())


def _joins(text: str, place: int) -> bool:
    if not 0 < place < len(text) - 1:
        return False
    return all(unicodedata.category(text[n]) in _SYMBOLS or text[n] == "\ufe0f" for n in (place - 1, place + 1))
