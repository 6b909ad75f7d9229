"""What an intervention showed, in words: only what was measured, and what was measured in full."""

from __future__ import annotations

from agents.cards import join_words, spoken_title
from agents.request import without
from agents.state import WorkingRequest
from recsys_core.catalog.catalogue import Catalogue
from tools.intervene import Intervention, Removal

MOST_NAMED = 3
"""How many decisive wishes, and how many decisive titles, are named."""


def variants(request: WorkingRequest, catalogue: Catalogue) -> list[tuple[str, WorkingRequest]]:
    """The request without each of its parts, with the words for what is missing.

    An example that is taken away stays excluded: it must not take a place on the list itself.
    """
    found = [(_quoted(wish.words), without(request, (wish,))) for wish in request.wishes]
    for anchor in request.anchors:
        less = {
            "anchors": [item for item in request.anchors if item != anchor],
            "exclude": [*request.exclude, anchor],
        }
        found.append((_quoted(f"like {spoken_title(catalogue.get(anchor).title)}"), request.model_copy(update=less)))
    if request.words:
        found.append((_quoted(request.words), request.model_copy(update={"words": ""})))
    return found[:20]


def measured_text(result: Intervention, labels: list[str]) -> str:
    """What keeps an item on the list, one to three sentences; empty when nothing could be measured.

    Args:
        result: of the tool `intervene`.
        labels: words for each wish that was taken away, as in `variants`.
    """
    if result.place is None or result.place > result.size or not result.removals:
        return ""
    decisive = result.decisive()
    wishes = [labels[r.wish] for r in decisive if r.wish is not None]
    alone = [r for r in decisive if len(r.item_ids) == 1]
    together = [r for r in decisive if len(r.item_ids) > 1]
    parts = []
    if wishes:
        named = join_words(wishes[:MOST_NAMED], "or")
        parts.append(f"Without {named} in your request it would not be on the list.")
    if alone:
        named = join_words([_titles(r) for r in alone[:MOST_NAMED]], "or")
        parts.append(f"Without {named} in your history it would not be on the list.")
    elif together:
        parts.append(f"Without {_titles(together[0])} in your history it would not be on the list.")
    elif mover := _mover(result):
        parts.append(f"{_titles(mover)} in your history moved it from place {mover.place} to place {result.place}.")
    if not parts:
        tried = [*(["wish"] if labels else []), *(["title of your history"] if _history(result) else [])]
        parts.append(f"It stays on the list without any single {join_words(tried, 'or')} that I took away.")
    if not result.complete:
        parts.append("There was no time to try everything.")
    return " ".join(parts)


def _mover(result: Intervention) -> Removal | None:
    """The history items without which the item stands furthest down, where that is further than now."""
    place = result.place or 0
    moved = [r for r in result.removals if r.item_ids and r.place is not None and r.place > place]
    return max(moved, key=lambda r: (r.place or 0, -len(r.item_ids)), default=None)


def _history(result: Intervention) -> bool:
    return any(removal.item_ids for removal in result.removals)


def _titles(removal: Removal) -> str:
    return join_words([spoken_title(title) for title in removal.titles])


def _quoted(words: str) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{words}\N{RIGHT DOUBLE QUOTATION MARK}"
