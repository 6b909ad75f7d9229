"""Which foreign items and foreign profiles stand beside a user's own.

Foreign items are drawn from what the batch's other users hold out, as often as they hold it out: drawn evenly over
distinct items they would be rarer than the positives, and a judge could win by preferring what is popular. Whatever the
user has, too, is no negative (a false negative would punish a good profile), and a user who has the item in question
lends no profile against it. Knows texts only by number.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Pool:
    """The distinct held-out texts of a batch, and who has which.

    Args:
        held_out: the held-out texts of each user; a text twice counts once.
        owned: further texts that each user has (their visible history); None when nothing more is known.

    Attributes:
        texts: distinct texts in order of first sight.
        positives: int64[U, P], positions in ``texts``, padded with -1.
        owns: bool[U, T], whether a user has a text, held out or not.
        counts: int64[T], by how many users it is held out.
    """

    def __init__(self, held_out: Sequence[Sequence[str]], owned: Sequence[Collection[str]] | None = None) -> None:
        if owned is not None and len(owned) != len(held_out):
            raise ValueError(f"owned has {len(owned)} users and held_out {len(held_out)}")
        number: dict[str, int] = {}
        rows = [[number.setdefault(text, len(number)) for text in dict.fromkeys(texts)] for texts in held_out]
        self.texts = list(number)
        self.positives = _padded(rows)
        self.owns = np.zeros((len(rows), len(number)), dtype=np.bool_)
        for user, own in enumerate(rows):
            self.owns[user, own] = True
        self.counts = self.owns.sum(axis=0)
        for user, texts in enumerate(owned or ()):
            self.owns[user, [number[text] for text in set(texts) if text in number]] = True


def draw_items(pool: Pool, count: int, rng: np.random.Generator) -> Ints:
    """Foreign items of each user.

    Args:
        pool: the batch.
        count: K, at most.
        rng: draws.

    Returns:
        int64[U, count], distinct positions in ``pool.texts``; -1 where there are fewer.
    """
    # the smallest of c even draws: texts held out by c users come up c times as often, never twice
    keys = 1.0 - (1.0 - rng.random(pool.owns.shape)) ** (1.0 / pool.counts[None, :])
    return _smallest(np.where(pool.owns, np.inf, keys), count)


def draw_users(pool: Pool, count: int, rng: np.random.Generator, lends: Flags, nearness: Floats | None = None) -> Ints:
    """Foreign users for each held-out item of each user: none of them has the item.

    Args:
        pool: the batch.
        count: K, at most.
        rng: draws.
        lends: bool[U], whether a user has a profile to lend.
        nearness: float64[U, U]; with it the nearest users are taken instead of random ones (BUMP+).

    Returns:
        int64[U, P, count], user numbers; -1 where there are fewer, and for padding of ``pool.positives``.
    """
    users, longest = pool.positives.shape
    keys = rng.random((users, users)) if nearness is None else -nearness + 0.0
    np.fill_diagonal(keys, np.inf)
    keys[:, ~lends] = np.inf
    owner, place = np.nonzero(pool.positives >= 0)
    has = pool.owns[:, pool.positives[owner, place]].T
    found = np.full((users, longest, count), -1, dtype=np.int64)
    found[owner, place] = _smallest(np.where(has, np.inf, keys[owner]), count)
    return found


def _smallest(keys: Floats, count: int) -> Ints:
    """Columns of the ``count`` smallest finite keys of each row, smallest first; -1 where there are fewer."""
    width = min(count, keys.shape[1])
    order = np.argsort(keys, axis=1, kind="stable")[:, :width]
    found = np.full((len(keys), count), -1, dtype=np.int64)
    found[:, :width] = np.where(np.isfinite(np.take_along_axis(keys, order, axis=1)), order, -1)
    return found


def _padded(rows: Sequence[Sequence[int]]) -> Ints:
    table = np.full((len(rows), max([1, *map(len, rows)])), -1, dtype=np.int64)
    for row, values in enumerate(rows):
        table[row, : len(values)] = values
    return table
