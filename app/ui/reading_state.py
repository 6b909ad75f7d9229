"""What the page remembers of texts: the mode of the open conversation, and what the API said of items' texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MODES = ("raw", "balanced", "cool")
NAMES = {"raw": "RAW", "balanced": "BALANCED", "cool": "COOL"}
SAYS = {
    "raw": "Texts as they were written.",
    "balanced": "Calmer wording, same facts. The original is one click away.",
    "cool": "Calmer wording and one sentence of background from the catalogue. The original is one click away.",
}


@dataclass
class ReadingState:
    """Of one open conversation; a new one begins with an empty state."""

    unsent: str | None = None
    """A mode chosen before the conversation had begun; goes along with its first message."""
    guide: dict[str, Any] | None = None
    """The mode in force and what the guide knows; None until it is fetched."""
    texts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Readings by item id."""
    open: str | None = None
    """Item whose text is open."""
    asked_again: int = 0
    """How often finer texts were asked for since texts were last fetched whole."""
    balance: bool = False
    """The visitor looks at their balance instead of the conversation."""
    version: int = 0
    """Goes up when widgets have to show another value than they had."""

    @property
    def mode(self) -> str:
        """The mode in force for the conversation."""
        return self.unsent or (str(self.guide["mode"]) if self.guide else "raw")

    def begin(self) -> None:
        """A turn has begun: what was chosen before is with the API now, and the turn may change it."""
        self.unsent = None
        self.stale()

    @property
    def waiting(self) -> list[str]:
        """Items whose text a language model is still working on."""
        return [item for item, reading in self.texts.items() if reading.get("pending")]

    def came(self, readings: Sequence[dict[str, Any]]) -> None:
        """Texts came with a turn."""
        self.texts |= {str(reading["item_id"]): reading for reading in readings}

    def stale(self) -> None:
        """What was fetched no longer holds."""
        self.guide = None
        self.texts = {}
        self.asked_again = 0
        self.version += 1
