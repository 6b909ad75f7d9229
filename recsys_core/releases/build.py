"""A data set becomes a release, stage by stage.

Killed at any moment, the same build goes on at its last finished stage (and inside the longest one, training, at its
last epoch). The same configuration, data and seed give the same arrays.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.baselines.item_cf import ItemCF, ItemCFConfig, tuned_item_cf
from recsys_core.baselines.popularity import popularity
from recsys_core.baselines.protocol import fit_data
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.splits import Split, leakage_check, leave_last_out
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.encoders.aligned import AlignedConfig, align
from recsys_core.encoders.alignment_pairs import AlignmentViews, rare_tags
from recsys_core.encoders.collaborative import CollaborativeConfig, CollaborativeEncoder
from recsys_core.encoders.content import content_vectors
from recsys_core.encoders.fused import FusedConfig, fuse
from recsys_core.encoders.protocol import TrainSequences
from recsys_core.encoders.text import TextEncoder, TextEncoderConfig
from recsys_core.errors import DataError
from recsys_core.generator.config import CompactConfig, TrainConfig, recipe
from recsys_core.generator.lm.config import LmBuild
from recsys_core.releases.release import Manifest, Release
from recsys_core.releases.stages import Stage, StageOutcome, StageRunner
from recsys_core.releases.store import ReleaseStore
from recsys_core.sids.layouts import SidConfig, make_tokenizer

if TYPE_CHECKING:
    from recsys_core.generator.family import AnyFamily

CODE_VERSION = 8
"""Goes up when a stage's code changes what it writes, so that half-finished builds start it anew."""


LM_STAGES = ("lm", "serving_lm")
"""Stages that only a build with a language model has."""


class BuildConfig(BaseModel):
    """Everything that decides what a build makes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: TextEncoderConfig = Field(default_factory=TextEncoderConfig)
    """Sentence encoder of item texts and instructions."""
    collaborative: CollaborativeConfig = Field(default_factory=CollaborativeConfig)
    """Item vectors from behaviour."""
    fused: FusedConfig = Field(default_factory=FusedConfig)
    """Text and behaviour side by side in one vector."""
    aligned: AlignedConfig = Field(default_factory=AlignedConfig)
    """Text brought into line with behaviour by a trained tower."""
    relations: Literal["fused", "aligned"] = "fused"
    """How item vectors join text and behaviour; they find what resembles an item and are mixed into the ranking."""
    sids: SidConfig = Field(default_factory=SidConfig)
    """Semantic IDs."""
    sid_source: Literal["text", "fused", "aligned"] = "text"
    """Vectors that semantic IDs are made of. Behaviour helps the pure layout and hurts the hybrid one a little."""
    model: CompactConfig | None = None
    """Shape of the generator; left out, :func:`~recsys_core.generator.config.recipe` chooses by the data."""
    train: TrainConfig | None = None
    """How it is trained; left out, the same."""
    lm: LmBuild | None = None
    """Language model beside the generator; left out, there is none."""
    item_cf: ItemCFConfig | None = None
    """The partner that the served ranking mixes in; left out, its settings are chosen on validation."""

    def for_data(self, positions: int, users: int) -> BuildConfig:
        """With the generator's settings filled in for training data of this size."""
        model, train = recipe(positions, users)
        return self.model_copy(update={"model": self.model or model, "train": self.train or train})


