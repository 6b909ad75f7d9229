"""What a log may say of an error: where it happened and of which kind, never its message.

Messages of foreign exceptions may hold a user's words (a key that wasn't found, a text that couldn't be parsed).
"""

from __future__ import annotations

import traceback
from pathlib import Path

_MOST_FRAMES = 30


def trace_of(error: BaseException) -> str:
    """Kinds and places of an error and its causes, outermost frame first, one a line."""
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        for frame in traceback.extract_tb(current.__traceback__)[-_MOST_FRAMES:]:
            lines.append(f"  {Path(frame.filename).name}:{frame.lineno} in {frame.name}")
        lines.append(f"{type(current).__module__}.{type(current).__qualname__}")
        current = current.__cause__ or current.__context__
        if current is not None:
            lines.append("caused by")
    return "\n".join(lines)
