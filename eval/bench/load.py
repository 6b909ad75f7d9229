"""Many callers at once: how long each waits, and whether every answer still holds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from eval.figures import Progress, percentiles
from eval.validity import ValidityCheck
from recsys_core.errors import SidraError
from recsys_core.generator.protocol import GenerateRequest, GenerateResult


def load(
    recommender: Any, requests: Sequence[GenerateRequest], concurrency: int, progress: Progress | None = None
) -> dict[str, float]:
    """Answer requests from several threads and check each answer.

    Args:
        recommender: open; its calls may come from any thread.
        requests: what is asked, each once.
        concurrency: threads.
        progress: told how far the work is.

    Returns:
        ``load_ms_p50`` and the like, ``load_requests_per_s``, ``load_requests``, ``load_errors``,
        ``load_invalid_items``, and ``load_degraded``: answers that another engine gave.
    """
    check = ValidityCheck(recommender.catalogue)
    done: list[tuple[float, GenerateRequest, GenerateResult | None]] = []

    def one(request: GenerateRequest) -> None:
        began = time.perf_counter()
        try:
            (result,) = recommender.recommend([request])
        except SidraError:
            result = None
        done.append((1_000 * (time.perf_counter() - began), request, result))
        if progress is not None and len(done) % 25 == 0:
            progress(f"{concurrency} at once", len(done), len(requests))

    began = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as threads:
        list(threads.map(one, requests))
    seconds = time.perf_counter() - began
    answers = [(request, result) for _, request, result in done if result is not None]
    for request, result in answers:
        check(request, result)
    return {
        **percentiles([ms for ms, _, _ in done], "load_ms"),
        "load_requests_per_s": round(len(done) / seconds, 1),
        "load_requests": len(done),
        "load_errors": len(done) - len(answers),
        "load_invalid_items": check.found.invalid_items,
        "load_degraded": sum(result.degraded for _, result in answers),
    }
