"""A release as it was before each user's last interaction, so that what comes next can be predicted and known."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys_core.catalog.splits import Split


class HeldOut:
    """A recommender whose histories end before the held-out interaction; everything else is the recommender's own.

    Args:
        recommender: an open release.
        split: of its log.
        stage: ``test`` leaves the last interaction out, ``validation`` the last two.
    """

    def __init__(self, recommender: Any, split: Split, stage: str = "test") -> None:
        self._recommender = recommender
        self._history = split.test_history if stage == "test" else split.validation_history
        self._evaluated = set(split.users.tolist())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recommender, name)

    def history(self, user_id: str, limit: int | None = None) -> list[str] | None:
        """Item ids of a user before the held-out interaction, newest last; None for an unknown user."""
        user = self._recommender.log.user(user_id)
        if user is None:
            return None
        if user not in self._evaluated:
            found: list[str] | None = self._recommender.history(user_id, limit)
            return found
        rows = self._history(user)
        ids = self._recommender.catalogue.ids
        return [ids[i] for i in (rows[-limit:] if limit else rows)]


def targets_of(split: Split, users: np.ndarray, stage: str = "test") -> np.ndarray:
    """int64[n]: the held-out item index of each evaluated user index."""
    items = split.test_items if stage == "test" else split.validation_items
    return items[np.searchsorted(split.users, users)]
