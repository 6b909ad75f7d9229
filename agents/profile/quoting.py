"""Which line of a profile an item fits: what a reason may quote."""

from __future__ import annotations

from collections.abc import Sequence

from agents.profile.checks import named_values
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.folding import fold
from tools.inert import inert

LONGEST_QUOTE = 140
"""Characters of a line that are quoted."""


def fitting_line(item_id: str, lines: Sequence[str], catalogue: Catalogue) -> str:
    """The line that names most of what an item has, as one inert quotation; empty where none names any."""
    own: set[str] = set()
    for value in catalogue.get(item_id).attributes.values():
        if isinstance(value, bool):
            continue
        if isinstance(value, list):
            own |= {fold(part) for part in value}
        elif isinstance(value, str):
            own.add(fold(value))
    best, shared = "", 0
    for line in lines:
        count = len(own & set(named_values(line, catalogue)))
        if count > shared:
            best, shared = line, count
    shown = inert(best)
    return shown if len(shown) <= LONGEST_QUOTE else f"{shown[: LONGEST_QUOTE - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"
