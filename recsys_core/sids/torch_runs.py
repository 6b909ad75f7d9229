"""Training runs that give the same bytes each time. Imports torch: import this module only where it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """One thread and a seed of its own; the caller's threads and random state are put back.

    Args:
        seed: of torch's random numbers inside.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def shuffled(items: int, batch: int) -> Iterator[Tensor]:
    """All rows once, in random order: int64[at most ``batch``] at a time."""
    order = torch.randperm(items)
    for low in range(0, items, batch):
        yield order[low : low + batch]
