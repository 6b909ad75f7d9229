"""What a policy could do instead of describing its user, and how it is found out.

* **Leaks**: the item to be predicted stands in what the policy reads, or in what it writes. The reward would be
  near its best and mean nothing, so a leak ends the run.
* **Copied titles**: a profile that lists the titles of the history is a copy of it, not a description.
* **Length**: the reward itself takes off for tokens beyond the budget; here the rate is counted.
* **Foreign facts**: a name that no visible item has came from somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.folding import fold
from recsys_core.catalog.items import FieldKind
from recsys_core.errors import BuildError
from recsys_core.profiles.parts import Part, part_of
from recsys_core.rewards.policy.slots import Slot, written

_WORD = re.compile(r"\w+|[,;\n]")
_BREAKS = frozenset(",;\n")


class LeakError(BuildError):
    """What is to be predicted was known, or something that the history doesn't hold was."""


class Visible(NamedTuple):
    """What a policy may know of a user, for the guards.

    Attributes:
        user: id, for messages.
        items: item indices of the visible part.
        targets: item indices to be predicted.
    """

    user: str
    items: frozenset[int]
    targets: tuple[int, ...]


class Guard:
    """The checks, over one catalogue.

    Args:
        catalogue: titles and values of the items.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._titles = [_folded(title) for title in catalogue.titles]
        # as it is written, and without commas, as somebody may copy it
        self._spellings = [tuple({_broken(title), _folded(title)} - {""}) for title in catalogue.titles]
        self._eras = [name for name, spec in catalogue.fields.items() if part_of(spec) is Part.era]
        self._of_item: dict[int, set[str]] = {}

    def title(self, item: int) -> str:
        """Title of an item index."""
        return self._catalogue.titles[item]

    def check_facts(self, visible: Visible, slots: Sequence[Slot]) -> None:
        """Each fact must come from the visible items.

        Raises:
            LeakError: a target is among the visible items, or a slot names what none of them has.
        """
        catalogue = self._catalogue
        known = visible.items.intersection(visible.targets)
        if known:
            item = catalogue.ids[min(known)]
            raise LeakError(
                f"user {visible.user!r}: item {item!r} is to be predicted and stands in the visible history"
            )
        values = self._values(visible.items)
        for slot in slots:
            name = _folded(slot.name)
            if (
                name
                and name not in values
                and slot.group != "avoided"
                and not self._in_titles(visible.items, name, slot)
            ):
                leaked = [catalogue.ids[t] for t in visible.targets if _within(name, self._titles[t])]
                what = f"; it is the title of item {leaked[0]!r}, which is to be predicted" if leaked else ""
                told = f"the fact {slot.name!r} ({slot.group}) is in none of the visible items"
                raise LeakError(f"user {visible.user!r}: {told}{what}")

    def leaked(self, visible: Visible, text: str, facts: Iterable[str]) -> str | None:
        """Title of a target that a profile names, or None.

        A title that is also one of the user's own facts (a film called like its lead) isn't told by naming the fact.

        Args:
            visible: of the user.
            text: the profile.
            facts: names that the policy was given.
        """
        # "Toy Story 2" of the history isn't "Toy Story", which is to be predicted
        seen = (self._catalogue.titles[item] for item in visible.items)
        return next(iter(self._named(text, visible.targets, [*facts, *seen])), None)

    def copied(self, visible: Visible, text: str, facts: Iterable[str]) -> list[str]:
        """Titles of visible items that a profile gives word for word, each once."""
        return self._named(text, visible.items, facts)

    def _named(self, text: str, items: Iterable[int], facts: Iterable[str]) -> list[str]:
        words = _broken(text)
        explained = {_broken(fact) for fact in facts}
        found = {}
        for item in sorted(items):
            for title in self._spellings[item]:
                if _within(title, words) and not self._explained(title, words, explained):
                    found[self._titles[item]] = self._catalogue.titles[item]
        return list(found.values())

    def _explained(self, title: str, words: str, facts: set[str]) -> bool:
        """Whether the title's words stand in the text only as part of facts that may be named."""
        for fact in sorted((fact for fact in facts if _within(title, fact)), key=len, reverse=True):
            words = f" {words} ".replace(f" {fact} ", " \0 ")
        return not _within(title, words)

    def _values(self, items: Iterable[int]) -> set[str]:
        found: set[str] = set()
        for item in items:
            if item not in self._of_item:
                self._of_item[item] = self._values_of(item)
            found |= self._of_item[item]
        return found

    def _values_of(self, item: int) -> set[str]:
        catalogue, found = self._catalogue, set()
        for name, spec in catalogue.fields.items():
            if spec.kind is FieldKind.tags:
                found.update(catalogue.tags(name)[item])
            elif spec.kind is FieldKind.string and (value := catalogue.strings(name)[item]):
                found.add(value)
            elif name in self._eras and (year := catalogue.numbers(name)[item]) == year:
                found.add(f"{int(year) // 10 * 10}s")
        # as long as a slot writes them
        return {_folded(written(value)) for value in found}

    def _in_titles(self, items: Iterable[int], name: str, slot: Slot) -> bool:
        return slot.group in {"subject", "title"} and any(_within(name, self._titles[item]) for item in items)


@lru_cache(maxsize=1 << 16)
def _broken(text: str) -> str:
    """Words, and the signs that part a list: two facts beside each other aren't a title of two words."""
    return " ".join(_WORD.findall(fold(text)))


@lru_cache(maxsize=1 << 16)
def _folded(text: str) -> str:
    """The words alone."""
    return " ".join(word for word in _WORD.findall(fold(text)) if word not in _BREAKS)


def _within(words: str, text: str) -> bool:
    return f" {words} " in f" {text} "
