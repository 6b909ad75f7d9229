"""Training of the compact generator on what is left when items are withheld, as a build trains it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from eval.cold_items import Layout, Trained, WarmData
from recsys_core.baselines.popularity import popularity
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.splits import Split
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.generator.compact import make_model
from recsys_core.generator.config import CompactConfig, TrainConfig
from recsys_core.generator.data import Sequences
from recsys_core.generator.prepare import EncodeTexts, centred, prepare_sampler
from recsys_core.generator.train import EpochReport, TrainingData, train
from recsys_core.generator.trie import TrieTensors
from recsys_core.sids.config import SidConfig
from recsys_core.sids.layouts import make_tokenizer


def compact_trainer(
    catalogue: Catalogue,
    encode_texts: EncodeTexts,
    folder: Path,
    *,
    shape: CompactConfig | None = None,
    settings: TrainConfig | None = None,
    tell: Callable[[Layout, EpochReport], None] | None = None,
) -> Callable[[WarmData, Layout], Trained]:
    """What :func:`eval.cold_items.cold_items` calls once a layout.

    Args:
        catalogue: the whole one; instructions are made from its warm items only.
        encode_texts: sentence encoder of instructions.
        folder: for checkpoints, one folder a layout in it; training that was interrupted goes on.
        shape: of the model.
        settings: of the training.
        tell: hears about each epoch.
    """
    shape, settings = shape or CompactConfig(), settings or TrainConfig()

    def run(warm: WarmData, layout: Layout) -> Trained:
        content = centred(warm.text)
        tokenizer = make_tokenizer(SidConfig(layout=layout))
        sids = tokenizer.fit(content)
        index = ConstraintIndex.build(sids)
        known = Catalogue(catalogue.frame[warm.items.tolist()], item_noun=catalogue.item_noun)
        prepared = prepare_sampler(known, _split(warm), warm.text, seed=settings.seed)
        chosen = np.arange(len(warm.validation_targets))
        if len(chosen) > settings.validate_users:
            rng = np.random.default_rng(settings.seed)
            chosen = np.sort(rng.choice(chosen, size=settings.validate_users, replace=False))
        data = TrainingData(
            sequences=Sequences(warm.offsets, warm.train_items, warm.timestamps),
            sampler=prepared.sampler,
            wordings=np.asarray(encode_texts(prepared.wordings), dtype=np.float32),
            text=warm.text,
            top_attribute=prepared.top_attribute,
            validation_histories=[warm.validation_histories[row] for row in chosen],
            validation_targets=warm.validation_targets[chosen],
        )
        counts = popularity(warm.train_items, len(warm.items))
        hybrid = layout == "hybrid"
        model = make_model(shape, sids, content, hybrid=hybrid, seed=settings.seed, counts=counts)
        trie = TrieTensors.from_index(index, hybrid=hybrid)
        train(model, trie, data, settings, folder / layout, (lambda epoch: tell(layout, epoch)) if tell else None)
        return Trained(model, index, tokenizer.quantizer)

    return run


def _split(warm: WarmData) -> Split:
    """Training parts alone: nobody is held out here, that has been done."""
    count = len(warm.train_items)
    nobody = np.empty(0, dtype=np.int64)
    log = InteractionLog(
        users=[str(user) for user in range(len(warm.offsets) - 1)],
        offsets=warm.offsets,
        items=warm.train_items,
        timestamps=warm.timestamps,
        values=np.ones(count, dtype=np.float32),
        kinds=np.zeros(count, dtype=np.int16),
        n_items=len(warm.items),
    )
    return Split(
        log=log,
        users=nobody,
        train_offsets=warm.offsets,
        train_items=warm.train_items,
        validation_items=nobody,
        test_items=nobody,
    )
