"""Item-based collaborative filtering: cosine of co-occurrence, near pairs and newest history items counting most.

Sarwar et al. 2001, made sequential in two places: two items of a user count as together the more, the nearer they
stand in the history, and the newest history items have the strongest votes. Two settings go beyond that: what people
take later may count more than what they took before (``backward``), and popular items may be held back less than by
the cosine (``normalisation``). It has no instruction and no semantic IDs; it is both a baseline and the partner that
the served ranking mixes with the generator.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from scipy import sparse

from recsys_core.baselines.choose import Choice, choose
from recsys_core.baselines.protocol import FitData, Tell
from recsys_core.baselines.votes import history_votes
from recsys_core.errors import DataError

GRID_NORMALISATION = (0.1, 0.2, 0.3, 0.5)
GRID_BACKWARD = (0.1, 0.3, 0.5, 0.7, 1.0)
GRID_REACH = (5, 20, 50)
GRID_REACH_DECAY = (0.8, 0.9, 1.0)
GRID_NEIGHBOURS = (200, 1000)
GRID_RECENCY = (0.25, 0.5, 0.75, 1.0, 1.5)


class ItemCFConfig(BaseModel):
    """Settings of item-CF."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    neighbours: PositiveInt = 200
    """Strongest neighbours kept for each item."""
    reach: PositiveInt = 20
    """Two items of a user count as together when at most so many steps apart."""
    reach_decay: float = Field(default=0.9, gt=0, le=1)
    """Each further step between the two multiplies their count by this."""
    backward: float = Field(default=1.0, ge=0, le=1)
    """A candidate that came before the history item counts this much of one that came after; 1 ignores the order."""
    normalisation: float = Field(default=0.5, ge=0, le=1)
    """Counts are divided by the popularity of both items to this power; 0.5 is the cosine, less favours the popular."""
    window: PositiveInt = 50
    """How many of the newest history items vote."""
    recency_power: float = Field(default=1.0, ge=0)
    """The n-th newest history item votes with weight ``n ** -recency_power``."""


class ItemCF:
    """Neighbour lists and their use.

    Args:
        similarity: sparse float32[n_items, n_items], row = item of the history, column = candidate.
        config: settings.
    """

    def __init__(self, similarity: sparse.csr_matrix, config: ItemCFConfig) -> None:
        self.similarity = similarity
        self.config = config

    @classmethod
    def fit(
        cls, offsets: NDArray[np.int64], items: NDArray[np.int64], n_items: int, config: ItemCFConfig | None = None
    ) -> ItemCF:
        """Count co-occurrence over users.

        Args:
            offsets: int64[n_users + 1], where each user's items start.
            items: int64[n], item indices, oldest first.
            n_items: size of the catalogue.
            config: settings.
        """
        config = config or ItemCFConfig()
        users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        together = sparse.csr_matrix((n_items, n_items), dtype=np.float32)
        for distance in range(1, min(config.reach, len(items) - 1) + 1):
            same = users[distance:] == users[:-distance]
            weight = np.full(int(same.sum()), config.reach_decay ** (distance - 1), dtype=np.float32)
            pairs = (items[:-distance][same], items[distance:][same])
            together = together + sparse.csr_matrix((weight, pairs), shape=together.shape)
        together = (together + config.backward * together.T).tocoo()
        counts = np.bincount(items, minlength=n_items).astype(np.float64)
        values = together.data / (counts[together.row] * counts[together.col]) ** config.normalisation
        off_diagonal = together.row != together.col
        matrix = sparse.csr_matrix(
            (values[off_diagonal].astype(np.float32), (together.row[off_diagonal], together.col[off_diagonal])),
            shape=(n_items, n_items),
        )
        return cls(_strongest(matrix, config.neighbours), config)

    @classmethod
    def fit_data(
        cls, data: FitData, config: ItemCFConfig | None = None, *, seed: int = 0, tell: Tell | None = None
    ) -> ItemCF:
        """:meth:`fit` as every recommender of the comparison has it; nothing in it is random."""
        return cls.fit(data.offsets, data.items, data.n_items, config)

    @property
    def parameters(self) -> int:
        """How many neighbour weights are kept."""
        return int(self.similarity.nnz)

    def narrowed(self, neighbours: int) -> ItemCF:
        """The same with only the strongest neighbours of each item."""
        return ItemCF(
            _strongest(self.similarity, neighbours), self.config.model_copy(update={"neighbours": neighbours})
        )

    def scores(self, histories: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Votes for every item.

        Args:
            histories: item indices per user, newest last; may be empty.

        Returns:
            float32[len(histories), n_items], each row summing to 1 (all zero without a history).

        Raises:
            DataError: an item that the catalogue doesn't have.
        """
        votes = history_votes(
            histories,
            self.similarity.shape[0],
            window=self.config.window,
            recency_power=self.config.recency_power,
        )
        scores = np.asarray((votes @ self.similarity).todense(), dtype=np.float32)
        total = scores.sum(axis=1, keepdims=True)
        np.divide(scores, total, out=scores, where=total > 0)
        return scores

    def save(self, path: Path) -> None:
        """Write neighbour lists and settings as an uncompressed ``.npz`` of plain arrays."""
        matrix = self.similarity
        np.savez(
            path,
            data=matrix.data,
            indices=matrix.indices,
            indptr=matrix.indptr,
            n=matrix.shape[0],
            config=np.array(self.config.model_dump_json()),
        )

    @classmethod
    def load(cls, path: Path) -> ItemCF:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                n = int(stored["n"])
                matrix = sparse.csr_matrix((stored["data"], stored["indices"], stored["indptr"]), shape=(n, n))
                config = ItemCFConfig.model_validate_json(stored["config"].item())
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"{path} is not a readable item-CF file ({error}); run `sidra build` again") from error
        return cls(matrix, config)


def tuned_item_cf(data: FitData, tell: Tell | None = None) -> Choice[ItemCFConfig, ItemCF]:
    """Settings with the best validation NDCG@10, in three steps, each going on from what won before.

    First ``normalisation`` and ``backward`` together, then ``reach`` and ``reach_decay``, then ``neighbours`` and
    ``recency_power``.

    Raises:
        ConfigError: there is nothing to validate on.
    """
    grids = (
        {"normalisation": GRID_NORMALISATION, "backward": GRID_BACKWARD},
        {"reach": GRID_REACH, "reach_decay": GRID_REACH_DECAY},
        {"neighbours": GRID_NEIGHBOURS, "recency_power": GRID_RECENCY},
    )
    steps = [[dict(zip(grid, values, strict=True)) for values in product(*grid.values())] for grid in grids]
    total = sum(map(len, steps))
    config, tried = ItemCFConfig(), list[tuple[ItemCFConfig, float]]()
    for changes in steps:
        configs = [config.model_copy(update=change) for change in changes]
        fitted = ((c, ItemCF.fit_data(data, c)) for c in configs)
        best = choose(fitted, data, total=total, name="item-CF", tell=tell, done=len(tried))
        config = best.config
        tried += best.tried
    return Choice(best.config, best.scorer, best.ndcg, tried)


def _strongest(matrix: sparse.csr_matrix, count: int) -> sparse.csr_matrix:
    """Keep the ``count`` largest entries of each row; ties go to the smaller column."""
    lengths = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(matrix.shape[0]), lengths)
    order = np.lexsort((matrix.indices, -matrix.data, rows))
    rank = np.arange(len(order)) - matrix.indptr[:-1][rows[order]]
    kept = order[rank < count]
    return sparse.csr_matrix((matrix.data[kept], (rows[kept], matrix.indices[kept])), shape=matrix.shape)
