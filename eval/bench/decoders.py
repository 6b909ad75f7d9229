"""The ordinary and the lazy decoder of the ``lm`` family, trained beside one another on a release's own histories.

Both have the same layers, data, seed and recipe; only ``lazy_layers`` differs. Semantic IDs are of three levels (two
codes and the item), so that a beam has depth; they are made anew from the release's item vectors.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from eval.figures import Progress
from recsys_core.baselines.protocol import fit_data
from recsys_core.catalog.splits import Split
from recsys_core.generator.lm.config import LmConfig, LmTrainConfig

if TYPE_CHECKING:
    from recsys_core.generator.lm.generator import LmGenerator

LAYERS = 3
LAZY = 2
"""Two thirds of the layers, as the paper found best."""

CODES = 16
"""Codes on each of the two levels: some hundred prefixes, of which a beam keeps a part."""

USERS = 300
"""Users that training is validated on."""


class Decoders(NamedTuple):
    """Both, trained."""

    ordinary: LmGenerator
    lazy: LmGenerator


def fit_decoders(
    recommender: Any, split: Split, folder: Path, *, epochs: int, seed: int, progress: Progress | None = None
) -> Decoders:
    """Train both, or take up what an earlier call left in the folder.

    Args:
        recommender: of the release.
        split: of its interactions.
        folder: for checkpoints; one for each release, seed and number of epochs.
        epochs: passes over the training histories.
        seed: of initial weights, batches and codebooks.
        progress: told before each training.
    """
    from recsys_core.sids.layouts import SidConfig, make_tokenizer
    from recsys_core.sids.residual_kmeans import ResidualKMeansConfig

    codes = ResidualKMeansConfig(levels=2, codes=CODES, seed=seed)
    vectors = np.asarray(recommender.scorer.item_vectors)
    sids = make_tokenizer(SidConfig(layout="hybrid", codes=codes)).fit(vectors)
    content = np.load(recommender.release.text_vectors)
    generators = []
    for number, lazy_layers in enumerate((0, LAZY)):
        if progress is not None:
            progress("training decoders", number, 2)
        generators.append(_fit(split, content, sids, lazy_layers, folder / f"lazy-{lazy_layers}", epochs, seed))
    return Decoders(*generators)


def _fit(split: Split, content: Any, sids: Any, lazy_layers: int, folder: Path, epochs: int, seed: int) -> LmGenerator:
    from dataclasses import replace

    from recsys_core.generator.lm.histories import fit_histories

    data = fit_data(split, content, sids)
    if len(data.validation_targets) > USERS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(data.validation_targets), USERS, replace=False))
        histories = [data.validation_histories[n] for n in chosen.tolist()]
        data = replace(data, validation_histories=histories, validation_targets=data.validation_targets[chosen])
    shape = LmConfig(layers=LAYERS, lazy_layers=lazy_layers)
    recipe = LmTrainConfig(epochs=epochs, seed=seed, threads=1)
    return fit_histories(data, shape, recipe, hybrid=True, folder=folder)
