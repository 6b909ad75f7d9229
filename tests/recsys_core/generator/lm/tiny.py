"""A tiny language model over synthetic data, cheap enough to be compared with brute force."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from recsys_core.catalog.splits import leave_last_out
from recsys_core.catalog.synth import synthetic
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.generator.lm.config import LmConfig
from recsys_core.generator.lm.data import LmData, prepare
from recsys_core.generator.lm.generator import LmGenerator
from recsys_core.generator.lm.model import LmModel
from recsys_core.generator.lm.train import make_lm
from recsys_core.generator.lm.vocabulary import LmVocabulary
from recsys_core.generator.prepare import centred
from recsys_core.generator.trie import TrieTensors
from recsys_core.sids.layouts import SidConfig, make_tokenizer
from recsys_core.sids.residual_kmeans import ResidualKMeansConfig

CONFIG = LmConfig(width=16, heads=2, feed_forward=32, text_tokens=400, text_limit=12, window=8, dropout=0.1)


class World(NamedTuple):
    catalogue: object
    split: object
    model: LmModel
    vocabulary: LmVocabulary
    data: LmData
    index: ConstraintIndex
    trie: TrieTensors
    sids: np.ndarray

    def generator(self) -> LmGenerator:
        return LmGenerator(self.model.fold(), self.vocabulary, self.index)


def vectors(texts, width=16):
    """Words as counts of hashed words: items that share words are near one another."""
    rows = np.zeros((len(texts), width), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().replace(",", " ").replace(".", " ").split():
            rows[row, sum(map(ord, word)) % width] += 1
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def make_world(layout="hybrid", *, levels=1, n_items=60, n_users=80, noise=0.0, **config) -> World:
    catalogue, log = synthetic(n_items=n_items, n_users=n_users, seed=3)
    split = leave_last_out(log)
    content = vectors(catalogue.texts)
    codes = ResidualKMeansConfig(levels=levels, items_per_code=8) if layout == "hybrid" else None
    sids = make_tokenizer(SidConfig(layout=layout, codes=codes)).fit(centred(content))
    shape = CONFIG.model_copy(update=config)
    hybrid = layout == "hybrid"
    prepared = prepare(catalogue, split, content, sids, shape, hybrid=hybrid, seed=0, validate_users=40)
    words = prepared.data.words_of_items()
    model = make_lm(shape, prepared.vocabulary.layout, sids, centred(content), seed=0, words=words)
    if noise:
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad and parameter.ndim:
                    parameter.add_(torch.randn_like(parameter) * noise)
    index = ConstraintIndex.build(sids)
    trie = TrieTensors.from_index(index, hybrid=hybrid)
    return World(catalogue, split, model, prepared.vocabulary, prepared.data, index, trie, sids)
