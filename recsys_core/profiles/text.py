"""The text of a profile: counted in tokens, split into lines, cut to the limit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from tokenizers import Tokenizer

from recsys_core.encoders.text import MODEL_PACKAGE, model_folder

MAX_TOKENS = 120
"""Tokens that a profile may have."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[^\W\d_a-z])")
_BLANKS = re.compile(r"\s+")


def count_tokens(text: str) -> int:
    """Tokens of a text for the packaged sentence model, its two marks of beginning and end left out.

    The same tokens that the embedding judge reads; a chat model's own tokenizer counts English text about alike.

    Raises:
        ConfigError: the sentence model isn't installed.
    """
    return len(_tokenizer().encode(_clean(text), add_special_tokens=False).ids)


def split_lines(text: str) -> list[str]:
    """The lines of a profile, without empty ones; a text on one line is taken sentence by sentence."""
    lines = [line for raw in text.splitlines() if (line := _BLANKS.sub(" ", raw).strip())]
    if len(lines) == 1:
        return [sentence for sentence in _SENTENCE.split(lines[0]) if sentence]
    return lines


def fitted(lines: Sequence[str], limit: int = MAX_TOKENS) -> list[str]:
    """As many of the lines, in order, as the limit allows; a line that doesn't fit is left out, a shorter one behind
    it may still come in. When even the first doesn't fit, its beginning is kept.

    Args:
        lines: the most important first.
        limit: tokens that they may have together.
    """
    kept: list[str] = []
    used = 0
    for line in lines:
        cost = count_tokens(line)
        if used + cost <= limit:
            kept.append(line)
            used += cost
        elif not kept:
            beginning = _beginning(line, limit)
            if not beginning:
                continue
            kept.append(beginning)
            used += count_tokens(beginning)
    return kept


def _beginning(line: str, limit: int) -> str:
    """The longest run of words from the front that has at most ``limit`` tokens; empty when one word is too long."""
    words = line.split()
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count_tokens(" ".join(words[:middle])) <= limit else (low, middle - 1)
    return " ".join(words[:low]).rstrip(",;: ")


@cache
def _tokenizer() -> Tokenizer:
    tokenizer: Tokenizer = Tokenizer.from_file(str(model_folder(MODEL_PACKAGE) / "tokenizer.json"))
    # the packaged file pads to and cuts at 128 tokens; here the number itself is wanted
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _clean(text: str) -> str:
    # a lone surrogate can't be encoded as UTF-8 and would stop the tokenizer
    return text.encode("utf-8", "replace").decode("utf-8")
