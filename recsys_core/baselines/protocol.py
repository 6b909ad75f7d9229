"""What every recommender of the comparison offers: it is fitted on training histories and scores all items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.splits import Split

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

Tell = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""


@dataclass(frozen=True, eq=False)
class FitData:
    """All that a recommender may learn from; test targets are not in here.

    Attributes:
        offsets: int64[n_users + 1], where each user's training items start in ``items``.
        items: int64[n], item indices, oldest first within a user.
        n_items: size of the catalogue.
        content: float32[n_items, d], unit rows that describe the items without behaviour; d may be 0.
        sids: int32[n_items, L], unique semantic IDs, for models that read them.
        validation_histories: item indices per validated user, newest last; for early stopping and choosing settings.
        validation_targets: int64[n_validated].
    """

    offsets: Ints
    items: Ints
    n_items: int
    content: Floats
    sids: NDArray[np.int32] | None = None
    validation_histories: list[Ints] = field(default_factory=list)
    validation_targets: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def histories(self) -> list[Ints]:
        """Training items of each user, oldest first."""
        return [self.items[low:high] for low, high in zip(self.offsets[:-1], self.offsets[1:], strict=True)]


def fit_data(split: Split, content: Floats, sids: NDArray[np.int32] | None = None) -> FitData:
    """What a split lets a recommender learn from; test targets stay behind.

    Args:
        split: leave-last-out.
        content: float32[n_items, d].
        sids: int32[n_items, L].
    """
    return FitData(
        offsets=split.train_offsets,
        items=split.train_items,
        n_items=split.log.n_items,
        content=content,
        sids=sids,
        validation_histories=[split.validation_history(int(u)) for u in split.users],
        validation_targets=split.validation_items,
    )


class SequenceScorer(Protocol):
    """A fitted recommender."""

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        ...

    def scores(self, histories: list[Ints]) -> Floats:
        """Scores of all items after each history.

        Args:
            histories: item indices per user, newest last; may be empty.

        Returns:
            float32[len(histories), n_items]; higher is better, only the order within a row counts; -inf for an item
            that the model never proposes. Items of the history are *not* masked. Never NaN.
        """
        ...


def validation_ranks(scorer: SequenceScorer, data: FitData, *, chunk: int = 256) -> Ints:
    """0-based rank of each validation target: full ranking, history masked, ties by item index.

    Returns:
        int64[n_validated].
    """
    ranks = []
    for start in range(0, len(data.validation_targets), chunk):
        histories = data.validation_histories[start : start + chunk]
        ranks.append(target_rank(scorer.scores(histories), histories, data.validation_targets[start : start + chunk]))
    return np.concatenate(ranks) if ranks else np.empty(0, np.int64)


def target_rank(scores: Floats, histories: list[Ints], targets: Ints) -> Ints:
    """0-based rank of each row's target, history masked, ties by item index; n_items where it is never proposed.

    Args:
        scores: float32[B, n_items]; is changed.
        histories: item indices per row.
        targets: int64[B].
    """
    rows = np.arange(len(targets))
    for row, history in enumerate(histories):
        scores[row, history] = -np.inf
    own = scores[rows, targets][:, None]
    earlier = np.arange(scores.shape[1])[None, :] < targets[:, None]
    ranks = (scores > own).sum(axis=1) + ((scores == own) & earlier).sum(axis=1)
    never = np.full(len(ranks), scores.shape[1])
    return np.asarray(np.where(np.isfinite(own[:, 0]), ranks, never), dtype=np.int64)


def ndcg(ranks: Ints, k: int = 10) -> float:
    """Mean NDCG@k of single targets with 0-based ranks."""
    return float(np.where(ranks < k, 1 / np.log2(ranks + 2.0), 0.0).mean()) if len(ranks) else 0.0
