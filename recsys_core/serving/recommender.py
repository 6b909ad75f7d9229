"""One release, opened and ready to answer: the only door between the recommender and everything above it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.filters import ItemFilter
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.encoders.text import TextEncoder, TextEncoderConfig
from recsys_core.errors import UnknownItemError
from recsys_core.generator.protocol import GenerateRequest, GenerateResult
from recsys_core.generator.widths import BeamConfig
from recsys_core.ranking.leaning import profile_words
from recsys_core.releases.release import Release
from recsys_core.serving.batching import BatchConfig, Batcher
from recsys_core.serving.evidence import Cause, Evidence, matched_attributes
from recsys_core.serving.families import GeneratorName, Servers
from recsys_core.serving.opening import open_scorer, read_vectors
from recsys_core.serving.plan import ServingPlan, collection_folder
from recsys_core.serving.scoring import BASELINES, Query, Scorer
from recsys_core.serving.vector_store import ChromaStore, ExactStore, VectorStore

ModelName = Literal[
    "sidra", "generator", "generator_sigma", "generator_top1", "generator_fixed", "item_cf", "popularity"
]
"""``sidra`` is what is served: the generator mixed with item-CF and vector scores. The others stand beside it for
comparison; ``generator_sigma``, ``generator_top1`` and ``generator_fixed`` are its fusion taken apart."""

BATCH = 64
"""Requests scored together at most; bounds memory."""

REMEMBERED_FILTERS = 256
"""Filters whose masks are kept."""

ABLATED = 12
"""Newest history items that are taken away one by one to find causes."""


class SearchHit(BaseModel):
    """One item found by meaning."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    """Catalogue id."""
    title: str
    """Its title."""
    similarity: float
    """Cosine between query and item, -1 to 1."""


class Prepared(NamedTuple):
    """A request in item indices, with what ranks it and what preparing cost."""

    request: GenerateRequest
    query: Query
    model: ModelName
    prepare_ms: float


class Recommender:
    """Answers requests from one release. Safe to share between threads: nothing changes after opening but caches.

    Use :meth:`open`. Items that the catalogue has withdrawn stay in histories and never come back, whatever is asked.

    Args:
        release: that was opened.
        catalogue: its items, later facts and withdrawals included.
        log: its interactions.
        text: sentence encoder.
        scorer: everything that scores.
        store: vectors for the search.
        generator: which family generates.
        changes: number of the last change of the catalogue that is in here.
    """

    def __init__(
        self,
        release: Release,
        catalogue: Catalogue,
        log: InteractionLog,
        text: TextEncoder,
        scorer: Scorer,
        store: VectorStore,
        generator: GeneratorName = "compact",
        changes: int = 0,
        batching: BatchConfig | None = None,
        servers: Servers | None = None,
    ) -> None:
        self.changes = changes
        self.release = release
        self.catalogue = catalogue
        self.log = log
        self.text = text
        self.scorer = scorer
        self.store = store
        self.generator = generator
        self.servers = servers
        self._masks: OrderedDict[str, NDArray[np.bool_]] = OrderedDict()
        self.batching = batching
        self._batcher: Batcher[Prepared, GenerateResult] | None = None
        if batching is not None and batching.size > 1:
            self._batcher = Batcher(self._answer_together, batching)

    @classmethod
    def open(
        cls,
        release: Release,
        *,
        vector_store: Literal["chroma", "exact"] = "exact",
        threads: int | None = 1,
        text_config: TextEncoderConfig | None = None,
        generator: GeneratorName = "compact",
        beam: BeamConfig | None = None,
        batching: BatchConfig | None = None,
        servers: Servers | None = None,
        plan: ServingPlan | None = None,
    ) -> Recommender:
        """Load a release.

        Args:
            release: from the store.
            vector_store: ``chroma`` opens the release's collection (one process may own it), ``exact`` compares with
                every item in memory.
            threads: processor threads for the model; None leaves the library alone. One is fastest for single requests
                and steady beside a language model on the same cores.
            text_config: sentence encoder, when it isn't the default.
            generator: which family generates.
            beam: widths by level and by load.
            batching: how single requests of several threads are joined; each is answered alone when None.
            servers: where ``vllm`` asks.
            plan: how it is served; the one that was promoted for the release when None.

        Raises:
            ReleaseError: a part is missing, damaged, or doesn't fit the others; the release has no such generator.
            ConfigError: ``vllm`` without an address.
        """
        if threads:
            import torch

            torch.set_num_threads(threads)
        catalogue = Catalogue.load(release.catalogue)
        log = InteractionLog.load(release.interactions)
        encoder = TextEncoder(text_config)
        scorer = open_scorer(release, len(catalogue), encoder, generator, beam, servers, plan)
        batching = scorer.plan.batching(batching)
        store: VectorStore
        if (scorer.plan.engine or vector_store) == "chroma":
            folder = collection_folder(release, scorer.plan)
            store = ChromaStore(catalogue, folder, scorer.plan.graph, scorer.plan.over_fetch)
        else:
            store = ExactStore(catalogue, read_vectors(release.text_vectors, len(catalogue)))
        return cls(release, catalogue, log, encoder, scorer, store, generator, batching=batching, servers=servers)

    def with_generator(self, generator: GeneratorName) -> Recommender:
        """The same release answered by another family; the vector store is shared and stays this one's to close.

        Raises:
            ReleaseError: the release has no such generator.
        """
        scorer = open_scorer(self.release, len(self.catalogue), self.text, generator, self.scorer.beam, self.servers)
        return self._like(self.catalogue, scorer, generator, self.changes, self.batching)

    def joined(self, batching: BatchConfig) -> Recommender:
        """The same, with single requests of several threads joined; all is shared and stays this one's to close."""
        return self._like(self.catalogue, self.scorer, self.generator, self.changes, batching)

    def with_catalogue(self, catalogue: Catalogue, changes: int) -> Recommender:
        """The same release, showing the same items with other facts or withdrawals.

        Args:
            catalogue: items in the same order.
            changes: number of the last change that is in it.
        """
        return self._like(catalogue, self.scorer, self.generator, changes, self.batching)

    def _like(
        self,
        catalogue: Catalogue,
        scorer: Scorer,
        generator: GeneratorName,
        changes: int,
        batching: BatchConfig | None,
    ) -> Recommender:
        rest = (self.store, generator, changes, batching, self.servers)
        return Recommender(self.release, catalogue, self.log, self.text, scorer, *rest)

    def recommend(self, requests: Sequence[GenerateRequest], model: ModelName = "sidra") -> list[GenerateResult]:
        """Answer a batch, one result a request, in order. Where calls are joined, a single request shares its batch
        with those of other threads.

        Args:
            requests: what is wanted.
            model: which ranking answers.

        Raises:
            RequestError: an exact search is asked of a family that has none.
            UnknownItemError: an id that the catalogue doesn't have.
            FilterError: a filter that the catalogue can't answer.
        """
        if len(requests) == 1 and self._batcher is not None:
            with self._batcher.coming():
                prepared = self._prepare(requests[0], model)
            return [self._batcher.submit(prepared)]
        results: list[GenerateResult] = []
        for start in range(0, len(requests), BATCH):
            results += self._answer([self._prepare(request, model) for request in requests[start : start + BATCH]])
        return results

    def _prepare(self, request: GenerateRequest, model: ModelName) -> Prepared:
        started = time.perf_counter()
        query = self._query(request)
        return Prepared(request, query, model, (time.perf_counter() - started) * 1e3)

    def _answer_together(self, prepared: Sequence[Prepared], waiting: int) -> list[GenerateResult]:
        """Requests of several callers; those of one ranking share a batch."""
        results: dict[int, GenerateResult] = {}
        for model in dict.fromkeys(p.model for p in prepared):
            own = [n for n, p in enumerate(prepared) if p.model == model]
            results |= zip(own, self._answer([prepared[n] for n in own], waiting), strict=True)
        return [results[n] for n in range(len(prepared))]

    def _answer(self, prepared: Sequence[Prepared], waiting: int = 0) -> list[GenerateResult]:
        widths = [self.scorer.beam.under_load(p.query.beam, waiting) for p in prepared]
        queries = [replace(p.query, beam=width) for p, width in zip(prepared, widths, strict=True)]
        ranked = self.scorer.rank(queries, prepared[0].model)
        timings = {"prepare": sum(p.prepare_ms for p in prepared), **ranked.timings}
        shared = {name: round(ms / len(prepared), 4) for name, ms in timings.items()}
        results = []
        for number, (request, query, _, _) in enumerate(prepared):
            allowed = int(query.allowed.sum())
            by_beam = request.search == "beam" and prepared[0].model not in BASELINES
            narrowed = by_beam and widths[number] < query.beam
            note = f"{waiting} requests waited, so the beam was narrowed from {query.beam} to {widths[number]}"
            for item in ranked.lists[number]:
                item.item_id = self.catalogue.ids[int(item.item_id)]
            results.append(
                GenerateResult(
                    items=ranked.lists[number],
                    exhausted=allowed < request.k,
                    allowed=allowed,
                    cold_start=not request.history and not request.anchors,
                    beam=widths[number] if by_beam else None,
                    expanded=ranked.expanded[number],
                    batch=len(prepared),
                    timings_ms=shared,
                    release=self.release.id,
                    generator=self.generator,
                    changes=self.changes,
                    degraded=bool(ranked.degraded[number]),
                    degraded_reason=ranked.degraded[number],
                    notes=[*self._notes(request), *([note] if narrowed else []), *_unusual(ranked.degraded[number])],
                )
            )
        return results

    def history(self, user_id: str, limit: int | None = None) -> list[str] | None:
        """Item ids of a user in the log, newest last; None for a user who isn't there."""
        user = self.log.user(user_id)
        if user is None:
            return None
        items = self.log.sequence(user)
        return [self.catalogue.ids[i] for i in (items[-limit:] if limit else items)]

    def ratings(self, user_id: str) -> dict[str, float]:
        """Last value (rating, count) that a user gave each item; empty for a user who isn't there."""
        user = self.log.user(user_id)
        if user is None:
            return {}
        span = slice(int(self.log.offsets[user]), int(self.log.offsets[user + 1]))
        values = self.log.values[span]
        return {self.catalogue.ids[i]: float(v) for i, v in zip(self.log.items[span], values, strict=True)}

    def search(self, text: str, k: int = 10, where: ItemFilter | None = None) -> list[SearchHit]:
        """Items whose text means something near, best first."""
        vector = self.text.encode_texts([text])[0]
        if where is None and self.catalogue.offered.all():
            return self._hits(self.store.search(vector, k))
        # the store may know older facts than the catalogue: then it gets the rule worked out
        return self._hits(self.store.search(vector, k, self._mask(where) if self.changes else where))

    def similar(self, item_id: str, k: int = 10) -> list[SearchHit]:
        """Items that resemble one item in text and behaviour, best first, itself left out."""
        index = self._shown(item_id)
        likeness = self.scorer.item_vectors @ self.scorer.item_vectors[index]
        others = self.catalogue.offered.copy()
        others[index] = False
        rows = np.flatnonzero(others)
        best = rows[np.argsort(-likeness[rows], kind="stable")[:k]]
        return self._hits([(self.catalogue.ids[int(i)], float(likeness[i])) for i in best])

    def evidence(self, item_id: str, request: GenerateRequest) -> Evidence:
        """Why an item fits a request.

        Each of the newest history items is taken away in turn; what the item's served score loses is that one's part.
        """
        index = self._shown(item_id)
        history = self.catalogue.indices(request.history)
        if request.anchors:
            history = np.append(history, self._anchors(request))
        tried = range(max(0, len(history) - ABLATED), len(history))
        variants = [history, *(np.delete(history, n) for n in tried)]
        scores, gain, degraded = self.scorer.score_item(index, variants, request.task, request.instruction)
        causes = [
            Cause(
                item_id=self.catalogue.ids[int(history[n])],
                title=self.catalogue.titles[int(history[n])],
                drop=round(float(scores[0] - without), 4),
            )
            for n, without in zip(tried, scores[1:], strict=True)
            if scores[0] - without > 0.02 and history[n] != index and self.catalogue.offered[history[n]]
        ]
        causes.sort(key=lambda cause: -cause.drop)
        fields = request.filter.fields() if request.filter else set()
        return Evidence(
            item_id=item_id,
            because_of=causes[:3],
            matched_attributes=matched_attributes(self.catalogue, index, request.instruction, fields),
            instruction_gain=round(gain, 4),
            degraded_reason=degraded,
        )

    def warm(self) -> None:
        """Load what is loaded lazily and answer once, so that the first person doesn't wait for it."""
        self.text.warm()
        self.recommend([GenerateRequest(instruction="something good", k=1)])

    def close(self) -> None:
        """Let go of the vector store, and of generator servers."""
        self.store.close()
        # families that hold connections have such a method
        closing = getattr(self.scorer.family, "close", None)
        if closing is not None:
            closing()

    def _hits(self, found: Sequence[tuple[str, float]]) -> list[SearchHit]:
        titles = self.catalogue.titles
        return [
            SearchHit(item_id=item_id, title=titles[self.catalogue.index(item_id)], similarity=round(similarity, 6))
            for item_id, similarity in found
        ]

    def _query(self, request: GenerateRequest) -> Query:
        history = self.catalogue.indices(request.history)
        anchors = self._anchors(request)
        avoid = self.catalogue.indices(request.avoid)
        out = [self.catalogue.indices(request.exclude), anchors, avoid]
        if request.exclude_history:
            out.append(history)
        out.append(np.flatnonzero(~self.catalogue.offered))
        excluded = np.unique(np.concatenate(out))
        allowed = self._mask(request.filter).copy()
        allowed[excluded] = False
        # elsewhere the facts are those of the release: once some have changed here, the mask alone says what is meant
        told = request.filter if not self.changes else None
        words, leaning = profile_words(request)
        plan = self.scorer.plan
        return Query(
            history=np.append(history[-plan.history :] if plan.history else history, anchors),
            instruction=words,
            leaning=leaning,
            task=request.task,
            allowed=allowed,
            filter=told,
            excluded=excluded if told is request.filter else np.flatnonzero(~allowed),
            anchors=anchors,
            avoid=avoid,
            k=request.k,
            beam=plan.width(request.beam),
            search=request.search,
        )

    def _shown(self, item_id: str) -> int:
        """Item index of an item that may be shown.

        Raises:
            UnknownItemError: no such item, or it is withdrawn.
        """
        if item_id not in self.catalogue:
            raise UnknownItemError([item_id])
        return self.catalogue.index(item_id)

    def _anchors(self, request: GenerateRequest) -> NDArray[np.int64]:
        """Items that the result should resemble, int64[a]; withdrawn ones are left out."""
        anchors = self.catalogue.indices(request.anchors)
        return anchors[self.catalogue.offered[anchors]]

    def _notes(self, request: GenerateRequest) -> list[str]:
        withdrawn = [item for item in request.anchors if item not in self.catalogue]
        named = ", ".join(repr(item) for item in withdrawn)
        return [f"{named}: withdrawn, so the list isn't made to resemble it"] if withdrawn else []

    def _mask(self, rule: ItemFilter | None) -> NDArray[np.bool_]:
        if rule is None:
            return self.catalogue.offered
        key = rule.key()
        mask = self._masks.get(key)
        if mask is None:
            mask = rule.mask(self.catalogue)
            self._masks[key] = mask
            while len(self._masks) > REMEMBERED_FILTERS:
                self._masks.popitem(last=False)
        return mask


def _unusual(degraded: str) -> list[str]:
    return [f"Not as usual: {degraded}."] if degraded else []
