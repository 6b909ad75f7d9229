"""The language model trained on histories alone, without instructions and words: an ablation, a row in comparisons."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from recsys_core.baselines.protocol import FitData
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import DataError
from recsys_core.generator.data import PLAIN, InstructionSampler, Sequences
from recsys_core.generator.lm.config import LmConfig, LmTrainConfig
from recsys_core.generator.lm.data import LmData, make_vocabulary
from recsys_core.generator.lm.generator import LmGenerator, folded_vocabulary
from recsys_core.generator.lm.train import make_lm, train
from recsys_core.generator.prepare import centred
from recsys_core.generator.trie import TrieTensors


def fit_histories(
    data: FitData, config: LmConfig, train_config: LmTrainConfig, *, hybrid: bool, folder: Path | None = None
) -> LmGenerator:
    """Train on item sequences and content vectors.

    Args:
        data: with semantic IDs.
        config: shape.
        train_config: recipe; its shares of instructions and words don't count.
        hybrid: whether the last level of the semantic IDs is the item's own token.
        folder: for checkpoints; a temporary one when left out.

    Raises:
        DataError: the data has no semantic IDs.
    """
    if data.sids is None:
        raise DataError("the language model needs semantic IDs; fit a SID tokenizer first")
    vocabulary = make_vocabulary(config, data.sids, hybrid=hybrid, texts=[])
    nothing = np.empty(0, dtype=np.int64)
    near = np.arange(data.n_items)[:, None]
    lm_data = LmData(
        sequences=Sequences(data.offsets, data.items, np.zeros(len(data.items))),
        values=np.ones(len(data.items), dtype=np.float32),
        sampler=InstructionSampler([], nothing, np.array([PLAIN]), near),
        wordings=[],
        item_texts=[[]] * data.n_items,
        item_names=[[[]]] * data.n_items,
        top_attribute=np.full(data.n_items, -1, dtype=np.int64),
        validation_histories=data.validation_histories,
        validation_targets=data.validation_targets,
    )
    recipe = train_config.model_copy(update={"instruction_share": 0.0, "alignment_share": 0.0})
    content = centred(data.content) if data.content.shape[1] else data.content
    model = make_lm(config, vocabulary.layout, data.sids, content, seed=recipe.seed)
    index = ConstraintIndex.build(data.sids)
    with tempfile.TemporaryDirectory() as temporary:
        train(model, TrieTensors.from_index(index, hybrid=hybrid), lm_data, recipe, folder or Path(temporary))
    return LmGenerator(model.fold(), folded_vocabulary(model, vocabulary), index)
