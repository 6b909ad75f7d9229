"""Queries that a release is tuned on: real people's next items, and searches by words.

Tune and validate: the last item but one of disjoint halves of the people, which mixing weights were chosen on, too.
Test: everybody's last item, a later moment that nothing has seen. So no test label ever steers a choice, and the test
asks what serving asks: does it hold for what comes next?
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import FieldKind
from recsys_core.catalog.splits import leave_last_out
from recsys_core.errors import ConfigError
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.serving.recommender import Recommender
from recsys_core.serving.vector_store import ExactStore
from recsys_core.tuning.measurement import SplitName

Ints = NDArray[np.int64]

K = 10
"""Items of every request and hits of every search."""


class WorkloadConfig(BaseModel):
    """What people ask."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queries: int = Field(default=600, ge=1)
    """Requests of each split at most."""
    words: float = Field(default=0.5, ge=0, le=1)
    """Share of requests that name something the next item is (where the catalogue has tags)."""
    searches: float = Field(default=0.2, ge=0, le=0.9)
    """Share of searches by words among everything that is asked."""
    seed: int = 0
    """Of who is in which split, and of the words."""


class Queries(NamedTuple):
    """One split.

    Attributes:
        requests: for recommendations.
        targets: int64[n], the item that came next.
        texts: what is searched for.
        vectors: float32[m, d], the same as vectors.
        nearest: int64[m, K], the true nearest items of each.
    """

    requests: list[GenerateRequest]
    targets: Ints
    texts: list[str]
    vectors: NDArray[np.float32]
    nearest: Ints


def make_queries(recommender: Recommender, exact: ExactStore, split: SplitName, config: WorkloadConfig) -> Queries:
    """The queries of a split.

    Args:
        recommender: an open release.
        exact: true neighbours come from here.
        split: which.
        config: what people ask.

    Raises:
        ConfigError: nobody has the three interactions that it takes.
    """
    parts = leave_last_out(recommender.log)
    rng = np.random.default_rng([config.seed, 7])
    order = rng.permutation(len(parts.users))
    cut = (3 * len(order)) // 5
    places = {"tune": order[:cut], "validate": order[cut:], "test": order}[split]
    if not len(places):
        raise ConfigError("nobody has the three interactions that held-out next items need; import a longer log")
    places = np.sort(places[: config.queries])
    held_out = parts.test_items if split == "test" else parts.validation_items
    history = parts.test_history if split == "test" else parts.validation_history
    catalogue = recommender.catalogue
    words = np.random.default_rng([config.seed, {"tune": 1, "validate": 2, "test": 3}[split]])
    tags = [catalogue.tags(name) for name, spec in catalogue.fields.items() if spec.kind is FieldKind.tags]
    requests, targets = [], []
    for place in places.tolist():
        target = int(held_out[place])
        past = [catalogue.ids[i] for i in history(int(parts.users[place])) if i != target]
        named = _named(tags, target, words) if words.random() < config.words else ""
        requests.append(GenerateRequest(history=past, instruction=named, k=K))
        targets.append(target)
    texts = _searched(catalogue, [r.instruction for r in requests], words, max(1, len(requests) // 3))
    vectors = recommender.text.encode_texts(texts)
    hits = [exact.search(vector, K) for vector in vectors]
    nearest = np.array([_rows(catalogue, found) for found in hits], dtype=np.int64)
    return Queries(requests, np.array(targets, dtype=np.int64), texts, vectors, nearest)


def _named(tags: list[list[list[str]]], item: int, rng: np.random.Generator) -> str:
    """Something that the item is, in a word or two; empty where nothing is known."""
    own = [value for field in tags for value in field[item]]
    return str(own[int(rng.integers(len(own)))]) if own else ""


def _searched(catalogue: Catalogue, named: list[str], rng: np.random.Generator, count: int) -> list[str]:
    """Half of the searches are what requests name, half are titles."""
    spoken = list(dict.fromkeys(words for words in named if words))[: count // 2]
    rows = rng.choice(len(catalogue), size=min(len(catalogue), count - len(spoken)), replace=False)
    return spoken + [catalogue.titles[int(row)] for row in np.sort(rows)]


def _rows(catalogue: Catalogue, found: list[tuple[str, float]]) -> list[int]:
    rows: list[Any] = catalogue.indices([item for item, _ in found]).tolist()
    return rows + [-1] * (K - len(rows))
