"""How well items are found that came after training: withheld, added without training, then recommended.

A seeded part of the catalogue is taken out of everything that is learned from. The caller trains on the rest; here the
withheld items are added in several ways, and users whose held-out item is one of them are asked for recommendations.
Users with other held-out items tell what the additions cost: both times they are given the same histories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from recsys_core.catalog.splits import Split
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import DataError
from recsys_core.generator.cold import ColdConfig, add_items
from recsys_core.generator.cold_paths import PathSource
from recsys_core.generator.compact import CompactGenerator
from recsys_core.generator.family import Rules
from recsys_core.generator.model import CompactModel
from recsys_core.generator.prepare import centred_with, content_mean
from recsys_core.metrics import Interval, bootstrap_mean

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

Layout = Literal["hybrid", "pure"]
"""Layout of semantic IDs."""

BATCH = 64
"""Requests searched together."""


class ColdItemsConfig(BaseModel):
    """What is withheld and how it is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(default=0.05, gt=0, lt=1)
    """Share of the catalogue that is withheld."""
    seed: int = 0
    """Of the choice of items and of warm users."""
    warm_users: PositiveInt = 4000
    """At most so many users with a warm target are asked, the same ones every time."""
    beam: PositiveInt = 50
    """Prefixes kept at each level."""
    cold: ColdConfig = Field(default_factory=ColdConfig)
    """How items are added; variants change its paths."""


@dataclass(frozen=True, eq=False)
class WarmData:
    """What the caller may train on; item indices count the warm items only.

    Attributes:
        items: int64[n_warm], index of each warm item in the whole catalogue.
        offsets: int64[n_users + 1], where each user's training items start.
        train_items: int64[n], oldest first.
        timestamps: float64[n], when each of them was.
        text: float32[n_warm, d_text], as given; centre it with its own mean.
        validation_histories: per user with a warm validation item.
        validation_targets: int64[n_validated].
    """

    items: Ints
    offsets: Ints
    train_items: Ints
    timestamps: NDArray[np.float64]
    text: Floats
    validation_histories: list[Ints]
    validation_targets: Ints


@dataclass(frozen=True, eq=False)
class Trained:
    """What the caller hands back.

    Attributes:
        model: trained on the warm items, their text centred with its own mean.
        index: of their semantic IDs.
        quantizer: that the codes came from, fitted on that centred text.
    """

    model: CompactModel
    index: ConstraintIndex
    quantizer: PathSource


class ColdResult(BaseModel):
    """One way of adding items."""

    model_config = ConfigDict(extra="forbid")

    recall: Interval
    """Recall@10 of cold targets."""
    ndcg: Interval
    """NDCG@10 of cold targets."""
    warm_recall: float
    """Recall@10 of warm targets with the items added."""
    warm_loss: float
    """Share of warm Recall@10 that adding the items cost; negative when it gained."""
    leaves: int
    """Semantic IDs of cold items in the index."""
    committed: int = 0
    """Items whose paths the generator chose."""
    switched: int = 0
    """Items whose first path is another than the nearest by content."""
    share: float | None = None
    """Of all probability, how much the cold items take on average after training histories."""


class ColdReport(BaseModel):
    """Figures of all ways, by name."""

    model_config = ConfigDict(extra="forbid")

    cold_items: int
    """Withheld items."""
    cold_users: int
    """Users whose held-out item is one of them."""
    warm_users: int
    """Users asked about warm targets."""
    warm_recall: dict[str, float]
    """Recall@10 of warm targets before anything is added, by layout."""
    results: dict[str, ColdResult]
    """``not_registered``, ``static_pure``, ``static``, ``paths``, ``paths_selected``, and ``pure_paths_selected``."""

    def figures(self) -> dict[str, float]:
        """Flat names for a report: ``cold.recall@10.WAY``, ``cold.ndcg@10.WAY``, ``cold.warm_loss.WAY``, ``cold.gain``.

        The gain is Recall@10 of ``paths_selected`` over that of ``static_pure``; infinite when the latter finds
        nothing.
        """
        flat: dict[str, float] = {"cold.items": self.cold_items, "cold.users": self.cold_users}
        for name, result in self.results.items():
            flat[f"cold.recall@10.{name}"] = result.recall.value
            flat[f"cold.ndcg@10.{name}"] = result.ndcg.value
            flat[f"cold.warm_loss.{name}"] = result.warm_loss
        best, base = self.results["paths_selected"].recall.value, self.results["static_pure"].recall.value
        flat["cold.gain"] = best / base if base > 0 else float("inf") if best > 0 else 0.0
        return flat


@dataclass(frozen=True, eq=False)
class _Users:
    """Requests in the order of the extended catalogue: warm items first, then cold ones."""

    histories: list[Ints]
    targets: Ints


