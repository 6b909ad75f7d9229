"""Says in plain Python, item by item, whether an item satisfies a filter.

Deliberately independent of the vectorised masks that serving uses: it shares no code with them, so that a mistake
there can't hide here.
"""

from __future__ import annotations

import unicodedata

from recsys_core.catalog.filters import Condition, ItemFilter
from recsys_core.catalog.items import AttributeValue, Item


def satisfies(item: Item, rule: ItemFilter | None) -> bool:
    """Whether an item satisfies a filter: all of ``all_of``, one of ``any_of`` (if any), none of ``none_of``.

    Args:
        item: the item with its attributes.
        rule: the filter; None allows everything.
    """
    if rule is None:
        return True
    if not all(_holds(item, part) for part in rule.all_of):
        return False
    if rule.any_of and not any(_holds(item, part) for part in rule.any_of):
        return False
    return not any(_holds(item, part) for part in rule.none_of)


def _holds(item: Item, part: Condition | ItemFilter) -> bool:
    if isinstance(part, ItemFilter):
        return satisfies(item, part)
    value = item.attributes.get(part.field)
    if value is None or value == []:
        return False  # an item without a value satisfies no condition on the field
    wanted = part.value if isinstance(part.value, list) else [part.value]
    if part.op == "range":
        return _between(value, *wanted)
    return any(_equal(value, one) for one in wanted)


def _between(value: AttributeValue, low: object, high: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    above = low is None or (isinstance(low, int | float) and value >= low)
    return above and (high is None or (isinstance(high, int | float) and value <= high))


def _equal(value: AttributeValue, wanted: object) -> bool:
    """Equality as filters mean it: text without regard to case and outer blanks, a list by any of its tags."""
    if isinstance(value, list):
        return any(_equal(tag, wanted) for tag in value)
    if isinstance(value, str) or isinstance(wanted, str):
        return isinstance(value, str) and isinstance(wanted, str) and _plain(value) == _plain(wanted)
    if isinstance(value, bool) or isinstance(wanted, bool):
        return isinstance(value, bool) and isinstance(wanted, bool) and value == wanted
    return isinstance(wanted, int | float) and float(value) == float(wanted)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()
