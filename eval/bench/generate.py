"""How fast, how large and how valid the recommender is in process, over random requests.

Latency is of one request at a time with a filter that was never seen before. An instruction that was seen before has
its vector in memory; one that is new has to be encoded first. Both are measured and told apart.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from eval.bench.load import load
from eval.figures import Progress, Report, make_context, percentiles
from eval.random_requests import random_instruction, simple_filter
from eval.validity import check_validity
from recsys_core.generator.protocol import GenerateRequest, Task
from recsys_core.serving.batching import BatchConfig

_WARM_UP = 20
"""Requests before the clock starts: caches of the processor, allocators, lazy imports."""


def bench_generate(
    recommender: Any,
    *,
    requests: int = 300,
    batches: int = 40,
    batch: int = 32,
    beam: int = 20,
    k: int = 10,
    validity: int = 10_000,
    concurrency: int = 16,
    load_requests: int = 200,
    seed: int = 0,
    command: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure a recommender.

    Args:
        recommender: an open :class:`recsys_core.serving.recommender.Recommender`.
        requests: single requests timed for each latency.
        batches: batches timed for the throughput.
        batch: requests in a batch.
        beam: beam of the timed requests.
        k: items of the timed requests.
        validity: random requests whose every item is checked; 0 leaves the check out.
        concurrency: callers at once; 0 leaves that measurement out.
        load_requests: what they ask together.
        seed: seed of all requests.
        command: command line for the context.
        progress: told how far the work is.
    """
    recommender.warm()
    make = _Maker(recommender, np.random.default_rng(seed), beam, k)
    known = make.instructions(48)
    recommender.recommend([make.request(text) for text in known])  # so that their vectors are in memory
    fresh = make.fresh_instructions(requests, known)

    seen = _latencies(recommender, [make.request(t) for t in make.drawn(known, requests)], "one request", progress)
    no_filter = [make.request(t, filtered=False) for t in make.drawn(known, requests)]
    plain = _latencies(recommender, no_filter, "one request, no filter", progress)
    first = _latencies(recommender, [make.request(t) for t in fresh], "new instruction", progress)
    groups = [[make.request(t) for t in make.drawn(known, batch)] for _ in range(batches)]
    rate = _throughput(recommender, groups, progress)
    memory = peak_memory_mb()
    many = [make.request(t) for t in make.drawn(known, load_requests)] if concurrency else []

    figures = {
        **percentiles(seen, "latency_ms"),
        **percentiles(plain, "latency_no_filter_ms"),
        **percentiles(first, "latency_new_instruction_ms"),
        f"requests_per_s_batch{batch}": round(rate, 1),
        "peak_memory_mb": round(memory, 1),
    }
    if many:
        # as the API does it: calls that meet are answered together
        figures |= load(recommender.joined(BatchConfig()), many, concurrency, progress)
    figures["degraded"] = sum(result.degraded for result in recommender.recommend(groups[0]))
    detail: dict[str, Any] = {
        "generator": recommender.generator,
        "beam": beam,
        "k": k,
        "requests": requests,
        "batches": batches,
        "batch": batch,
    }
    if validity:
        found = check_validity(recommender, recommender.log, requests=validity, seed=seed, progress=progress)
        figures |= {
            "random_requests": found.requests,
            "invalid_items": found.invalid_items,
            "short_lists": found.short_lists,
            "unsorted_lists": found.unsorted_lists,
        }
        detail["validity"] = found.model_dump(mode="json")
    return Report(
        figures=figures,
        context=make_context(seed=seed, release=recommender.release.id, command=command),
        detail=detail,
    )


class _Maker:
    """Makes the timed requests: a random user, a random task, a text, and a filter that leaves something."""

    def __init__(self, recommender: Any, rng: np.random.Generator, beam: int, k: int) -> None:
        self.catalogue = recommender.catalogue
        self.log = recommender.log
        self.rng = rng
        self.beam = beam
        self.k = k

    def request(self, instruction: str, *, filtered: bool = True) -> GenerateRequest:
        ids = self.catalogue.ids
        history = [ids[i] for i in self.log.sequence(int(self.rng.integers(self.log.n_users)))]
        tasks = list(Task)
        return GenerateRequest(
            task=tasks[int(self.rng.integers(len(tasks)))],
            instruction=instruction,
            history=history,
            filter=simple_filter(self.catalogue, self.rng) if filtered and self.catalogue.fields else None,
            k=self.k,
            beam=self.beam,
        )

    def instructions(self, count: int) -> list[str]:
        return [random_instruction(self.catalogue, self.rng) for _ in range(count)]

    def fresh_instructions(self, count: int, known: Sequence[str]) -> list[str]:
        """Texts that were not asked before; a running number makes each one new."""
        base = [text for text in known if text.strip()] or ["something good"]
        return [f"{base[n % len(base)]}, take {n + 2}" for n in range(count)]

    def drawn(self, texts: Sequence[str], count: int) -> list[str]:
        return [texts[int(i)] for i in self.rng.integers(len(texts), size=count)]


def _latencies(
    recommender: Any, requests: Sequence[GenerateRequest], stage: str, progress: Progress | None
) -> list[float]:
    recommender.recommend(requests[:1])
    for request in requests[1:_WARM_UP:5]:
        recommender.recommend([request])
    times = []
    for number, request in enumerate(requests, 1):
        began = time.perf_counter()
        recommender.recommend([request])
        times.append(1_000 * (time.perf_counter() - began))
        if progress is not None and number % 50 == 0:
            progress(stage, number, len(requests))
    return times


def _throughput(recommender: Any, groups: Sequence[Sequence[GenerateRequest]], progress: Progress | None) -> float:
    recommender.recommend(groups[0])
    seconds = 0.0
    for number, group in enumerate(groups, 1):
        began = time.perf_counter()
        recommender.recommend(group)
        seconds += time.perf_counter() - began
        if progress is not None:
            progress("batches", number, len(groups))
    return sum(len(group) for group in groups) / seconds


def peak_memory_mb() -> float:
    """Most memory this process ever held, in MB (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