def cold_items(
    split: Split,
    text: Floats,
    train: Callable[[WarmData, Layout], Trained],
    config: ColdItemsConfig | None = None,
) -> ColdReport:
    """Withhold items, train without them, add them in several ways, and ask for them.

    Args:
        split: leave-last-out of the whole log.
        text: float32[n_items, d_text], rows of length 1, not centred.
        train: trains on the warm part; called once a layout.
        config: what to do.

    Raises:
        DataError: fewer than two warm items, or no user whose held-out item was withheld.
    """
    config = config or ColdItemsConfig()
    warm, cold_rows, place = withhold(split, text, config)
    cold_users, warm_users = _users(split, place, len(warm.items), config)
    if not len(cold_users.targets):
        raise DataError(
            f"none of {len(split.users)} users has one of the {len(cold_rows)} withheld items as the last; "
            "withhold a larger share or measure on a larger data set"
        )
    content = centred_with(text[cold_rows], content_mean(warm.text))
    single = config.cold.paths.model_copy(update={"registered": 1})
    static = config.cold.model_copy(update={"paths": single, "select": False})
    several = config.cold.model_copy(update={"select": False})
    ways: dict[Layout, dict[str, ColdConfig]] = {
        "hybrid": {"static": static, "paths": several, "paths_selected": config.cold},
        "pure": {"static_pure": static, "pure_paths_selected": config.cold},
    }
    nothing = Interval(0.0, 0.0, 0.0)
    results: dict[str, ColdResult] = {}
    before: dict[str, float] = {}
    for layout, configs in ways.items():
        trained = train(warm, layout)
        trained.model.eval()
        base = _ranks(trained.model, trained.index, warm_users, config.beam)
        before[layout] = _recall(base)
        if layout == "hybrid":
            results["not_registered"] = ColdResult(
                recall=nothing, ndcg=nothing, warm_recall=before[layout], warm_loss=0.0, leaves=0
            )
        for name, way in configs.items():
            added = add_items(
                trained.model,
                trained.index,
                content,
                trained.quantizer,
                content,
                (warm.offsets, warm.train_items),
                way,
            )
            ranks = _ranks(added.model, added.index, cold_users, config.beam)
            after = _recall(_ranks(added.model, added.index, warm_users, config.beam))
            hits = ranks < 10
            results[name] = ColdResult(
                recall=bootstrap_mean(hits.astype(float)),
                ndcg=bootstrap_mean(np.where(hits, 1 / np.log2(ranks + 2.0), 0.0)),
                warm_recall=after,
                warm_loss=1 - after / before[layout] if before[layout] > 0 else 0.0,
                leaves=added.index.leaves - trained.index.leaves,
                committed=added.selection.committed,
                switched=added.selection.switched,
                share=added.share,
            )
    return ColdReport(
        cold_items=len(cold_rows),
        cold_users=len(cold_users.targets),
        warm_users=len(warm_users.targets),
        warm_recall=before,
        results=results,
    )


def withhold(split: Split, text: Floats, config: ColdItemsConfig) -> tuple[WarmData, Ints, Ints]:
    """Take a seeded part of the items out of everything that is learned from.

    Returns:
        The warm data; the cold items, int64[m]; and the new index of every item, int64[n_items]: warm items count from
        0 in their old order, cold ones after them.

    Raises:
        DataError: fewer than two items would be left.
    """
    n_items = len(text)
    count = max(1, round(config.share * n_items))
    if n_items - count < 2:
        raise DataError(f"withholding {count} of {n_items} items leaves too few to learn from; use a larger data set")
    cold = np.sort(np.random.default_rng(config.seed).choice(n_items, size=count, replace=False)).astype(np.int64)
    is_warm = np.ones(n_items, dtype=bool)
    is_warm[cold] = False
    items = np.flatnonzero(is_warm).astype(np.int64)
    place = np.empty(n_items, dtype=np.int64)
    place[items] = np.arange(len(items))
    place[cold] = len(items) + np.arange(count)
    kept = is_warm[split.train_items]
    owner = np.repeat(np.arange(len(split.train_offsets) - 1), np.diff(split.train_offsets))[kept]
    lengths = np.bincount(owner, minlength=len(split.train_offsets) - 1)
    asked = np.flatnonzero(is_warm[split.validation_items])
    data = WarmData(
        items=items,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        train_items=place[split.train_items[kept]],
        timestamps=split.log.timestamps[split.train_rows][kept],
        text=text[items],
        validation_histories=[_known(split.validation_history(int(u)), place, len(items)) for u in split.users[asked]],
        validation_targets=place[split.validation_items[asked]],
    )
    return data, cold, place


def _known(history: Ints, place: Ints, n_warm: int) -> Ints:
    """A history in new indices, without withheld items: before and after must be asked with the same histories."""
    moved = place[history]
    return moved[moved < n_warm]


def _users(split: Split, place: Ints, n_warm: int, config: ColdItemsConfig) -> tuple[_Users, _Users]:
    targets = place[split.test_items]
    cold = np.flatnonzero(targets >= n_warm)
    warm = np.flatnonzero(targets < n_warm)
    if len(warm) > config.warm_users:
        warm = np.sort(np.random.default_rng(config.seed).choice(warm, size=config.warm_users, replace=False))
    cold_users, warm_users = (
        _Users([_known(split.test_history(int(u)), place, n_warm) for u in split.users[rows]], targets[rows])
        for rows in (cold, warm)
    )
    return cold_users, warm_users


def _ranks(model: CompactModel, index: ConstraintIndex, users: _Users, beam: int) -> Ints:
    """0-based place of each target in the ten that a search brings, history masked; 10 where it isn't among them."""
    generator = CompactGenerator(model, index, _no_words)
    ranks = np.full(len(users.targets), 10, dtype=np.int64)
    for start in range(0, len(users.targets), BATCH):
        histories = users.histories[start : start + BATCH]
        allowed = np.ones((len(histories), len(index)), dtype=bool)
        for row, history in enumerate(histories):
            allowed[row, history] = False
        encoded = generator.encode(histories, [""] * len(histories))
        found, _ = generator.search(encoded, Rules(allowed), np.full(len(histories), beam), 10)
        hit = found.items == users.targets[start : start + BATCH, None]
        ranks[start : start + BATCH] = np.where(hit.any(axis=1), hit.argmax(axis=1), 10)
    return ranks


def _recall(ranks: Ints) -> float:
    return float((ranks < 10).mean()) if len(ranks) else 0.0


def _no_words(texts: object) -> Floats:
    raise DataError("requests of this measurement carry no instruction")
