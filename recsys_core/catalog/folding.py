"""How text is made comparable: filters and joins must agree that ``Drama`` and ``drama`` are one value."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """The form of ``text`` in which letter case, surrounding blanks and compatibility forms don't matter."""
    return unicodedata.normalize("NFKC", text).casefold().strip()
