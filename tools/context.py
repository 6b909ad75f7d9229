"""What every tool may reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.filters import ItemFilter
from recsys_core.generator.protocol import GenerateRequest, GenerateResult
from tools.access import ToolAccess
from tools.titles import TitleIndex

if TYPE_CHECKING:
    from tools.emotion import Calms


class Recommends(Protocol):
    """The part of `recsys_core.serving.recommender.Recommender` that tools use."""

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        ...

    def recommend(self, requests: Sequence[GenerateRequest]) -> list[GenerateResult]:
        """One result a request."""
        ...

    def history(self, user_id: str, limit: int | None = None) -> list[str] | None:
        """Item ids, newest last; None for an unknown user."""
        ...

    def search(self, text: str, k: int = 10, where: ItemFilter | None = None) -> Sequence[Any]:
        """Hits with item_id, title and similarity."""
        ...

    def similar(self, item_id: str, k: int = 10) -> Sequence[Any]:
        """Hits with item_id, title and similarity."""
        ...

    def evidence(self, item_id: str, request: GenerateRequest) -> Any:
        """Evidence with because_of and matched_attributes."""
        ...


@dataclass(frozen=True)
class ToolContext:
    """Everything a tool call may reach; arguments come from the caller, never the user or their feedback."""

    recommender: Recommends
    """The release that answers."""
    titles: TitleIndex
    """Titles of its catalogue."""
    user_id: str
    """For whom; no tool can be called for somebody else."""
    feedback: dict[str, int] = field(default_factory=dict)
    """Thumbs of this user, item id -> 1 or -1, oldest first."""
    access: ToolAccess = field(default_factory=ToolAccess)
    """Who calls and what they may; nothing, unless somebody says so."""
    calms: Calms | None = None
    """What calms texts, where somebody opened it."""
