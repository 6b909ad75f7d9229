"""A release plus new items is a new release, without training.

What the release knew stays: item indices, semantic IDs and every learned weight. New items are encoded, given several
semantic IDs and rows of their own (:mod:`recsys_core.generator.cold`); behaviour they have none, so popularity and
item-CF know them with zeros until the next build.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.baselines.item_cf import ItemCF
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.importer.mapping import ColumnMapping
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.splits import leave_last_out
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.durable import sha256_file
from recsys_core.encoders.content import has_words
from recsys_core.encoders.text import TextEncoder, TextEncoderConfig, item_description
from recsys_core.errors import ReleaseError
from recsys_core.generator.cold import ColdConfig
from recsys_core.releases.added import EXTENSION, Extension, release_content, trained_items
from recsys_core.releases.build import CODE_VERSION, BuildEvent, Report
from recsys_core.releases.new_items import joined, read_new_items
from recsys_core.releases.release import Manifest, Release
from recsys_core.releases.stages import Stage, StageRunner
from recsys_core.releases.store import ReleaseStore

Floats = NDArray[np.float32]


class ExtendConfig(BaseModel):
    """How new items are taken in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: TextEncoderConfig | None = None
    """Sentence encoder, when the cache is elsewhere; its model must be the release's own, which is the default."""
    cold: ColdConfig = Field(default_factory=ColdConfig)
    """Learned vectors and paths of the new items."""


def extend_release(
    store: ReleaseStore,
    items: Path,
    mapping: ColumnMapping | None = None,
    config: ExtendConfig | None = None,
    *,
    release: Release | None = None,
    report: Report | None = None,
) -> Release:
    """Add the items of a file to a release; the new release becomes the current one in one step.

    Args:
        store: where releases lie.
        items: CSV, TSV, JSON Lines or Parquet, columns as for an import.
        mapping: which column holds what.
        config: how items are taken in.
        release: to extend; the current one by default.
        report: hears about progress.

    Raises:
        DataError: the file can't be used; names the row or column. Nothing was added.
        ReleaseError: there is no release, or a part of it is damaged.
    """
    parent = release or store.open()
    return _Extension(
        store, parent, Path(items), mapping or ColumnMapping(), config or ExtendConfig(), report or (lambda event: None)
    ).run()


