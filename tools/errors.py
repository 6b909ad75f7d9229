"""How a tool call is refused."""

from __future__ import annotations

from typing import Literal

from recsys_core.errors import SidraError

ToolErrorKind = Literal[
    "unknown_tool",
    "not_allowed",
    "too_many_calls",
    "invalid_arguments",
    "unknown_item",
    "bad_filter",
    "unknown_user",
    "unavailable",
]


class ToolError(SidraError):
    """A tool call that was not carried out.

    Args:
        kind: what is wrong with it.
        message: one sentence with the remedy.
    """

    def __init__(self, kind: ToolErrorKind, message: str) -> None:
        self.kind: ToolErrorKind = kind
        super().__init__(message)
