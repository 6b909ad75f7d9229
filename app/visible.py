"""Text from outside as a screen may show it: no terminal sequences, no control, direction or hidden characters.

For the page and the terminal, which trust no server; the page may import nothing below it, so this stands here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

_ANSI = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[\[\(][0-9;?]*[ -/]*[@-~]|\x1b.|\x9b[0-9;?]*[@-~]", re.DOTALL
)
_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
_JOINER = "\u200d"


def visible(text: str) -> str:
    """The text without what can't be seen; line breaks and tabs stay, a joiner stays inside an emoji."""
    text = _ANSI.sub("", text)
    return "".join(
        char
        for place, char in enumerate(text)
        if char in "\n\t" or unicodedata.category(char) not in _HIDDEN or (char == _JOINER and _joins(text, place))
    )


def visible_deep(value: Any) -> Any:
    """A value of JSON with every text in it made visible, keys included."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(key)): visible_deep(part) for key, part in value.items()}
    if isinstance(value, list):
        return [visible_deep(part) for part in value]
    return value


def _joins(text: str, place: int) -> bool:
    if not 0 < place < len(text) - 1:
        return False
    return all(ord(text[n]) > 0x2000 and not text[n].isalpha() for n in (place - 1, place + 1))
