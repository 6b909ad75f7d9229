"""The neutral announcement: what may stand before a text that is still stirring when its words have been calmed.

It says that a text follows and nothing about what the text says. It changes no wording: the distance that it puts
between reader and text is all it does, and to a classifier it is dilution. Measurements tell its share apart.
"""

from __future__ import annotations

import re

from agents.calm.words import FUNCTION_WORDS
from recsys_core.emotion.text import fixed_spans

FRAME = "The text covers the following: "
"""Stands before the text."""
STILL_LOUD = 0.25
"""A text is announced from this stimulus on; the same threshold as for a sentence."""
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SHORTEST, _LONGEST = 8, 400
_ENGLISH = 0.15


def may_be_framed(text: str) -> bool:
    """Whether an announcement in English fits: English prose in one paragraph, of 8 to 400 words, without mark-up."""
    words = [match[0].casefold() for match in _WORD.finditer(text)]
    if not _SHORTEST <= len(words) <= _LONGEST or "\n" in text.strip() or fixed_spans(text):
        return False
    return sum(word in FUNCTION_WORDS for word in words) >= _ENGLISH * len(words)
