"""Small models over random semantic IDs, cheap enough to be compared with brute force."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.generator.compact import CompactGenerator, make_model
from recsys_core.generator.config import CompactConfig


class Small(NamedTuple):
    generator: CompactGenerator
    sids: np.ndarray
    hybrid: bool


def make_small(
    seed: int, n_items: int, *, hybrid: bool, levels: int = 2, codes: int = 4, content_width: int = 128
) -> Small:
    """A random, untrained generator: its weights are made larger so that its probabilities differ."""
    rng = np.random.default_rng(seed)
    prefix = rng.integers(codes, size=(n_items, levels))
    last = np.arange(n_items)[:, None] if hybrid else _ranks(prefix)[:, None]
    sids = np.concatenate([prefix, last], axis=1).astype(np.int32)
    text = rng.normal(size=(n_items, 12)).astype(np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    config = CompactConfig(width=16, wish_width=8, window=6, dropout=0.0, content_width=content_width)
    model = make_model(config, sids, text, hybrid=hybrid, seed=seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)

    def encode(sentences):
        rows = [np.random.default_rng(abs(hash(s)) % 2**32).normal(size=12) for s in sentences]
        return np.asarray(rows, dtype=np.float32)

    return Small(CompactGenerator(model, ConstraintIndex.build(sids), encode), sids, hybrid)


def _ranks(prefix: np.ndarray) -> np.ndarray:
    seen: dict[tuple[int, ...], int] = {}
    ranks = []
    for row in map(tuple, prefix.tolist()):
        ranks.append(seen.get(row, 0))
        seen[row] = ranks[-1] + 1
    return np.array(ranks)
