"""How the generator is trained, under the same tuner: as little training work as possible at no loss of quality."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.splits import leave_last_out
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.durable import digest, sha256_file
from recsys_core.generator.compact import CompactGenerator, make_model
from recsys_core.generator.config import CompactConfig, TrainConfig
from recsys_core.generator.family import Rules
from recsys_core.generator.prepare import centred, prepare_training
from recsys_core.generator.train import train
from recsys_core.generator.trie import TrieTensors
from recsys_core.metrics import ndcg_at, target_ranks
from recsys_core.releases.release import MANIFEST, Release
from recsys_core.serving.plan import AS_BUILT
from recsys_core.serving.recommender import Recommender
from recsys_core.sids.config import SidConfig
from recsys_core.sids.layouts import make_tokenizer
from recsys_core.sids.residual_kmeans import ResidualKMeansConfig
from recsys_core.tuning.measurement import Measurement, PairedTime, SplitName
from recsys_core.tuning.space import Config, Knob, Space

K = 10
"""Cut-off of NDCG."""


def training_space(rates: tuple[float, ...] = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3), epochs: int = 20) -> Space:
    """What may be changed of a training.

    Args:
        rates: learning rates; the middle one is the reference.
        epochs: of the reference; more aren't tried.
    """
    shorter = tuple(sorted({max(1, epochs // 4), max(1, epochs // 2), max(1, 3 * epochs // 4), epochs}))
    return Space(
        (
            Knob("learning_rate", rates, "rebuild", meaning="highest rate of the cosine schedule"),
            Knob("dropout", (0.0, 0.1, 0.2, 0.3, 0.5), "rebuild", meaning="share of activations left out"),
            Knob("weight_decay", (0.0, 0.03, 0.1, 0.3), "rebuild", meaning="of the transformer"),
            Knob("items_a_code", (8, 16, 32, 64), "rebuild", meaning="layout of the semantic IDs: items behind a code"),
            Knob("epochs", shorter, "rebuild", meaning="times that all histories are read"),
        ),
        {
            "learning_rate": rates[len(rates) // 2],
            "dropout": 0.2,
            "weight_decay": 0.1,
            "items_a_code": 32,
            "epochs": epochs,
        },
    )


@dataclass(frozen=True)
class TrainingSource:
    """Opens a :class:`TrainingSystem` on a release's data."""

    release: Path
    model: CompactConfig
    recipe: TrainConfig

    def open(self) -> TrainingSystem:
        """Open it."""
        return TrainingSystem(self)


class TrainingSystem:
    """See :class:`recsys_core.tuning.measurement.MeasuredSystem`.

    Quality is NDCG@10 of the generator alone: on the last item but one of two halves of the people for ``tune`` and
    ``validate``, on everybody's last one for ``test``. Cost is counted: positions read in training times parameters.

    Args:
        source: data and recipe.
    """

    def __init__(self, source: TrainingSource) -> None:
        self.source = source
        release = Release(source.release)
        self.base = Recommender.open(release, plan=AS_BUILT)
        rate = source.recipe.learning_rate
        self.space = training_space((rate / 4, rate / 2, rate, 2 * rate, 4 * rate), source.recipe.epochs)
        self.parts = leave_last_out(self.base.log)
        self.text: NDArray[np.float32] = np.load(release.text_vectors)
        self._manifest = sha256_file(release.path / MANIFEST)

    def fingerprint(self) -> str:
        """Of data and recipe."""
        return digest("training", self._manifest, self.source.model.model_dump(), self.source.recipe.model_dump())[:16]

    def paired(self, config: Config, blocks: int) -> PairedTime | None:
        """None: training twice to time it is no measurement anybody wants."""
        return None

    def measure(self, config: Config, split: SplitName) -> Measurement:
        """Train, and rank."""
        began = time.perf_counter()
        recipe = self.source.recipe.model_copy(
            update={
                "learning_rate": config["learning_rate"],
                "weight_decay": config["weight_decay"],
                "epochs": config["epochs"],
                "patience": config["epochs"],
            }
        )
        shape = self.source.model.model_copy(update={"dropout": config["dropout"]})
        codes = ResidualKMeansConfig(levels=1, items_per_code=int(config["items_a_code"]))
        sids = make_tokenizer(SidConfig(codes=codes)).fit(centred(self.text))
        index = ConstraintIndex.build(sids, self.base.catalogue.ids)
        counts = np.load(self.base.release.popularity)
        model = make_model(shape, sids, centred(self.text), hybrid=True, seed=recipe.seed, counts=counts)
        data = prepare_training(
            self.base.catalogue,
            self.parts,
            self.text,
            self.base.text.encode_texts,
            seed=recipe.seed,
            validate_users=recipe.validate_users,
        )
        with tempfile.TemporaryDirectory() as folder:
            epochs = train(model, TrieTensors.from_index(index, hybrid=True), data, recipe, Path(folder))
        quality = self._quality(CompactGenerator(model, index, self.base.text.encode_texts), split)
        parameters = float(sum(p.numel() for p in model.parameters()))
        positions = float(len(epochs) * len(self.parts.train_items))
        return Measurement(
            quality={"generator": quality},
            work={"positions": positions, "parameters": parameters},
            stage_us={"training": positions * parameters / 1e6},
            cost_us=positions * parameters / 1e6,
            answers=digest(quality)[:16],
            seconds=time.perf_counter() - began,
            rebuilt=True,
        )

    def _quality(self, generator: CompactGenerator, split: SplitName) -> list[float]:
        users = self.parts.users
        order = np.random.default_rng(7).permutation(len(users))
        cut = len(order) // 2
        places = np.sort({"tune": order[:cut], "validate": order[cut:], "test": order}[split])
        held_out = self.parts.test_items if split == "test" else self.parts.validation_items
        past = self.parts.test_history if split == "test" else self.parts.validation_history
        histories = [past(int(users[place])) for place in places]
        allowed = np.ones((len(places), len(self.base.catalogue)), dtype=np.bool_)
        for row, history in enumerate(histories):
            allowed[row, history] = False
        encoded = generator.encode(histories, [""] * len(histories))
        widths = np.full(len(histories), 20, dtype=np.int64)
        found, _ = generator.search(encoded, Rules(allowed), widths, K)
        lists = np.full((len(places), K), -1, dtype=np.int64)
        lists[:, : found.items.shape[1]] = found.items[:, :K]
        values: Any = ndcg_at(target_ranks(lists, held_out[places]), K)
        return [float(value) for value in values]
