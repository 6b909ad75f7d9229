"""Whose profiles are measured: what a profile may be written from, what chooses among candidates, what is held out.

The last two interactions of a user are the split's validation and test item, which no model of a release has seen; they
are what profiles must tell apart. Before them lies the slice on which the best of n candidates is chosen; profiles of
every kind are written from what comes before the slice, so that none knows more than another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval.offline import sample_users
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.splits import Split
from recsys_core.encoders.text import item_description
from recsys_core.errors import ConfigError

Ints = NDArray[np.int64]

HELD_OUT = 2
"""Interactions at the end that nothing sees."""
FEW = 5
"""Interactions of somebody of whom little is known."""
ITEM_CHARS = 320
"""An item's text is cut here: long descriptions tell of shipping, and cost time."""


@dataclass(frozen=True)
class SliceConfig:
    """How much of the visible history chooses among candidates."""

    share: int = 5
    """One interaction in so many."""
    most: int = 5
    """Never more."""


class Person(NamedTuple):
    """One user.

    Attributes:
        user: index in the log.
        user_id: id in the log.
        told: int64, items a profile is written from, oldest first.
        chooses: int64, the visible items after them.
        held: int64, items that nothing sees and that the user didn't have before.
        start: place of the first told item in the user's sequence.
    """

    user: int
    user_id: str
    told: Ints
    chooses: Ints
    held: Ints
    start: int = 0

    @property
    def visible(self) -> Ints:
        """Everything but what is held out."""
        return np.concatenate([self.told, self.chooses])


def draw_people(
    split: Split,
    users: int | None,
    seed: int,
    slice_: SliceConfig | None = None,
    leave_out: frozenset[str] = frozenset(),
) -> list[Person]:
    """A seeded sample of users with at least one item to tell of, one to choose by and one to hold out.

    Args:
        split: leave-last-out.
        users: how many; all that fit when None.
        seed: of the sample.
        slice_: how much chooses.
        leave_out: ids of users who must not be among them.

    Raises:
        ConfigError: fewer than two fit.
    """
    slice_ = slice_ or SliceConfig()
    found: list[Person] = []
    for user in np.random.default_rng(seed).permutation(sample_users(split.users, None, seed)):
        if users is not None and len(found) == users:
            break
        sequence = split.log.sequence(int(user))
        visible, held = sequence[:-HELD_OUT], sequence[-HELD_OUT:]
        held = np.array([i for i in dict.fromkeys(held.tolist()) if i not in visible], dtype=np.int64)
        if len(visible) < 2 or not len(held) or split.log.users[int(user)] in leave_out:
            continue
        size = max(1, min(slice_.most, len(visible) // slice_.share))
        person = Person(int(user), split.log.users[int(user)], visible[:-size], visible[-size:], held)
        found.append(person)
    if len(found) < 2:
        raise ConfigError(
            "profiles are told apart from other people's: two users with four interactions are needed at least, "
            f"and {len(found)} fit"
        )
    return sorted(found, key=lambda person: person.user)


def with_few(person: Person, split: Split) -> Person:
    """The same user had they begun :data:`FEW` interactions before the test item, which alone is held out.

    All that is known may be told here, as in service; the newest of it chooses as well, where candidates are chosen.
    """
    sequence = split.log.sequence(person.user)
    start = max(0, len(sequence) - 1 - FEW)
    known = sequence[start:-1]
    return Person(person.user, person.user_id, known, known[-1:], sequence[-1:], start)


class ItemTexts:
    """What judges are told of items, made on first use.

    Args:
        catalogue: the items.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: dict[int, str] = {}

    def __call__(self, items: Ints | Sequence[int]) -> list[str]:
        """Title, text and facts of each item, on one line, cut at :data:`ITEM_CHARS` characters."""
        return [self._one(int(item)) for item in items]

    def all(self) -> list[str]:
        """Of the whole catalogue, in its order."""
        return self(range(len(self._catalogue)))

    def _one(self, item: int) -> str:
        if item not in self._known:
            title = self._catalogue.titles[item].strip()
            said = item_description(self._catalogue, item)
            whole = said if said.startswith(title) else f"{title}. {said}"
            self._known[item] = " ".join(whole.split())[:ITEM_CHARS]
        return self._known[item]
