"""A release as it is served, measured under a configuration: the same code that answers people answers the queries."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_core.durable import digest, sha256_file, write_json
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.metrics import ndcg_at, target_ranks
from recsys_core.releases.release import MANIFEST, Release
from recsys_core.serving.plan import AS_BUILT, ServingPlan
from recsys_core.serving.planned import build_collection, planned, vectors_of
from recsys_core.serving.recommender import BATCH, Recommender
from recsys_core.serving.vector_store import ChromaStore, ExactStore, VectorStore
from recsys_core.tuning.counting import CountingFamily, CountingItemCF, graph_distances
from recsys_core.tuning.measurement import Measurement, PairedTime, SplitName
from recsys_core.tuning.pairing import paired_time
from recsys_core.tuning.prices import Prices, Timed, fit_prices
from recsys_core.tuning.release_space import HNSW_DEFAULT, plan_of, release_space
from recsys_core.tuning.space import Config
from recsys_core.tuning.workload import K, Queries, WorkloadConfig, make_queries

Work = dict[str, float]
Rows = NDArray[np.int64]

_OF_SEARCH = ("engine", "max_neighbors", "ef_construction", "ef_search", "over_fetch")
"""Knobs of the item search; the others are those of requests."""

VERSION = 1
"""Goes up when measuring changes, so that what was kept counts no more."""

CALIBRATED = 24
"""Configurations that are timed to find prices."""


@dataclass(frozen=True)
class ServedSource:
    """How to open a :class:`ServedSystem`, in this process or another.

    Attributes:
        release: folder of the release.
        scratch: folder for shadow copies and prices.
        workload: what people ask.
        engine: of the item search as it is served now.
        fixed: knobs that are held.
    """

    release: Path
    scratch: Path
    workload: WorkloadConfig = field(default_factory=WorkloadConfig)
    engine: str = "exact"
    fixed: tuple[tuple[str, Any], ...] = ()

    def open(self) -> ServedSystem:
        """Open it; takes seconds."""
        return ServedSystem(self)


class ServedSystem:
    """See :class:`recsys_core.tuning.measurement.MeasuredSystem`.

    Args:
        source: which release, and what is asked of it.

    Raises:
        ReleaseError: the release can't be opened.
        ConfigError: nobody has held-out items; a knob is held at a value it can't have.
    """

    def __init__(self, source: ServedSource) -> None:
        self.source = source
        source.scratch.mkdir(parents=True, exist_ok=True)
        release = Release(source.release)
        self.base = Recommender.open(release, plan=AS_BUILT)
        scorer = self.base.scorer
        self.exact = ExactStore(self.base.catalogue, vectors_of(release))
        window = int(release.manifest.config.get("model", {}).get("window", 50))
        space = release_space(
            scorer.sids.shape[1], window, scorer.serving.pool, scorer.item_cf.config.neighbours, source.engine
        )
        self.space = space.fixed(dict(source.fixed))
        self.window = window
        self._queries: dict[SplitName, Queries] = {}
        self._lists: dict[str, tuple[Rows, int, dict[str, int]]] = {}
        self._hits: dict[str, Rows] = {}
        self._stores: dict[str, VectorStore] = {}
        self._distances: dict[tuple[str, int], float] = {}
        self._manifest = sha256_file(release.path / MANIFEST)
        self.prices = self._calibrated()

    def fingerprint(self) -> str:
        """Of the release, the queries and the prices."""
        return digest(VERSION, self._identity(), self.prices.model_dump())[:16]

    def measure(self, config: Config, split: SplitName) -> Measurement:
        """Quality, counted work and its price. Nothing is timed."""
        began = time.perf_counter()
        queries = self._of(split)
        store, rebuilt = self._store(config)
        work: Counter[str] = Counter()
        under = self._recommender(config, store, work)
        lists, short = self._answered(config, split, under, work)
        found = self._found(config, split, under)
        quality = {
            "recommend": ndcg_at(target_ranks(lists, queries.targets), K).tolist(),
            "search": [_overlap(a, b) for a, b in zip(found, queries.nearest, strict=True)],
        }
        short += int((found < 0).any(axis=1).sum())
        counted = self._recommend_work(config, queries.requests, work)
        searched = self._search_work(config, queries.vectors)
        measured = self._priced(config, counted, searched)
        measured.quality = quality
        measured.errors = short / max(1, len(lists) + len(found))
        measured.answers = hashlib.sha256(lists.tobytes() + found.tobytes()).hexdigest()[:16]
        measured.memory_mib = resident_mib()
        measured.seconds = time.perf_counter() - began
        measured.rebuilt = rebuilt
        return measured

    def _answered(self, config: Config, split: SplitName, under: Recommender, work: Counter[str]) -> tuple[Rows, int]:
        """Lists of all requests, int64[n, K], and how many are short; asked once for all configurations that answer
        requests alike, their work with them.
        """
        key = digest(split, {k: v for k, v in config.items() if k not in _OF_SEARCH and k != "batch"})
        if key not in self._lists:
            queries, ids = self._of(split), self.base.catalogue
            lists = np.full((len(queries.requests), K), -1, dtype=np.int64)
            short = row = 0
            for start in range(0, len(lists), BATCH):
                for result in under.recommend(queries.requests[start : start + BATCH]):
                    lists[row, : len(result.items)] = ids.indices([item.item_id for item in result.items])
                    short += len(result.items) < K and not result.exhausted
                    row += 1
            self._lists[key] = (lists, short, dict(work))
        lists, short, counted = self._lists[key]
        work.clear()
        work.update(counted)
        return lists, short

    def _found(self, config: Config, split: SplitName, under: Recommender) -> Rows:
        """Hits of all searches, int64[m, K], asked once likewise."""
        key = digest(split, {k: v for k, v in config.items() if k in _OF_SEARCH})
        if key not in self._hits:
            texts = self._of(split).texts
            found = np.full((len(texts), K), -1, dtype=np.int64)
            for row, text in enumerate(texts):
                hits = under.search(text, K)
                found[row, : len(hits)] = self.base.catalogue.indices([hit.item_id for hit in hits])
            self._hits[key] = found
        return self._hits[key]

    def paired(self, config: Config, blocks: int) -> PairedTime | None:
        """Processor time of the same requests and searches, in turns."""
        queries = self._of("tune")
        requests = queries.requests[:128]
        texts = queries.texts[: max(1, round(len(requests) * self._search_ratio()))]
        share = self.source.workload.searches

        def runner(which: Config) -> Any:
            under = self._recommender(which, self._store(which)[0], Counter(), count=False)
            size = int(which["batch"])

            def run() -> float:
                used = time.process_time()
                for start in range(0, len(requests), size):
                    under.recommend(requests[start : start + size])
                recommended = (time.process_time() - used) / len(requests)
                used = time.process_time()
                for text in texts:
                    under.search(text, K)
                return (1 - share) * recommended + share * (time.process_time() - used) / len(texts)

            return run

        return paired_time(runner(self.space.reference), runner(config), blocks)

    def _search_ratio(self) -> float:
        share = self.source.workload.searches
        return max(0.1, share / (1 - share))

    def _identity(self) -> list[Any]:
        workload = self.source.workload.model_dump()
        return [self._manifest, workload, self.source.engine, self.space.reference]

    def _of(self, split: SplitName) -> Queries:
        if split not in self._queries:
            self._queries[split] = make_queries(self.base, self.exact, split, self.source.workload)
            self.base.text.encode_texts([r.instruction for r in self._queries[split].requests if r.instruction])
        return self._queries[split]

    def _recommender(
        self, config: Config, store: VectorStore, work: Counter[str], *, count: bool = True
    ) -> Recommender:
        plan = plan_of(self.space, config)
        if not count:
            return planned(self.base, plan, store)
        scorer = self.base.scorer
        neighbours = int(config["cf_neighbours"])
        partner = scorer.item_cf
        narrowed = partner if neighbours >= partner.config.neighbours else partner.narrowed(neighbours)
        return planned(
            self.base,
            plan,
            store,
            family=CountingFamily(scorer.family, self.window, work),
            item_cf=CountingItemCF(narrowed, work),
        )

    def _store(self, config: Config) -> tuple[VectorStore, bool]:
        """The engine of a configuration, and whether a graph had to be built for it."""
        if config["engine"] == "exact":
            return self.exact, False
        plan = plan_of(self.space, config)
        graph = plan.graph or HNSW_DEFAULT
        folder = self.source.scratch / f"collection-{digest(self._manifest, graph.shape())[:12]}"
        rebuilt = not folder.exists()
        # the shadow copy, also of the release's own graph: the release's folder belongs to whoever serves it
        build_collection(self.base, ServingPlan(graph=graph), folder)
        key = f"{folder.name}/{graph.ef_search}/{plan.over_fetch}"
        if key not in self._stores:
            for name in [name for name in self._stores if name.startswith(folder.name)]:
                self._stores.pop(name).close()  # or the new handle would search with the old ef_search
            self._stores[key] = ChromaStore(self.base.catalogue, folder, graph, plan.over_fetch)
        return self._stores[key], rebuilt

    def _recommend_work(self, config: Config, requests: Sequence[GenerateRequest], counted: Counter[str]) -> Work:
        """Work of a request. What depends on who is answered together follows from the batch size: answers don't
        depend on it, so that the queries are answered in large batches whatever the configuration's own is.
        """
        size = int(config["batch"])
        read = np.array([min(len(r.history), int(config["history"]), self.window) for r in requests])
        spoken = np.array([bool(r.instruction.strip()) for r in requests])
        groups = [slice(start, start + size) for start in range(0, len(requests), size)]
        work: Work = {k: float(v) for k, v in counted.items() if k not in {"positions", "calls", "searches"}}
        work["positions"] = float(sum(len(read[g]) * max(1, int(read[g].max())) for g in groups))
        work["calls"] = float(len(groups))
        work["searches"] = float(sum(len(np.unique(spoken[g])) for g in groups))
        work["requests"] = float(len(requests))
        work["spoken"] = float(spoken.sum())
        if config["diversity"]:
            work["reranked"] = float(len(requests) * max(K, int(config["depth"])) * K)
        return {kind: count / len(requests) for kind, count in work.items()}

    def _search_work(self, config: Config, vectors: NDArray[np.float32]) -> Work:
        """Work of a search by words."""
        if config["engine"] == "exact":
            return {"exact_searches": 1.0, "exact_distances": float(len(self.base.catalogue))}
        plan = plan_of(self.space, config)
        graph = plan.graph or HNSW_DEFAULT
        fetched = int(K * plan.over_fetch) + 8
        key = (digest(graph.model_dump()), fetched)
        if key not in self._distances:
            table = vectors_of(self.base.release)
            self._distances[key] = graph_distances(table, self._of("tune").vectors[:100], graph, fetched)
        return {"graph_searches": 1.0, "graph_distances": self._distances[key], "fetched": float(fetched)}

    def _priced(self, config: Config, recommend: Work, search: Work) -> Measurement:
        share = self.source.workload.searches
        spent = self.prices.of(recommend)
        stages = {_STAGES.get(kind, kind): 0.0 for kind in (*recommend, *search)}
        for kind, us in spent.items():
            stages[_STAGES.get(kind, kind)] += (1 - share) * us
        for kind, us in self.prices.of(search).items():
            stages[_STAGES.get(kind, kind)] += share * us
        work = {k: round(v * (1 - share), 4) for k, v in recommend.items()}
        work |= {k: round(v * share, 4) for k, v in search.items()}
        return Measurement(
            work=work,
            stage_us={stage: round(us, 3) for stage, us in stages.items()},
            cost_us=sum(stages.values()),
            latency_ms=sum(spent.values()) * int(config["batch"]) / 1e3,
        )

    def _calibrated(self) -> Prices:
        """Prices of this machine for this release: those kept, or timed now."""
        path = self.source.scratch / f"prices-{digest(VERSION, self._identity())[:12]}.json"
        if path.exists():
            return Prices.model_validate_json(path.read_text(encoding="utf-8"))
        with one_thread():
            prices = self._merged(fit_prices(self._timed_requests()), fit_prices(self._timed_searches()))
        write_json(path, prices.model_dump())
        return prices

    @staticmethod
    def _merged(recommend: Prices, search: Prices) -> Prices:
        return Prices(
            us={**recommend.us, **search.us},
            error=max(recommend.error, search.error),
            batches=recommend.batches + search.batches,
        )

    def _timed_requests(self) -> list[Timed]:
        rng = np.random.default_rng(self.source.workload.seed)
        requests = self._of("tune").requests
        timed = []
        sizes = [v for k in self.space.knobs if k.name == "batch" for v in k.values]
        for number in range(CALIBRATED):
            config = self.space.reference if number == 0 else self.space.sample(rng)
            config = {**config, "batch": sizes[number % len(sizes)]}
            part = requests[: max(8, min(len(requests), 2 * int(config["batch"])))]
            work: Counter[str] = Counter()
            self._recommender(config, self.exact, work).recommend(part)  # counts, and warms up
            under = self._recommender(config, self.exact, Counter(), count=False)
            seconds = min(_timed_batches(under, part, int(config["batch"])) for _ in range(3))
            counted = self._recommend_work(config, part, work)
            timed.append(Timed({k: v * len(part) for k, v in counted.items()}, seconds))
        return timed

    def _timed_searches(self) -> list[Timed]:
        queries = self._of("tune")
        texts, vectors = queries.texts[:50], queries.vectors[:50]
        configs = [{**self.space.reference, "engine": "exact"}]
        knob = self.space.by_name["engine"]
        if "chroma" in knob.values:
            for neighbors, ef, more in ((4, 16, 1.0), (4, 512, 1.0), (32, 64, 4.0), (32, 512, 4.0)):
                changed: Config = {"engine": "chroma", "max_neighbors": neighbors, "ef_search": ef, "over_fetch": more}
                configs.append({**self.space.reference, **changed})
        timed = []
        for config in configs:
            under = self._recommender(config, self._store(config)[0], Counter(), count=False)
            for text in texts[:5]:
                under.search(text, K)
            seconds = []
            for _ in range(3):
                used = time.process_time()
                for text in texts:
                    under.search(text, K)
                seconds.append(time.process_time() - used)
            work = {k: v * len(texts) for k, v in self._search_work(config, vectors).items()}
            timed.append(Timed(work, min(seconds)))
        return timed


_STAGES = {
    "positions": "read",
    "calls": "overhead",
    "requests": "mix",
    "searches": "search",
    "prefixes": "search",
    "candidates": "search",
    "sharpened": "search",
    "looked_up": "look up",
    "votes": "item-CF",
    "head_items": "item head",
    "spoken": "words",
    "reranked": "rerank",
    "exact_searches": "item search",
    "exact_distances": "item search",
    "graph_searches": "item search",
    "graph_distances": "item search",
    "fetched": "item search",
}
"""Kind of work -> stage that people are told."""


def _overlap(found: NDArray[np.int64], nearest: NDArray[np.int64]) -> float:
    """Share of the true nearest that was found: two int64[K], -1 padded."""
    true = set(nearest.tolist()) - {-1}
    return len(true & set(found.tolist())) / max(1, len(true))


def _timed_batches(under: Recommender, requests: Sequence[GenerateRequest], size: int) -> float:
    used = time.process_time()
    for start in range(0, len(requests), size):
        under.recommend(requests[start : start + size])
    return time.process_time() - used


@contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra on one thread, so that processor time isn't spent waiting."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def resident_mib() -> float:
    """Resident memory of this process; 0 where the system doesn't say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * 4096 / 2**20
