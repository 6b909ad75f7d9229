"""Processor time of two ways to do the same, taken in turns."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from recsys_core.tuning.measurement import PairedTime


def paired_time(reference: Callable[[], float], other: Callable[[], float], blocks: int) -> PairedTime:
    """Compare in blocks A B A B.

    Args:
        reference: does the work once and tells the processor seconds of a request.
        other: likewise.
        blocks: pairs, at least 2; one more goes before them unmeasured.
    """
    reference(), other()
    ratios, wall = [], 0.0
    for number in range(max(2, blocks)):
        began = time.perf_counter()
        if number % 2:
            own = other()
            wall += time.perf_counter() - began
            base = reference()
        else:
            base = reference()
            began = time.perf_counter()
            own = other()
            wall += time.perf_counter() - began
        ratios.append(np.log(max(base, 1e-9) / max(own, 1e-9)))
    mean, spread = float(np.mean(ratios)), float(np.std(ratios, ddof=1))
    half = float(stats.t.ppf(0.975, len(ratios) - 1)) * spread / np.sqrt(len(ratios))
    low, high = np.exp([mean - half, mean + half])
    return PairedTime(
        ratio=float(np.exp(mean)),
        low=float(low),
        high=float(high),
        blocks=len(ratios),
        wall_ms=1e3 * wall / len(ratios),
    )
