"""The ``lm`` family as a row: trained on histories, its two ways of scoring joined by a share from validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys_core.baselines.protocol import FitData, ndcg, target_rank
from recsys_core.ranking.fit import ITEM_HEAD
from recsys_core.ranking.mix import with_item_head

if TYPE_CHECKING:
    from recsys_core.generator.lm.generator import LmGenerator

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

USERS = 1_000
"""Validated users that the share is chosen on."""


class LmScorer:
    """Exact probabilities of semantic IDs with a share of the item head.

    Args:
        generator: trained.
        share: of the item head.
    """

    def __init__(self, generator: LmGenerator, share: float) -> None:
        self.generator = generator
        self.share = share

    @property
    def parameters(self) -> int:
        """Numbers learned."""
        return int(self.generator.parameters)

    def scores(self, histories: list[Ints]) -> Floats:
        """Log-probabilities: float32[len(histories), n_items]."""
        exact = self.generator.scores(histories)
        return with_item_head(exact, item_head(self.generator, histories), self.share)


def item_head(generator: LmGenerator, histories: list[Ints], chunk: int = 64) -> Floats:
    """Log-probabilities of the item head: float32[len(histories), n_items]."""
    parts = []
    for start in range(0, len(histories), chunk):
        some = histories[start : start + chunk]
        parts.append(generator.item_head(generator.encode(some, [""] * len(some))))
    return np.concatenate(parts)


def item_head_share(generator: LmGenerator, data: FitData, seed: int) -> tuple[float, float]:
    """The share of the item head with the best validation NDCG@10, and that NDCG."""
    part = validation_part(data, USERS, seed)
    histories, targets = part["validation_histories"], part["validation_targets"]
    exact, head = generator.scores(histories), item_head(generator, histories)
    values = {
        share: ndcg(target_rank(with_item_head(exact.copy(), head, share), histories, targets)) for share in ITEM_HEAD
    }
    best = max(values, key=lambda share: values[share])
    return best, values[best]


def validation_part(data: FitData, users: int, seed: int) -> dict[str, Any]:
    """At most so many validated users, as fields of :class:`FitData`."""
    chosen = np.arange(len(data.validation_targets))
    if len(chosen) > users:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, size=users, replace=False))
    return {
        "validation_histories": [data.validation_histories[n] for n in chosen.tolist()],
        "validation_targets": data.validation_targets[chosen],
    }
