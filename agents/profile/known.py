"""What is known of a user in a release, as the profile agent reads it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.interests.shift import ShiftConfig, has_moved
from recsys_core.profiles import Averages, HistoryFacts, Past, history_facts
from tools.context import Recommends
from tools.wishes import HALF_LIFE, RECENT, space_of

_AVERAGES: weakref.WeakKeyDictionary[Catalogue, Averages] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Known:
    """A user's past in a release.

    Attributes:
        release: its id.
        catalogue: its items.
        averages: what everybody chooses in it.
        past: interactions and thumbs.
    """

    release: str
    catalogue: Catalogue
    averages: Averages
    past: Past

    @property
    def items(self) -> list[str]:
        """Ids of all known items, newest last, each once; those with a thumb that the log lacks come last."""
        rows = dict.fromkeys([*self.past.items.tolist(), *(i for i, v in self.past.thumbs.items() if v > 0)])
        return [self.catalogue.ids[i] for i in rows]

    def facts(self, upto: int | None = None) -> HistoryFacts:
        """Facts of the oldest so many interactions; negative counts from the end, all when None."""
        return history_facts(self.averages, self.past.cut(upto))

    def moved(self, basis: Sequence[str], config: ShiftConfig) -> bool:
        """Whether interest has moved since ``basis`` were the newest items."""
        space = space_of(self.catalogue)
        before = [item for item in basis if self.catalogue.knows(item)]
        then = space.interests(self.catalogue.indices(before[-RECENT:]), HALF_LIFE)
        now = space.interests(self.catalogue.indices(self.items[-RECENT:]), HALF_LIFE)
        return has_moved(then, now, config)


def known_of(recommender: Recommends, user_id: str, thumbs: Mapping[str, int]) -> Known:
    """Read a user's past off a release.

    Args:
        recommender: the release that answers.
        user_id: who; somebody unknown has an empty past but for thumbs.
        thumbs: item id -> -1 or 1; those on items that are gone don't count.
    """
    catalogue = recommender.catalogue
    averages = averages_of(recommender)
    marked = {catalogue.index(item): value for item, value in thumbs.items() if item in catalogue}
    log: InteractionLog | None = getattr(recommender, "log", None)
    user = log.user(user_id) if log is not None else None
    if log is not None and user is not None:
        past = Past.of(log, user, thumbs=marked)
    else:
        history = [item for item in recommender.history(user_id) or [] if catalogue.knows(item)]
        past = Past(catalogue.indices(history), thumbs=marked)
    release = getattr(getattr(recommender, "release", None), "id", "")
    return Known(str(release), catalogue, averages, past)


def averages_of(recommender: Recommends) -> Averages:
    """What everybody chooses, worked out once a catalogue."""
    catalogue = recommender.catalogue
    found = _AVERAGES.get(catalogue)
    if found is None:
        log: InteractionLog | None = getattr(recommender, "log", None)
        counts = None if log is None else np.bincount(log.items, minlength=len(catalogue))[: len(catalogue)]
        found = _AVERAGES[catalogue] = Averages(catalogue, counts)
    return found
