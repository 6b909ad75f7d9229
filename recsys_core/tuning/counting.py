"""Work that serving does, counted where it is done: the same call gives the same numbers on every machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from recsys_core.baselines.item_cf import ItemCF
from recsys_core.generator.family import AnyFamily, Found, Rules
from recsys_core.generator.fusion import Fusion
from recsys_core.serving.graph import Graph

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


class CountingFamily:
    """A generator family that counts what it is asked.

    Args:
        inner: does the work.
        window: newest history items that it reads.
        work: what is counted goes here.
    """

    def __init__(self, inner: AnyFamily, window: int, work: Counter[str]) -> None:
        self.inner, self.window, self.work = inner, window, work

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def encode(self, histories: Sequence[Ints], instructions: Sequence[str]) -> Any:
        """Positions are padded to the longest of the batch, as the transformer sees them."""
        longest = max([1, *(min(len(h), self.window) for h in histories)])
        self.work["positions"] += longest * len(histories)
        self.work["calls"] += 1
        return self.inner.encode(histories, instructions)

    def search(
        self, encoded: Any, rules: Rules, widths: Ints, pool: int, fusion: Fusion | None = None
    ) -> tuple[Found, dict[str, float]]:
        """Prefixes that were expanded and candidates that came back."""
        found, spent = self.inner.search(encoded, rules, widths, pool, fusion)
        expanded = getattr(found, "expanded", None)
        self.work["prefixes"] += int(np.sum(widths) if expanded is None else expanded.sum())
        self.work["candidates"] += int((found.items >= 0).sum())
        self.work["searches"] += 1
        if fusion is not None and fusion.power:
            self.work["sharpened"] += int(np.sum(widths))
        return found, spent

    def log_probabilities(self, encoded: Any, items: Ints) -> Floats:
        """Items that are scored one by one."""
        self.work["looked_up"] += int((items >= 0).sum())
        return self.inner.log_probabilities(encoded, items)

    def item_head(self, encoded: Any) -> Floats | None:
        """Items of one softmax over the catalogue."""
        head = self.inner.item_head(encoded)
        if head is not None:
            self.work["head_items"] += head.size
        return head


class CountingItemCF(ItemCF):
    """Item-CF that counts the neighbours it reads."""

    def __init__(self, inner: ItemCF, work: Counter[str]) -> None:
        super().__init__(inner.similarity, inner.config)
        self._work = work
        self._lengths = np.diff(inner.similarity.indptr)

    def scores(self, histories: list[Ints]) -> Floats:
        """See :class:`ItemCF`."""
        for history in histories:
            self._work["votes"] += int(self._lengths[np.unique(history[-self.config.window :])].sum())
        return super().scores(histories)


def graph_distances(table: Floats, queries: Floats, graph: Graph, k: int) -> float:
    """Distance computations of one search in an HNSW graph, the mean over some queries.

    Chroma doesn't tell how many it makes. Its graph follows the same algorithm with the same three numbers, so they
    are counted on one of faiss over the same vectors.

    Args:
        table: float32[n, d], unit rows.
        queries: float32[m, d].
        graph: settings.
        k: neighbours wanted; a search keeps at least as many candidates.
    """
    index = faiss.IndexHNSWFlat(table.shape[1], graph.max_neighbors)
    index.hnsw.efConstruction = graph.ef_construction
    index.hnsw.efSearch = max(graph.ef_search, k)
    faiss.omp_set_num_threads(1)
    index.add(np.ascontiguousarray(table))
    counted: Any = getattr(faiss.cvar, "hnsw_stats")  # noqa: B009 (made at run time by the binding)
    counted.reset()
    index.search(np.ascontiguousarray(queries), k)
    return float(counted.ndis) / max(1, len(queries))
