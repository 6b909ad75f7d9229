"""Soft targets from item-CF: what people with the same history took, beside the one item that this person took next.

On sparse logs an item is the target of a dozen positions, too few for a network to learn whom it goes with; item-CF
counts it directly. Its votes are distilled into the item head (Hinton et al., arXiv 1503.02531, with a count instead of
a larger network as the teacher), and through the vectors that both share into the semantic IDs. The target itself is
left out of them: the ordinary loss teaches that, and the teacher has counted this very person.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from recsys_core.baselines.item_cf import ItemCF

Ints = NDArray[np.int64]


class CollaborativeTeacher:
    """Item-CF's votes at every position of a batch.

    Args:
        item_cf: fitted on training items.
    """

    def __init__(self, item_cf: ItemCF) -> None:
        self.similarity = item_cf.similarity
        self.recency_power = item_cf.config.recency_power
        self.window = item_cf.config.window

    def targets(self, history: Ints, places: Ints, wanted: Ints, items: Ints) -> Tensor:
        """Soft targets.

        Args:
            history: int64[B, T], item indices, right-padded with -1.
            places: int64[N], positions in the flattened [B, T + 1] table of targets, ascending.
            wanted: int64[N], the item that really came next.
            items: int64[P], the items that the step looks at, ascending, those of the histories and targets among them.

        Returns:
            float32[N, P], rows summing to 1; all 0 where nobody shares anything with the history. Neither the history
            nor the wanted item has a share.
        """
        owner, position = np.divmod(places, history.shape[1] + 1)
        age = position[:, None] - np.arange(history.shape[1])[None, :]
        row, column = np.nonzero((age > 0) & (age <= self.window) & (history[owner] >= 0))
        voter = history[owner[row], column]
        weight = age[row, column].astype(np.float32) ** -self.recency_power
        votes = sparse.csr_matrix((weight, (row, voter)), shape=(len(places), self.similarity.shape[0]))
        scores: NDArray[np.float32] = (votes @ self.similarity[:, items]).toarray()
        scores[row, np.searchsorted(items, voter)] = 0
        scores[np.arange(len(places)), np.searchsorted(items, wanted)] = 0
        total = scores.sum(axis=1, keepdims=True)
        return torch.from_numpy(np.divide(scores, total, out=np.zeros_like(scores), where=total > 0))
