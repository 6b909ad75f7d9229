"""An item rule in the words of Chroma's ``where``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recsys_core.catalog.catalogue import Catalogue
    from recsys_core.catalog.filters import ItemFilter


def where_of(rule: ItemFilter, catalogue: Catalogue) -> dict[str, Any] | None:
    """Nothing is expressed yet: the caller's check by mask does the work."""
    rule.mask(catalogue)
    return None
