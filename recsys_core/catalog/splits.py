"""Leave-last-out by time: for each user the last item is the test, the one before it the validation.

Everything learned may use :attr:`Split.train_items` only. Where people act on one item more than once, a target may
also occur earlier in its own history; such repeats are part of the data, not a leak.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.interactions import InteractionLog
from recsys_core.errors import DataError

MIN_SEQUENCE = 3
"""Shortest sequence that gives a training item, a validation item and a test item."""


@dataclass(frozen=True, eq=False)
class Split:
    """Where each user's training part ends, and the two targets of every evaluated user."""

    log: InteractionLog
    """What is split."""
    users: NDArray[np.int64]
    """int64[n_evaluated]: user indices with at least three interactions, ascending."""
    train_offsets: NDArray[np.int64]
    """int64[n_users + 1]: bounds of each user's part of :attr:`train_items`, for all users."""
    train_items: NDArray[np.int64]
    """int64[n_train]: item indices that may be learned from; short users stay whole."""
    validation_items: NDArray[np.int64]
    """int64[n_evaluated]: last item but one of each evaluated user."""
    test_items: NDArray[np.int64]
    """int64[n_evaluated]: last item of each evaluated user."""

    def train_sequence(self, user: int) -> NDArray[np.int64]:
        """Training items of a user index, oldest first."""
        return self.train_items[self.train_offsets[user] : self.train_offsets[user + 1]]

    def validation_history(self, user: int) -> NDArray[np.int64]:
        """What may be known when the validation item of an evaluated user index is predicted."""
        return self.train_sequence(user)

    def test_history(self, user: int) -> NDArray[np.int64]:
        """What may be known when the test item is predicted: the training items and the validation item."""
        position = int(np.searchsorted(self.users, user))
        if position == len(self.users) or self.users[position] != user:
            raise DataError(f"user {user} has fewer than {MIN_SEQUENCE} interactions, so there is no test item")
        return np.append(self.train_sequence(user), self.validation_items[position])

    @cached_property
    def train_rows(self) -> NDArray[np.int64]:
        """int64[n_train]: row of the log that each training item came from."""
        lengths = np.diff(self.train_offsets)
        within = np.arange(len(self.train_items)) - np.repeat(self.train_offsets[:-1], lengths)
        return np.repeat(self.log.offsets[:-1], lengths) + within


def leave_last_out(log: InteractionLog) -> Split:
    """Split every user's sequence by time; users with fewer than three interactions stay wholly in training."""
    lengths = np.diff(log.offsets)
    evaluated = lengths >= MIN_SEQUENCE
    train_lengths = np.where(evaluated, lengths - 2, lengths)
    train_offsets = np.concatenate([[0], np.cumsum(train_lengths)]).astype(np.int64)
    ends = log.offsets[1:]
    # A row is a training row when it lies before the last two of an evaluated user.
    owner = np.repeat(np.arange(log.n_users), lengths)
    keep = np.arange(len(log)) < (log.offsets[:-1] + train_lengths)[owner]
    users = np.flatnonzero(evaluated).astype(np.int64)
    return Split(
        log=log,
        users=users,
        train_offsets=train_offsets,
        train_items=log.items[keep],
        validation_items=log.items[ends[users] - 2],
        test_items=log.items[ends[users] - 1],
    )


def leakage_check(split: Split) -> None:
    """Prove that no target can be seen in training and that time runs forward.

    Raises:
        DataError: names the first user whose split is wrong and how.
    """
    log = split.log
    backwards = np.flatnonzero(np.diff(log.timestamps) < 0) + 1
    backwards = backwards[~np.isin(backwards, log.offsets)]
    if len(backwards):
        owner = int(np.searchsorted(log.offsets, backwards[0], side="right")) - 1
        raise DataError(f"user {log.users[owner]!r}: timestamps run backwards; sort each user's interactions by time")
    lengths, train_lengths = np.diff(log.offsets), np.diff(split.train_offsets)
    expected = lengths.copy()
    expected[split.users] -= 2
    wrong = np.flatnonzero(train_lengths != expected)
    if len(wrong):
        user = int(wrong[0])
        raise DataError(
            f"user {log.users[user]!r}: training holds {train_lengths[user]} of {lengths[user]} interactions, "
            f"expected {expected[user]}; a target leaks into its own history; split again with leave_last_out"
        )
    differs = np.flatnonzero(log.items[split.train_rows] != split.train_items)
    if len(differs):
        user = int(np.searchsorted(split.train_offsets, differs[0], side="right")) - 1
        raise DataError(
            f"user {log.users[user]!r}: training item {differs[0] - split.train_offsets[user] + 1} isn't the one that "
            "the log has there, so a later item may have leaked; split again with leave_last_out"
        )
    ends = log.offsets[1:][split.users]
    for name, targets, back in (("validation", split.validation_items, 2), ("test", split.test_items, 1)):
        moved = np.flatnonzero(log.items[ends - back] != targets)
        if len(moved):
            user = int(split.users[moved[0]])
            raise DataError(f"user {log.users[user]!r}: the {name} item isn't at its place in time; split again")
