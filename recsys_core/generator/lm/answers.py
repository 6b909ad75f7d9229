"""Requests in catalogue ids to lists of items, by the language model alone (nothing mixed in)."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.generator.exact import exact_search
from recsys_core.generator.family import Rules
from recsys_core.generator.lm.engine import Prompts
from recsys_core.generator.lm.generator import LmGenerator
from recsys_core.generator.protocol import GenerateRequest, GenerateResult, ScoredItem

BATCH = 64
"""Requests that share a forward call at most; bounds memory."""


class LmAnswers:
    """The ``Generator`` protocol over one catalogue.

    Args:
        generator: of the same catalogue.
        catalogue: gives ids, filters.
        release: name that answers carry.
    """

    def __init__(self, generator: LmGenerator, catalogue: Catalogue, release: str = "") -> None:
        self.generator = generator
        self.catalogue = catalogue
        self.release = release

    def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResult]:
        """See :class:`recsys_core.generator.protocol.Generator`. Anchors count as the newest items of the history."""
        starts = range(0, len(requests), BATCH)
        return [result for s in starts for result in self._batch(requests[s : s + BATCH])]

    def _batch(self, requests: Sequence[GenerateRequest]) -> list[GenerateResult]:
        started = time.perf_counter()
        catalogue = self.catalogue
        histories = [catalogue.indices([*r.history, *r.anchors]) for r in requests]
        rules = self._rules(requests)
        allowed = rules.allowed
        encoded = self.generator.encode(histories, [r.instruction for r in requests])
        read = time.perf_counter()
        items_of, log_probability, spent = self._search(encoded, requests, rules)
        timings = {"read": (read - started) * 1e3, **spent}
        shared = {name: round(ms / len(requests), 4) for name, ms in timings.items()}
        results = []
        for row, request in enumerate(requests):
            items = items_of[row, : request.k]
            count = int(allowed[row].sum())
            results.append(
                GenerateResult(
                    items=[
                        ScoredItem(
                            item_id=catalogue.ids[item],
                            sid=self.generator.sids[item].tolist(),
                            log_probability=float(logp),
                            score=float(logp),
                        )
                        for item, logp in zip(items[items >= 0].tolist(), log_probability[row], strict=False)
                    ],
                    exhausted=count < request.k,
                    allowed=count,
                    cold_start=not request.history and not request.anchors,
                    timings_ms=shared,
                    release=self.release,
                )
            )
        return results

    def _search(
        self, encoded: Prompts, requests: Sequence[GenerateRequest], rules: Rules
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], dict[str, float]]:
        """Items int64[B, k], log-probabilities and milliseconds; a beam too narrow for k items is widened."""
        widths = np.array([r.beam for r in requests], dtype=np.int64)
        pool = max(r.k for r in requests)
        wanted = np.minimum([r.k for r in requests], rules.allowed.sum(axis=1))
        items = np.full((len(requests), pool), -1, dtype=np.int64)
        log_probability = np.full(items.shape, -np.inf, dtype=np.float32)
        spent: dict[str, float] = {}
        exactly = np.flatnonzero([r.search == "exact" for r in requests])
        if len(exactly):
            began = time.perf_counter()
            expander = self.generator.expander(encoded.take(exactly))
            best = exact_search(expander, self.generator.index, rules.allowed[exactly], wanted[exactly])
            width = best.items.shape[1]
            items[exactly, :width], log_probability[exactly, :width] = best.items, best.log_probability
            spent["search"] = (time.perf_counter() - began) * 1e3
        short = np.flatnonzero([r.search == "beam" for r in requests])
        while len(short):
            part = encoded if len(short) == len(requests) else encoded.take(short)
            found, times = self.generator.search(part, rules.take(short), widths[short], pool)
            for name, ms in times.items():
                spent[name] = spent.get(name, 0.0) + ms
            width = found.items.shape[1]
            items[short, :width], log_probability[short, :width] = found.items, found.log_probability
            short = short[(items[short] >= 0).sum(axis=1) < wanted[short]]
            widths[short] *= 4
        return items, log_probability, spent

    def _rules(self, requests: Sequence[GenerateRequest]) -> Rules:
        catalogue = self.catalogue
        allowed = np.ones((len(requests), len(catalogue)), dtype=bool)
        excluded = []
        for row, request in enumerate(requests):
            if request.filter is not None:
                allowed[row] = request.filter.mask(catalogue)
            ids = [*request.exclude, *request.anchors, *request.avoid]
            if request.exclude_history:
                ids += request.history
            excluded.append(np.unique(catalogue.indices(ids)))
            allowed[row, excluded[-1]] = False
        return Rules(allowed, [r.filter for r in requests], excluded)