class BuildEvent(BaseModel):
    """Something to tell whoever waits for a build."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: str
    """Name of the stage."""
    kind: Literal["start", "progress", "done", "skipped"]
    """What happened."""
    detail: str = ""
    """In words."""
    fraction: float | None = None
    """Share of the stage that is done, 0 to 1."""
    seconds: float | None = None
    """How long the stage took, when it is done."""


Report = Callable[[BuildEvent], None]


def build_release(
    dataset: Path,
    store: ReleaseStore,
    config: BuildConfig | None = None,
    report: Report | None = None,
    *,
    reuse: bool = False,
) -> Release:
    """Build a release and make it the current one.

    Args:
        dataset: folder written by an import (items.parquet, interactions.parquet, dataset.json).
        store: where it goes.
        config: what to make; the defaults are the measured recipe.
        report: hears about progress.
        reuse: take over what the newest release of the same data and code has finished under the same settings.

    Raises:
        DataError: the data set is missing or can't be learned from.
        BuildError: a stage failed; the message names it. Finished stages are kept.
    """
    return _Build(dataset, store, config or BuildConfig(), report or (lambda event: None)).run(reuse)


class _Build:
    """The stages of one build, in the order in which they run."""

    def __init__(self, dataset: Path, store: ReleaseStore, config: BuildConfig, report: Report) -> None:
        self.dataset = dataset
        self.store = store
        self.config = config
        self.report = report
        try:
            self.description: dict[str, Any] = json.loads((dataset / "dataset.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{dataset} is not an imported data set ({error}); run `sidra import` first") from error
        self.encoder = TextEncoder(config.text)

    def run(self, reuse: bool) -> Release:
        log = InteractionLog.load(self.dataset / "interactions.parquet")
        split = leave_last_out(log)
        self.config = self.config.for_data(len(split.train_items), log.n_users)
        settings = self.config.model_dump(mode="json", exclude={"text": {"cache_dir"}})
        if self.config.lm is None:
            # the same build as before there were language models
            del settings["lm"]
        source = self.description.get("content_sha256", self.description)
        runner = StageRunner.for_config(self.store, CODE_VERSION, settings, source)
        # sums in another order round differently: the same number of threads throughout, or not the same bytes
        import torch

        torch.set_num_threads(self._settings.threads)
        with runner:
            earlier = self._earlier() if reuse else None
            if earlier is not None:
                names = [name for name in earlier.manifest.stages if self.config.lm or name not in LM_STAGES]
                runner.adopt(earlier, names)
            self._stage(runner, "catalogue", self._catalogue, ["catalogue.parquet", "interactions.parquet"], source)
            self.catalogue = Catalogue.load(runner.workdir / "catalogue.parquet")
            self.log = InteractionLog.load(runner.workdir / "interactions.parquet")
            self.split: Split = leave_last_out(self.log)
            train = TrainSequences(self.split.train_offsets, self.split.train_items)
            self.train = train
            c = settings
            self._stage(runner, "text_vectors", self._text, ["text_vectors.npy"], c["text"])
            self._stage(
                runner,
                "item_vectors",
                self._item_vectors,
                ["item_vectors.npy"],
                [c["collaborative"], c["fused"], c["aligned"], c["relations"]],
            )
            self._stage(runner, "sids", self._sids, ["sids.npy", "tokenizer"], [c["sids"], c["sid_source"]])
            self._stage(runner, "index", self._index, ["index"], None)
            self._stage(runner, "item_cf", self._item_cf, ["item_cf.npz", "popularity.npy"], c["item_cf"])
            self._stage(runner, "generator", self._generator, ["generator"], [c["model"], c["train"]])
            self._stage(runner, "serving", self._serving, ["serving.json"], [c["train"]["seed"]])
            self._stage(runner, "collection", self._collection, ["collection"], None)
            if self.config.lm is not None:
                self._stage(runner, "lm", self._lm, ["lm"], c["lm"])
                self._stage(runner, "serving_lm", self._serving_lm, ["serving_lm.json"], [c["train"]["seed"]])
            return self._finish(runner, settings)

    def _earlier(self) -> Release | None:
        """The newest release of this data set that this code built from start to end."""
        for info in reversed(self.store.list()):
            if info.problem is None and info.dataset == self.description.get("name"):
                release = self.store.open(info.id)
                config = release.manifest.config
                if config.get("code_version") == CODE_VERSION and "extension" not in config:
                    return release
        return None

    def _stage(
        self,
        runner: StageRunner,
        name: str,
        work: Callable[[Stage], dict[str, float] | None],
        outputs: list[str],
        inputs: Any,
    ) -> StageOutcome:
        self.report(BuildEvent(stage=name, kind="start"))
        outcome = runner.run(name, work, inputs=inputs, outputs=outputs)
        figures = ", ".join(f"{key} {value:.4g}" for key, value in outcome.record.metrics.items())
        kind: Literal["skipped", "done"] = "skipped" if outcome.skipped else "done"
        self.report(BuildEvent(stage=name, kind=kind, detail=figures, seconds=outcome.record.seconds))
        return outcome

    def _progress(self, stage: str, done: float, total: float, detail: str = "") -> None:
        self.report(BuildEvent(stage=stage, kind="progress", detail=detail, fraction=done / max(1.0, total)))

    def _catalogue(self, stage: Stage) -> dict[str, float]:
        catalogue = Catalogue.load(self.dataset / "items.parquet")
        log = InteractionLog.load(self.dataset / "interactions.parquet")
        split = leave_last_out(log)
        leakage_check(split)
        if not len(split.train_items):
            raise DataError(f"{self.dataset}: there are no interactions to learn from; import some")
        catalogue.save(stage.folder / "catalogue.parquet")
        log.save(stage.folder / "interactions.parquet")
        return {"items": len(catalogue), "users": log.n_users, "interactions": len(log)}

    def _text(self, stage: Stage) -> None:
        def tell(done: int, total: int) -> None:
            self._progress("text_vectors", done, total)

        vectors = content_vectors(self.catalogue, self.encoder, progress=tell)
        # items without words have vectors made of tags, narrower than sentences; zeros change no cosine
        missing = self.encoder.dimensions - vectors.shape[1]
        np.save(stage.folder / "text_vectors.npy", np.pad(vectors, ((0, 0), (0, max(0, missing)))))

    def _item_vectors(self, stage: Stage) -> None:
        np.save(stage.folder / "item_vectors.npy", self._joined(stage, self.config.relations))

    def _joined(self, stage: Stage, kind: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Text and behaviour in one vector an item."""
        text = self._load(stage, "text_vectors")
        behaviour = CollaborativeEncoder(self.config.collaborative).encode(self.catalogue, self.train)
        if kind == "fused":
            return fuse(text, behaviour, self.config.fused)
        views = AlignmentViews(tags=rare_tags(self.catalogue), collaborative=behaviour)
        return align(text, self.train, views, self.config.aligned, seed=self._settings.seed)

    def _sids(self, stage: Stage) -> dict[str, float]:
        from recsys_core.generator.prepare import centred

        source = self.config.sid_source
        if source == "text":
            vectors = centred(self._load(stage, "text_vectors"))
        else:
            same = source == self.config.relations
            vectors = self._load(stage, "item_vectors") if same else self._joined(stage, source)
        tokenizer = make_tokenizer(self.config.sids)
        sids = tokenizer.fit(vectors)
        quality = tokenizer.quality()
        quality.check(self.config.sids.thresholds)
        tokenizer.save(stage.folder / "tokenizer")
        np.save(stage.folder / "sids.npy", sids)
        return {f"sid.{name}": value for name, value in quality.figures().items()}

    def _index(self, stage: Stage) -> None:
        index = ConstraintIndex.build(np.load(stage.folder / "sids.npy"), self.catalogue.ids)
        index.save(stage.folder / "index")

    def _item_cf(self, stage: Stage) -> dict[str, float]:
        n_items = len(self.catalogue)
        np.save(stage.folder / "popularity.npy", popularity(self.split.train_items, n_items))
        data = fit_data(self.split, np.empty((n_items, 0), dtype=np.float32))
        if self.config.item_cf is not None or not len(data.validation_targets):
            ItemCF.fit_data(data, self.config.item_cf).save(stage.folder / "item_cf.npz")
            return {}

        def tell(detail: str, done: int, total: int) -> None:
            self._progress("item_cf", done, total, detail)

        choice = tuned_item_cf(data, tell)
        choice.scorer.save(stage.folder / "item_cf.npz")
        return {"validation_ndcg@10": choice.ndcg, "tried": len(choice.tried)}

    def _generator(self, stage: Stage) -> dict[str, float]:
        from recsys_core.generator.compact import make_model, save_model
        from recsys_core.generator.prepare import centred, prepare_training
        from recsys_core.generator.train import EpochReport, train
        from recsys_core.generator.trie import TrieTensors

        text = self._load(stage, "text_vectors")
        hybrid = self.config.sids.layout == "hybrid"
        settings = self._settings
        model = make_model(
            self._shape,
            np.load(stage.folder / "sids.npy"),
            centred(text),
            hybrid=hybrid,
            seed=settings.seed,
            counts=np.load(stage.folder / "popularity.npy"),
        )
        data = prepare_training(
            self.catalogue,
            self.split,
            text,
            lambda texts: self.encoder.encode_texts(texts),
            seed=settings.seed,
            validate_users=settings.validate_users,
        )
        trie = TrieTensors.from_index(ConstraintIndex.load(stage.folder / "index"), hybrid=hybrid)

        def tell(epoch: EpochReport) -> None:
            words = f"epoch {epoch.epoch}/{epoch.epochs}, loss {epoch.loss:.3f}, validation NDCG@10 {epoch.ndcg:.4f}"
            self._progress("generator", epoch.epoch, epoch.epochs, words)

        reports = train(model, trie, data, settings, stage.scratch, tell)
        save_model(model, stage.folder / "generator")
        kept = next(r for r in reversed(reports) if r.kept)
        return {
            "epochs": len(reports),
            "kept_epoch": kept.epoch,
            "validation_recall@10": kept.recall,
            "validation_ndcg@10": kept.ndcg,
            "parameters": sum(p.numel() for p in model.parameters()),
        }

    def _serving(self, stage: Stage) -> dict[str, float]:
        from recsys_core.generator.compact import CompactGenerator
        from recsys_core.generator.prepare import centred

        generator = CompactGenerator.load(
            stage.folder / "generator",
            np.load(stage.folder / "sids.npy"),
            centred(self._load(stage, "text_vectors")),
            ConstraintIndex.load(stage.folder / "index"),
            self.encoder.encode_texts,
        )
        return self._fit_serving(stage, "serving.json", generator)

    def _lm(self, stage: Stage) -> dict[str, float]:
        from recsys_core.releases.language_model import train_language_model

        assert self.config.lm is not None
        hybrid = self.config.sids.layout == "hybrid"

        def tell(epoch: int, epochs: int, words: str) -> None:
            self._progress("lm", epoch, epochs, words)

        return train_language_model(stage, self.catalogue, self.split, self.config.lm, hybrid=hybrid, tell=tell)

    def _serving_lm(self, stage: Stage) -> dict[str, float]:
        from recsys_core.generator.lm.generator import LmGenerator

        generator = LmGenerator.load(stage.folder / "lm", ConstraintIndex.load(stage.folder / "index"))
        return self._fit_serving(stage, "serving_lm.json", generator)

    def _fit_serving(self, stage: Stage, file: str, family: AnyFamily) -> dict[str, float]:
        from recsys_core.releases.mixes import fit_serving

        seed = self._settings.seed
        return fit_serving(stage, file, family, self.catalogue, self.split, self.encoder.encode_texts, seed)

    def _collection(self, stage: Stage) -> None:
        from recsys_core.serving.vector_store import ChromaStore

        collection = ChromaStore(self.catalogue, stage.folder / "collection")
        collection.add(self.catalogue.ids, self._load(stage, "text_vectors"))
        collection.close()

    def _finish(self, runner: StageRunner, settings: dict[str, Any]) -> Release:
        now = datetime.now(UTC)
        name = f"{now:%Y%m%d-%H%M%S}-{runner.workdir.name[:8]}"
        metrics = {f"{s}.{k}": v for s, record in runner.records.items() for k, v in record.metrics.items()}
        manifest = Manifest(
            id=name,
            created=now.isoformat(timespec="seconds"),
            dataset=self.description,
            config={**settings, "split": "leave_last_out", "code_version": CODE_VERSION},
            metrics=metrics,
            item_count=len(self.catalogue),
        )
        return runner.finish(manifest)

    @property
    def _settings(self) -> TrainConfig:
        assert self.config.train is not None  # filled in by `for_data` before the first stage
        return self.config.train

    @property
    def _shape(self) -> CompactConfig:
        assert self.config.model is not None
        return self.config.model

    @staticmethod
    def _load(stage: Stage, name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        array: np.ndarray[Any, np.dtype[np.float32]] = np.load(stage.folder / f"{name}.npy")
        return array
