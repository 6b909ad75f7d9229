"""What a message is said into: the cards on the table and the request that is running."""

from __future__ import annotations

from dataclasses import dataclass, field

from agents.intent import Act, Intent
from agents.state import SlateCard, WorkingRequest


@dataclass(frozen=True)
class Scene:
    """The moment before a message."""

    slate: list[SlateCard] = field(default_factory=list)
    """Cards on the table."""
    focus: str = ""
    """Item id last spoken of; empty when none."""
    request: WorkingRequest | None = None
    """The running request; None at the start of a thread."""
    previous: Intent | None = None
    """What the message before was understood as, with what its answer asked or offered; None when there was none."""

    def item_at(self, slot: int) -> str | None:
        """Item id in a slot, counted from 1; None when there is no such slot."""
        return next((card.item_id for card in self.slate if card.slot == slot), None)

    @property
    def running(self) -> bool:
        """True when there is a request that can be changed; a blank one after "start over" can't."""
        request = self.request
        return request is not None and bool(self.slate or request.wishes or request.words or request.anchors)

    @property
    def compared(self) -> list[str]:
        """Ids of the items that the message before held against each other; what "those" means right after it."""
        previous = self.previous
        return list(previous.items) if previous is not None and previous.act is Act.compare else []
