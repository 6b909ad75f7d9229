"""Random catalogues to mask, and what building their index costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from statistics import median

import numpy as np
from numpy.typing import NDArray

from eval.bench.constraint.config import CODES
from eval.bench.generate import peak_memory_mb
from recsys_core.constraints import ConstraintIndex
from recsys_core.errors import ConfigError


def random_sids(items: int, levels: int, vocab: int, codes: str, seed: int) -> NDArray[np.uint16]:
    """Distinct random semantic IDs, ``uint16 | uint32[items, levels]``, in random order.

    Raises:
        ConfigError: an unknown way to draw, or hardly more semantic IDs than items.
    """
    if codes not in CODES:
        raise ConfigError(f"codes are drawn {' or '.join(CODES)}, not {codes!r}")
    if vocab**levels < 2 * items:
        raise ConfigError(f"{levels} levels of {vocab} tokens are too few for {items} items; raise --levels or --vocab")
    rng = np.random.default_rng(seed)
    kind = np.uint16 if vocab <= 1 << 16 else np.uint32
    shares = 1 / np.arange(1, vocab + 1)
    bounds = np.cumsum(shares) / shares.sum()
    factors = rng.integers(1, 1 << 63, levels, dtype=np.uint64) | np.uint64(1)
    table = np.empty((0, levels), dtype=kind)
    for _ in range(200):
        missing = items - len(table)
        if codes == "uniform":
            drawn = rng.integers(0, vocab, (missing, levels), dtype=kind)
        else:
            places = [bounds.searchsorted(rng.random(missing)) for _ in range(levels)]
            drawn = np.minimum(np.stack(places, axis=1), vocab - 1).astype(kind)
        table = np.concatenate([table, drawn])
        hashed = np.zeros(len(table), dtype=np.uint64)
        for column, factor in zip(table.T, factors, strict=True):
            hashed = (hashed ^ column) * factor
            hashed ^= hashed >> np.uint64(31)
        # equal rows have equal hashes; the few others that do are dropped with them
        first = np.unique(hashed, return_index=True)[1]
        if len(first) == items:
            return table
        table = table[np.sort(first)]
    raise ConfigError(f"no {items} distinct semantic IDs of {levels} levels and {vocab} tokens ({codes}); raise either")


def measure_build(items: int, levels: int, vocab: int, codes: str, seed: int, clock: str = "wall") -> dict[str, float]:
    """Build one index in a process of its own: median seconds, bytes, and the most memory the process held."""
    words = json.dumps([items, levels, vocab, codes, seed, clock])
    script = (
        f"import json; from eval.bench.constraint.catalogue import build_here; print(json.dumps(build_here(*{words})))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise ConfigError(f"building {items} items failed: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def build_here(items: int, levels: int, vocab: int, codes: str, seed: int, clock: str = "wall") -> dict[str, float]:
    """What :func:`measure_build` runs in its process."""
    table = random_sids(items, levels, vocab, codes, seed)
    now = time.perf_counter if clock == "wall" else time.process_time
    before, seconds = peak_memory_mb(), []
    for _ in range(3 if items <= 2_000_000 else 1):
        began = now()
        index = ConstraintIndex.build(table)
        seconds.append(now() - began)
    return {
        "build_s": median(seconds),
        "bytes": index.nbytes,
        "build_peak_mb": peak_memory_mb(),
        "peak_before_mb": before,
    }
