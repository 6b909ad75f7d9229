"""The stage of a build that trains the language model: same data, instructions and semantic IDs as compact."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.splits import Split
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.generator.lm.config import LmBuild
from recsys_core.releases.stages import Stage


def train_language_model(
    stage: Stage,
    catalogue: Catalogue,
    split: Split,
    settings: LmBuild,
    *,
    hybrid: bool,
    tell: Callable[[int, int, str], None],
) -> dict[str, float]:
    """Train on what earlier stages wrote and save ``lm/`` in transformers layout; goes on at its last epoch.

    Args:
        stage: of a build whose vectors, semantic IDs and index are there.
        catalogue: the items.
        split: leave-last-out; only training items and validation targets are read.
        settings: shape and recipe.
        hybrid: whether the last level of a semantic ID is the item's own token.
        tell: hears (epoch, epochs, in words).

    Returns:
        Epochs and validation figures, of the model alone and without instructions.

    Raises:
        ConfigError: the pretrained model can't be used.
        BuildError: the loss is not a number.
    """
    from recsys_core.generator.lm.data import prepare
    from recsys_core.generator.lm.generator import save_lm
    from recsys_core.generator.lm.train import LmEpochReport, make_lm, train
    from recsys_core.generator.prepare import centred
    from recsys_core.generator.trie import TrieTensors

    text = np.load(stage.folder / "text_vectors.npy")
    sids = np.load(stage.folder / "sids.npy")
    shape, recipe = settings.model, settings.train
    prepared = prepare(
        catalogue, split, text, sids, shape, hybrid=hybrid, seed=recipe.seed, validate_users=recipe.validate_users
    )
    words = prepared.data.words_of_items()
    model = make_lm(shape, prepared.vocabulary.layout, sids, centred(text), seed=recipe.seed, words=words)
    trie = TrieTensors.from_index(ConstraintIndex.load(stage.folder / "index"), hybrid=hybrid)

    def report(epoch: LmEpochReport) -> None:
        words = f"epoch {epoch.epoch}/{epoch.epochs}, loss {epoch.loss:.3f}, validation NDCG@10 {epoch.ndcg:.4f}"
        tell(epoch.epoch, epoch.epochs, words)

    reports = train(model, trie, prepared.data, recipe, stage.scratch, report)
    save_lm(model, prepared.vocabulary, stage.folder / "lm")
    kept = next(r for r in reversed(reports) if r.kept)
    return {
        "epochs": len(reports),
        "kept_epoch": kept.epoch,
        "validation_recall@10": kept.recall,
        "validation_ndcg@10": kept.ndcg,
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }
