"""Which facts of a card a language model gets to read: numbers, and words that several items of the catalogue share.

What stands in one or two records only may be anything, an order among it; and nobody misses it in a sentence or two.
"""

from __future__ import annotations

from collections.abc import Iterator

from agents.state import Fact
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.folding import fold
from recsys_core.catalog.items import FieldKind

SHARED_BY = 3
"""A value that fewer items carry is not shown to a model."""
MAX_CHARS = 40
MAX_WORDS = 5
"""Longer values are no names."""
MAX_VALUES = 3
"""So many values of a field are shown."""


def vetted_facts(facts: dict[str, Fact], catalogue: Catalogue) -> Iterator[str]:
    """Facts as lines such as ``genre: Comedy, Crime``; fields without a vetted value are left out."""
    for name, value in facts.items():
        if name not in catalogue.fields:
            continue
        shown = value if isinstance(value, list) else [value]
        short = [str(v) for v in shown if is_vetted(name, v, catalogue)][:MAX_VALUES]
        if short:
            yield f"{name.replace('_', ' ')}: {', '.join(short)}"


def is_vetted(field: str, value: object, catalogue: Catalogue) -> bool:
    """Whether a model may read this value."""
    kind = catalogue.fields[field].kind
    if kind in {FieldKind.number, FieldKind.flag}:
        return isinstance(value, int | float)
    text = str(value)
    if len(text) > MAX_CHARS or len(text.split()) > MAX_WORDS:
        return False
    rows = catalogue.postings(field).rows.get(fold(text))
    return rows is not None and len(rows) >= SHARED_BY
