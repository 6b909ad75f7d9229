"""Make text from users, items and logs safe to stand inside a prompt.

It stays readable for a person and a model, but it can't end its own section, start a chat turn, hide characters, or
reach the template engine.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

MAX_CHARS = 2000
"""Longer values are cut, with an ellipsis."""

# <|im_start|>, <|sid_begin|>, <｜User｜>, [INST], <<SYS>>, <s>, <start_of_turn>, <think>, <tool_call> ...
_CHAT_TOKENS = re.compile(
    r"<\s*[|｜].*?[|｜]\s*>"
    r"|<</?\s*sys\s*>>"
    r"|\[/?\s*(?:inst|system|user|assistant)\s*\]"
    r"|</?\s*(?:s|pad|eos|bos|unk|start_of_turn|end_of_turn|think|tool_call|tool_response|system|user|assistant)\s*/?\s*>",
    re.IGNORECASE | re.DOTALL,
)
# Half a token: the other half may stand in the prompt's next value.
_HALVES = re.compile(r"<\s*[|｜]|[|｜]\s*>")
# Our own section marks, in prompt files and in rendered text.
_DELIMITERS = re.compile(r"\[\[|\]\]|<{3,}|>{3,}|```+|\"{3,}")
# A value that spells a role at its beginning reads like a new turn to a small model.
_ROLE_LABEL = re.compile(r"(?im)^\s*#*\s*(system|assistant|developer|user)\s*:")
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
_KEPT_JOINER = "\u200d"  # holds emoji families together; removed next to letters
_SPACE = re.compile(r"\s+")


def untrusted(text: str, limit: int = MAX_CHARS) -> str:
    """`text` on one line without control, bidirectional, zero-width and tag characters, chat tokens and our marks.

    Idempotent. Ordinary words in any script, emoji and template braces stay as they are.
    """
    text = unicodedata.normalize("NFC", text)
    text = _without_hidden(text)
    before = None
    while before != text:  # removing one token may join the halves of another
        before = text
        text = _DELIMITERS.sub(" ", text)
        text = _CHAT_TOKENS.sub(" ", text)
        if text == before:
            text = _HALVES.sub(" ", text)
    text = _ROLE_LABEL.sub(r"\1 ", text)
    text = _SPACE.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def untrusted_deep(value: Any) -> Any:
    """`value` with every string in it, keys of mappings included, passed through `untrusted`."""
    if isinstance(value, str):
        return untrusted(value)
    if isinstance(value, Mapping):
        return {untrusted_deep(key): untrusted_deep(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [untrusted_deep(part) for part in value]
    return value


def _without_hidden(text: str) -> str:
    out: list[str] = []
    for position, char in enumerate(text):
        if char == _KEPT_JOINER and _between_symbols(text, position):
            out.append(char)
        elif char.isspace() and unicodedata.category(char) not in {"Zl", "Zp"}:
            out.append(" " if char not in "\n" else char)
        elif unicodedata.category(char) in {"Zl", "Zp"}:
            out.append("\n")
        elif unicodedata.category(char) not in _HIDDEN_CATEGORIES:
            out.append(char)
    return "".join(out)


def _between_symbols(text: str, position: int) -> bool:
    symbols = {"So", "Sk", "Mn"}
    return (
        0 < position < len(text) - 1
        and unicodedata.category(text[position - 1]) in symbols
        and unicodedata.category(text[position + 1]) in symbols
    )
