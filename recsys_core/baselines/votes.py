"""Histories as rows of a sparse matrix: the items that vote, the newest ones perhaps with more weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recsys_core.baselines.protocol import Ints
from recsys_core.errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def check_histories(histories: list[Ints], n_items: int) -> None:
    """Refuse item indices that the catalogue doesn't have.

    Raises:
        DataError: names the history and the item.
    """
    for row, history in enumerate(histories):
        if len(history) and not 0 <= int(history.min()) <= int(history.max()) < n_items:
            wrong = int(history.min()) if int(history.min()) < 0 else int(history.max())
            raise DataError(
                f"history {row} names item {wrong}, the catalogue has items 0 to {n_items - 1}; score with the "
                "catalogue that the recommender was fitted on"
            )


def history_votes(
    histories: list[Ints], n_items: int, *, window: int | None, recency_power: float, distinct: bool = False
) -> csr_matrix:
    """Weights of the history items.

    Args:
        histories: item indices per user, newest last; may be empty.
        n_items: size of the catalogue.
        window: how many of the newest items vote; all when None.
        recency_power: the n-th newest votes with ``n ** -recency_power``.
        distinct: an item that occurs more than once votes once, in the place of its newest occurrence; else the votes
            of its occurrences are added up.

    Returns:
        Sparse float32[len(histories), n_items].

    Raises:
        DataError: an item that the catalogue doesn't have.
    """
    from scipy import sparse

    check_histories(histories, n_items)
    newest_first = [_newest_first(history, window, distinct) for history in histories]
    lengths = np.array([len(row) for row in newest_first], dtype=np.int64)
    columns = np.concatenate([*newest_first, np.empty(0, dtype=np.int64)])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    place = np.arange(len(columns)) - np.repeat(offsets[:-1], lengths)
    weights = (place + 1.0) ** -recency_power
    votes = sparse.csr_matrix((weights, columns, offsets), shape=(len(histories), n_items), dtype=np.float32)
    votes.sum_duplicates()
    return votes


def _newest_first(history: Ints, window: int | None, distinct: bool) -> Ints:
    reverse = history[::-1].astype(np.int64)
    if distinct:
        _, first = np.unique(reverse, return_index=True)
        reverse = reverse[np.sort(first)]
    return reverse if window is None else reverse[:window]
