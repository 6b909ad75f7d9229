"""Asks a recommender for many lists and turns the answers into arrays, with what the evaluation needs of the parts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from eval.figures import Progress
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.generator.protocol import GenerateRequest, GenerateResult
from recsys_core.metrics import break_ties

BATCH = 64
"""Requests sent at a time."""


class Recommends(Protocol):
    """The part of the recommender that measuring needs."""

    catalogue: Catalogue

    def recommend(self, requests: Sequence[GenerateRequest], model: Any = "sidra") -> list[GenerateResult]:
        """Answer a batch, one result a request, in order."""
        ...


class Served(NamedTuple):
    """Lists as they were served."""

    lists: NDArray[np.int64]
    """int64[n, k] item indices, best first, -1 padded; equal scores in order of item id."""
    seconds: float
    """Wall-clock time of all batches together."""
    notes: dict[str, int]
    """How often each note was given (a fallback, a cold start)."""


def id_order(catalogue: Catalogue) -> NDArray[np.int64]:
    """Place of each item in the order of ids as text, int64[n_items]; the tie rule of every list."""
    order = np.argsort(np.array(catalogue.ids, dtype=object), kind="stable")
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return places


def served_lists(
    recommender: Recommends,
    requests: Sequence[GenerateRequest],
    model: str,
    *,
    k: int,
    batch: int = BATCH,
    progress: Progress | None = None,
    stage: str = "",
) -> Served:
    """Serve requests in batches.

    Args:
        recommender: what is measured.
        requests: at least one.
        model: which of the recommender's models answers.
        k: width of the lists.
        batch: requests a call.
        progress: told after every batch.
        stage: name told to ``progress``.
    """
    lists = np.full((len(requests), k), -1, dtype=np.int64)
    scores = np.full((len(requests), k), -np.inf)
    notes: dict[str, int] = {}
    seconds = 0.0
    for start in range(0, len(requests), batch):
        part = requests[start : start + batch]
        began = time.perf_counter()
        results = recommender.recommend(part, model=model)
        seconds += time.perf_counter() - began
        for row, result in enumerate(results, start):
            found = result.items[:k]
            lists[row, : len(found)] = recommender.catalogue.indices([i.item_id for i in found])
            scores[row, : len(found)] = [i.score for i in found]
            for note in result.notes:
                notes[note] = notes.get(note, 0) + 1
        if progress is not None:
            progress(stage or model, min(start + batch, len(requests)), len(requests))
    return Served(break_ties(lists, scores, id_order(recommender.catalogue)), seconds, notes)
