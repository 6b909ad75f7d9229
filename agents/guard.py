"""The first look at a message: what can't be answered is refused, what could pass for markup or orders is taken out."""

from __future__ import annotations

import logging
import unicodedata

from agents.errors import GuardFailed, MessageRejected
from prompts import untrusted

log = logging.getLogger(__name__)


def clean_message(text: str, max_chars: int) -> str:
    """The message without control characters, invisible characters and prompt delimiters.

    Args:
        text: as sent.
        max_chars: the longest message allowed.

    Raises:
        MessageRejected: too long, or nothing readable is left.
    """
    if len(text) > max_chars:
        raise MessageRejected(
            f"the message has {len(text):,} characters; at most {max_chars:,} are read, please shorten it"
        )
    cleaned = " ".join(untrusted(text).split())
    if not cleaned or all(unicodedata.category(c)[0] in "CZ" for c in cleaned):
        raise MessageRejected("the message is empty; say what you feel like, for example a kind, a country or a title")
    return cleaned[:max_chars]


def checked_message(text: str, max_chars: int) -> str:
    """`clean_message`, failing closed: a check that breaks refuses the message.

    Raises:
        MessageRejected: as above.
        GuardFailed: the check itself failed.
    """
    try:
        return clean_message(text, max_chars)
    except MessageRejected:
        raise
    except Exception as error:
        # whatever broke, an unchecked message goes no further; its words stay out of the log
        log.error("the guard failed with %s; the message was refused", type(error).__name__)
        raise GuardFailed from None
