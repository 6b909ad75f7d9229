"""A second vector engine under the same tuner: faiss's HNSW graph (Malkov and Yashunin, 2018), alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from recsys_core.durable import digest
from recsys_core.tuning.measurement import Measurement, PairedTime, SplitName
from recsys_core.tuning.pairing import paired_time
from recsys_core.tuning.space import Config, Knob, Rule, Space

Floats = NDArray[np.float32]

K = 10
"""Neighbours wanted."""

OVERHEAD = 20.0
"""Distance computations that a search costs beside its own: the call, and the list of candidates."""


def _holds(config: Any) -> bool:
    return bool(config["fetched"] <= config["ef_search"])


def _mend(config: dict[str, Any]) -> None:
    config["fetched"] = max(v for v in (10, 20, 40) if v == 10 or v <= config["ef_search"])


SPACE = Space(
    (
        Knob("max_neighbors", (4, 8, 16, 32, 48), "rebuild", meaning="edges of a node"),
        Knob("ef_construction", (20, 40, 100, 200), "rebuild", meaning="care taken in building"),
        Knob("ef_search", (10, 16, 32, 64, 128, 256), meaning="care taken in searching"),
        Knob("fetched", (10, 20, 40), meaning="neighbours asked for"),
    ),
    {"max_neighbors": 32, "ef_construction": 200, "ef_search": 256, "fetched": 10},
    (Rule("fetched is at most ef_search", _holds, _mend),),
)


@dataclass(frozen=True)
class GraphSource:
    """Opens a :class:`GraphSystem` on vectors in a file: float32[n, d], unit rows."""

    vectors: Path
    queries: int = 300
    seed: int = 0

    def open(self) -> GraphSystem:
        """Open it."""
        return GraphSystem(np.load(self.vectors), self.queries, self.seed)


class GraphSystem:
    """See :class:`recsys_core.tuning.measurement.MeasuredSystem`. Quality is the share of the true nearest found.

    Args:
        table: float32[n, d], unit rows.
        queries: of each split; vectors of the table with noise.
        seed: of the noise.
    """

    def __init__(self, table: Floats, queries: int = 300, seed: int = 0) -> None:
        self.space = SPACE
        self.table = np.ascontiguousarray(table, dtype=np.float32)
        self._queries, self._seed = queries, seed
        self._graphs: dict[tuple[Any, ...], Any] = {}

    def fingerprint(self) -> str:
        """Of vectors and queries."""
        return digest("graph", self.table.shape, float(self.table.sum()), self._queries, self._seed)[:16]

    def measure(self, config: Config, split: SplitName) -> Measurement:
        """Recall and distance computations, which faiss counts itself."""
        began = time.perf_counter()
        queries, true = self._split(split)
        graph, rebuilt = self._graph(config)
        counted: Any = getattr(faiss.cvar, "hnsw_stats")  # noqa: B009 (made at run time by the binding)
        counted.reset()
        _, found = graph.search(queries, int(config["fetched"]))
        distances = float(counted.ndis) / len(queries)
        recall = [len({*row.tolist()} & {*best.tolist()}) / K for row, best in zip(found, true, strict=True)]
        stages = {"distances": distances, "overhead": OVERHEAD}
        return Measurement(
            quality={"search": recall},
            work={"distances": distances},
            stage_us=stages,
            cost_us=sum(stages.values()),
            answers=digest(found.tolist())[:16],
            seconds=time.perf_counter() - began,
            rebuilt=rebuilt,
        )

    def paired(self, config: Config, blocks: int) -> PairedTime | None:
        """Processor time of the tune queries."""
        queries, _ = self._split("tune")

        def runner(which: Config) -> Any:
            graph, _ = self._graph(which)

            def run() -> float:
                graph.hnsw.efSearch = int(which["ef_search"])
                used = time.process_time()
                graph.search(queries, int(which["fetched"]))
                return (time.process_time() - used) / len(queries)

            return run

        return paired_time(runner(self.space.reference), runner(config), blocks)

    def _graph(self, config: Config) -> tuple[Any, bool]:
        shape = (int(config["max_neighbors"]), int(config["ef_construction"]))
        rebuilt = shape not in self._graphs
        if rebuilt:
            faiss.omp_set_num_threads(1)
            graph: Any = faiss.IndexHNSWFlat(self.table.shape[1], shape[0], faiss.METRIC_INNER_PRODUCT)
            graph.hnsw.efConstruction = shape[1]
            graph.add(self.table)
            self._graphs[shape] = graph
        self._graphs[shape].hnsw.efSearch = int(config["ef_search"])
        return self._graphs[shape], rebuilt

    def _split(self, split: SplitName) -> tuple[Floats, NDArray[np.int64]]:
        rng = np.random.default_rng([self._seed, {"tune": 1, "validate": 2, "test": 3}[split]])
        rows = rng.integers(len(self.table), size=self._queries)
        noise = rng.normal(size=(self._queries, self.table.shape[1])) / np.sqrt(self.table.shape[1])
        queries = (self.table[rows] + noise).astype(np.float32)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        return queries, np.argsort(-(queries @ self.table.T), axis=1, kind="stable")[:, :K]