class _Extension:
    """The stages of one extension, in the order in which they run."""

    def __init__(
        self,
        store: ReleaseStore,
        parent: Release,
        items: Path,
        mapping: ColumnMapping,
        config: ExtendConfig,
        report: Report,
    ) -> None:
        self.store, self.parent, self.items, self.config, self.report = store, parent, items, config, report
        self.old = Catalogue.load(parent.catalogue)
        if not has_words(self.old):
            raise ReleaseError(
                f"the items of release {parent.id} have neither titles nor texts, so nothing says what new ones are "
                "like; import them with their interactions and run `sidra build`"
            )
        self.new = read_new_items(items, mapping, self.old)
        self.catalogue = joined(self.old, self.new)
        stored = parent.manifest.config.get("text", {})
        self.encoder = TextEncoder(config.text or TextEncoderConfig.model_validate(stored))

    def run(self) -> Release:
        settings = self.config.cold.model_dump(mode="json")
        source = [self.parent.id, sha256_file(self.items), self.new.frame.write_json()]
        runner = StageRunner.for_config(self.store, CODE_VERSION, EXTENSION, settings, source)
        with runner:
            self._stage(runner, "catalogue", self._catalogue, ["catalogue.parquet", "interactions.parquet"], source)
            self._stage(runner, "text_vectors", self._text, ["text_vectors.npy"], None)
            self._stage(runner, "item_vectors", self._item_vectors, ["item_vectors.npy"], settings)
            outputs = ["sids.npy", "tokenizer", "index", "generator"]
            self._stage(runner, "generator", self._generator, outputs, settings)
            self._stage(runner, "item_cf", self._item_cf, ["item_cf.npz", "popularity.npy"], None)
            self._stage(runner, "serving", self._serving, ["serving.json"], None)
            self._stage(runner, "collection", self._collection, ["collection"], None)
            return self._finish(runner)

    def _stage(
        self,
        runner: StageRunner,
        name: str,
        work: Callable[[Stage], dict[str, float] | None],
        outputs: list[str],
        inputs: Any,
    ) -> None:
        self.report(BuildEvent(stage=name, kind="start"))
        outcome = runner.run(name, work, inputs=inputs, outputs=outputs)
        kind = "skipped" if outcome.skipped else "done"
        self.report(BuildEvent.model_validate({"stage": name, "kind": kind, "seconds": outcome.record.seconds}))

    def _catalogue(self, stage: Stage) -> dict[str, float]:
        self.catalogue.save(stage.folder / "catalogue.parquet")
        log = InteractionLog.load(self.parent.interactions)
        grown = dataclasses.replace(log, n_items=len(self.catalogue))
        grown.save(stage.folder / "interactions.parquet")
        return {"items": len(self.catalogue), "added": len(self.new)}

    def _text(self, stage: Stage) -> None:
        added = range(len(self.old), len(self.catalogue))
        described = self.encoder.encode_texts([item_description(self.catalogue, row) for row in added])
        entitled = self.encoder.encode_texts(self.catalogue.titles[len(self.old) :])
        vectors = described + self.encoder.config.title_weight * entitled
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        old = _read(self.parent.text_vectors, len(self.old))
        if old.shape[1] != vectors.shape[1]:
            raise ReleaseError(
                f"{self.parent.path}: text vectors have {old.shape[1]} dimensions, this encoder gives "
                f"{vectors.shape[1]}; set `text.model` to the one that the release was built with"
            )
        np.save(stage.folder / "text_vectors.npy", np.concatenate([old, vectors.astype(np.float32)]))

    def _item_vectors(self, stage: Stage) -> None:
        """Behaviour of a new item is unknown, and so is its fused vector: the nearest items by text lend theirs."""
        text = release_content(self.parent, np.load(stage.folder / "text_vectors.npy"))
        old = _read(self.parent.item_vectors, len(self.old))
        similarity = text[len(self.old) :] @ text[: trained_items(self.parent)].T
        near = np.argsort(-similarity, axis=1, kind="stable")[:, : self.config.cold.neighbours]
        weight = np.exp(self.config.cold.sharpness * np.take_along_axis(similarity, near, axis=1))
        lent = np.einsum("mk,mkd->md", weight, old[near])
        lent /= np.maximum(np.linalg.norm(lent, axis=1, keepdims=True), 1e-12)
        np.save(stage.folder / "item_vectors.npy", np.concatenate([old, lent.astype(np.float32)]))

    def _generator(self, stage: Stage) -> dict[str, float]:
        from recsys_core.generator.cold import add_items
        from recsys_core.generator.compact import CompactGenerator, save_model
        from recsys_core.sids.layouts import load_tokenizer

        content = release_content(self.parent, np.load(stage.folder / "text_vectors.npy"))
        index = ConstraintIndex.load(self.parent.index)
        sids = _read(self.parent.sids, len(self.old))
        generator = CompactGenerator.load(
            self.parent.generator, sids, content[: len(self.old)], index, self.encoder.encode_texts
        )
        tokenizer = load_tokenizer(self.parent.path / "tokenizer")
        by_text = self.parent.manifest.config.get("sid_source", "text") == "text"
        vectors = content if by_text else np.load(stage.folder / "item_vectors.npy")
        split = leave_last_out(InteractionLog.load(self.parent.interactions))
        added = add_items(
            generator.model,
            index,
            content[len(self.old) :],
            tokenizer.quantizer,
            vectors[len(self.old) :],
            (split.train_offsets, split.train_items),
            self.config.cold,
        )
        save_model(added.model, stage.folder / "generator")
        added.index.save(stage.folder / "index")
        tokenizer.restore(added.index.sids(), tokenizer.quality())
        tokenizer.save(stage.folder / "tokenizer")
        np.save(stage.folder / "sids.npy", added.index.sids())
        chosen = added.selection
        return {
            "leaves_added": added.index.leaves - index.leaves,
            "paths_supported": chosen.supported,
            "paths_committed": chosen.committed,
            "paths_switched": chosen.switched,
        }

    def _item_cf(self, stage: Stage) -> None:
        known = ItemCF.load(self.parent.item_cf)
        similarity = known.similarity.copy()
        similarity.resize((len(self.catalogue), len(self.catalogue)))
        ItemCF(similarity, known.config).save(stage.folder / "item_cf.npz")
        counts = _read(self.parent.popularity, len(self.old))
        np.save(stage.folder / "popularity.npy", np.pad(counts, (0, len(self.new))))

    def _serving(self, stage: Stage) -> None:
        shutil.copyfile(self.parent.serving, stage.folder / "serving.json")

    def _collection(self, stage: Stage) -> None:
        from recsys_core.serving.vector_store import ChromaStore

        collection = ChromaStore(self.catalogue, stage.folder / "collection")
        collection.add(self.catalogue.ids, np.load(stage.folder / "text_vectors.npy"))
        collection.close()

    def _finish(self, runner: StageRunner) -> Release:
        now = datetime.now(UTC)
        before = self.parent.manifest
        extension = Extension(
            parent=self.parent.id,
            added=len(self.new),
            trained_items=trained_items(self.parent),
            source=self.items.name,
            left_out=["lm"] if self.parent.has_lm else [],
        )
        # nothing in its folded weights says what an added item's rows would be
        without_lm = {name: value for name, value in before.config.items() if name != "lm"}
        kept = {n: v for n, v in before.metrics.items() if not n.startswith(("lm.", "serving_lm."))}
        metrics = {f"{s}.{k}": v for s, record in runner.records.items() for k, v in record.metrics.items()}
        return runner.finish(
            Manifest(
                id=f"{now:%Y%m%d-%H%M%S}-{runner.workdir.name[:8]}",
                created=now.isoformat(timespec="seconds"),
                dataset=before.dataset,
                config={**without_lm, EXTENSION: extension.model_dump()},
                metrics={**kept, **metrics},
                item_count=len(self.catalogue),
            )
        )


def _read(path: Path, rows: int) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{path} can't be read ({error}); run `sidra build` again") from error
    if len(array) != rows:
        raise ReleaseError(f"{path} has {len(array)} rows for {rows} items; run `sidra build` again")
    return array
