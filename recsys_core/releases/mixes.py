"""The stage of a build that chooses, on validation, how a generator family is mixed with its partners."""

from __future__ import annotations

import numpy as np

from recsys_core.baselines.item_cf import ItemCF
from recsys_core.baselines.nearest import Nearest
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.splits import Split
from recsys_core.generator.compact import EncodeTexts
from recsys_core.generator.family import AnyFamily
from recsys_core.generator.fits import WordFits
from recsys_core.generator.prepare import centred, prepare_sampler
from recsys_core.ranking.fit import fit_mixes, validation_cases
from recsys_core.releases.stages import Stage


def fit_serving(
    stage: Stage,
    file: str,
    family: AnyFamily,
    catalogue: Catalogue,
    split: Split,
    encode_texts: EncodeTexts,
    seed: int,
) -> dict[str, float]:
    """Fit the mix of every task and write it.

    Args:
        stage: of a build whose vectors, partners and generator are there.
        file: name of the file to write.
        family: generates.
        catalogue: the items.
        split: leave-last-out; only training items and validation targets are read.
        encode_texts: sentence encoder of instructions.
        seed: of the choice among conditions and wordings.

    Returns:
        The partners' weights by task.
    """
    text = np.load(stage.folder / "text_vectors.npy")
    prepared = prepare_sampler(catalogue, split, text, seed=seed)
    users = split.users
    last = split.log.offsets[1:][users]
    cases = validation_cases(
        [split.validation_history(int(u)) for u in users],
        split.validation_items,
        split.log.timestamps[last - 2],
        prepared.sampler,
        prepared.top_attribute,
        seed,
    )
    fits = WordFits.load(stage.folder / "generator", centred(text), encode_texts)
    nearest = Nearest(np.load(stage.folder / "item_vectors.npy"))
    serving = fit_mixes(family, fits, ItemCF.load(stage.folder / "item_cf.npz"), nearest, cases)
    (stage.folder / file).write_text(serving.model_dump_json(indent=2) + "\n", encoding="utf-8")
    weights = {f"item_cf_weight.{task.value}": mix.item_cf for task, mix in serving.mixes.items()}
    return weights | {f"vectors_weight.{task.value}": mix.vectors for task, mix in serving.mixes.items()}
