"""Throughput of many threads asking at once, with concurrent calls joined into batches and without."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from recsys_core.generator.protocol import GenerateRequest
from recsys_core.serving.batching import BatchConfig

ROUNDS = 6
"""Blocks of each kind; they alternate, and neighbours are compared."""


class Joined(NamedTuple):
    """Requests a second, block by block, and how large batches were."""

    alone: list[float]
    together: list[float]
    batch: float

    def figures(self, concurrency: int) -> dict[str, float]:
        """By name, with the median ratio of neighbouring blocks."""
        ratios = np.array(self.together) / np.array(self.alone)
        return {
            f"requests_per_s_alone.c{concurrency}": round(float(np.median(self.alone)), 1),
            f"requests_per_s_joined.c{concurrency}": round(float(np.median(self.together)), 1),
            f"joined_ratio.c{concurrency}": round(float(np.median(ratios)), 3),
            f"joined_batch.c{concurrency}": round(self.batch, 2),
        }


def joined_throughput(recommender: Any, requests: Sequence[GenerateRequest], concurrency: int) -> Joined:
    """Ask from many threads, each answer before the next question.

    Args:
        recommender: calls not joined.
        requests: asked in turn.
        concurrency: how many threads.
    """
    together = recommender.joined(BatchConfig())
    count = min(len(requests), 12 * concurrency)
    asked = [requests[n % len(requests)] for n in range(count)]
    rates: dict[bool, list[float]] = {False: [], True: []}
    sizes: list[int] = []
    with ThreadPoolExecutor(concurrency) as pool:
        for number in range(2 * ROUNDS + 1):
            joined = number % 2 == 1
            engine = together if joined else recommender
            began = time.perf_counter()
            answers = list(pool.map(lambda request, engine=engine: engine.recommend([request])[0], asked))
            rate = count / (time.perf_counter() - began)
            # the first block warms up
            if number:
                rates[joined].append(rate)
                if joined:
                    sizes += [answer.batch for answer in answers]
    return Joined(rates[False], rates[True], float(np.mean(sizes)))
