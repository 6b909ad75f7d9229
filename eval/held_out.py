"""A release as it was before each user's last interactions, so that what comes next can be predicted and known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.splits import Split


class HeldOut:
    """A recommender without the last interactions of anybody who is evaluated; all else is the recommender's own.

    Args:
        recommender: an open :class:`recsys_core.serving.recommender.Recommender`.
        parts: the split of its log.
        last: how many interactions it doesn't know: 1 hides the test item, 2 the validation item as well.
    """

    def __init__(self, recommender: Any, parts: Split, last: int = 1) -> None:
        self._inner = recommender
        self.catalogue = recommender.catalogue
        self.log = without_last(recommender.log, parts, last)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def history(self, user_id: str, limit: int | None = None) -> list[str] | None:
        """Item ids of a user without the last one, newest last; None for a user who isn't there."""
        user = self.log.user(user_id)
        if user is None:
            return None
        items = self.log.sequence(user)
        return [self.catalogue.ids[i] for i in (items[-limit:] if limit else items)]

    def ratings(self, user_id: str) -> dict[str, float]:
        """Values that a user gave, without the last one."""
        user = self.log.user(user_id)
        if user is None:
            return {}
        span = slice(int(self.log.offsets[user]), int(self.log.offsets[user + 1]))
        values = self.log.values[span]
        return {self.catalogue.ids[i]: float(v) for i, v in zip(self.log.items[span], values, strict=True)}


def without_last(log: InteractionLog, parts: Split, last: int = 1) -> InteractionLog:
    """The log without the last so many interactions (1 or 2) of every evaluated user."""
    keep = np.ones(len(log), dtype=np.bool_)
    for back in range(1, last + 1):
        keep[log.offsets[1:][parts.users] - back] = False
    lengths = np.diff(log.offsets)
    lengths[parts.users] -= last
    return replace(
        log,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        items=log.items[keep],
        timestamps=log.timestamps[keep],
        values=log.values[keep],
        kinds=log.kinds[keep],
    )


def targets_of(split: Split, users: np.ndarray, stage: str = "test") -> np.ndarray:
    """int64[n]: the held-out item index of each evaluated user index."""
    items = split.test_items if stage == "test" else split.validation_items
    return items[np.searchsorted(split.users, users)]
