"""A release plus new items is a new release, without training.

What the release knew stays: item indices, semantic IDs and every learned weight. New items are encoded, given several
semantic IDs and rows of their own (:mod:`recsys_core.generator.cold`); behaviour they have none, so popularity and
item-CF know them with zeros until the next build.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.baselines.item_cf import ItemCF
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.changes import CatalogueChanges
from recsys_core.catalog.importer.mapping import ColumnMapping
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.durable import sha256_file
from recsys_core.encoders.text import TextEncoder, TextEncoderConfig
from recsys_core.errors import ReleaseError
from recsys_core.generator.cold import ColdConfig
from recsys_core.releases.added import EXTENSION, Extension, trained_items
from recsys_core.releases.build import CODE_VERSION, BuildEvent, Report
from recsys_core.releases.change_log import MERGED
from recsys_core.releases.grow import (
    Vectors,
    check_words,
    grown_item_cf,
    grown_model,
    grown_text,
    grown_vectors,
)
from recsys_core.releases.new_items import catalogue_after, joined, read_new_items
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
    old = Catalogue.load(parent.catalogue)
    check_words(parent, old)
    path = Path(items)
    new = read_new_items(path, mapping or ColumnMapping(), old)
    source = [sha256_file(path), new.frame.write_json()]
    grown = Grown(joined(old, new), len(old), path.name, source)
    return _Extension(store, parent, grown, config or ExtendConfig(), report or (lambda event: None)).run()


def merge_changes(
    store: ReleaseStore,
    parent: Release,
    changes: CatalogueChanges,
    config: ExtendConfig | None = None,
    *,
    report: Report | None = None,
) -> Release:
    """A release that holds new facts and new items itself; it becomes the current one if ``parent`` was.

    Which items are withdrawn stays with the log of changes: that holds for every release.

    Args:
        store: where releases lie.
        parent: release that the changes are for.
        changes: all of them so far (:meth:`recsys_core.releases.change_log.ChangeLog.in_force`).
        config: how items are taken in.
        report: hears about progress.

    Raises:
        ReleaseError: a part of the release is damaged, or its items have no words and there are new ones.
    """
    old = Catalogue.load(parent.catalogue)
    catalogue = catalogue_after(old, changes)
    if len(catalogue) > len(old):
        check_words(parent, old)
    source = [catalogue.frame.write_json(), changes.number]
    grown = Grown(catalogue, len(old), f"changes up to {changes.number}", source, changes.number)
    return _Extension(store, parent, grown, config or ExtendConfig(), report or (lambda event: None)).run()


@dataclass(frozen=True, eq=False)
class Grown:
    """What a release becomes.

    Attributes:
        catalogue: old items first, with other facts perhaps.
        old: how many they are.
        origin: where the rest came from, in words.
        source: decides, with the parent, what the result is.
        changes: number of the last change that is in ``catalogue``; None when it came from a file.
    """

    catalogue: Catalogue
    old: int
    origin: str
    source: list[Any]
    changes: int | None = None


class _Extension:
    """The stages of one extension, in the order in which they run."""

    def __init__(
        self, store: ReleaseStore, parent: Release, grown: Grown, config: ExtendConfig, report: Report
    ) -> None:
        self.store, self.parent, self.grown, self.config, self.report = store, parent, grown, config, report
        self.catalogue, self.old = grown.catalogue, grown.old
        self.added = len(grown.catalogue) - grown.old
        stored = parent.manifest.config.get("text", {})
        self.encoder = TextEncoder(config.text or TextEncoderConfig.model_validate(stored))

    def run(self) -> Release:
        settings = self.config.cold.model_dump(mode="json")
        source = [self.parent.id, *self.grown.source]
        runner = StageRunner.for_config(self.store, CODE_VERSION, EXTENSION, settings, source)
        with runner:
            self._stage(runner, "catalogue", self._catalogue, ["catalogue.parquet", "interactions.parquet"], source)
            self._stage(runner, "text_vectors", self._text, ["text_vectors.npy"], None)
            self._stage(runner, "item_vectors", self._item_vectors, ["item_vectors.npy"], settings)
            outputs = ["sids.npy", "tokenizer", "index", "generator"]
            self._stage(runner, "generator", self._generator, outputs, settings)
            self._stage(runner, "item_cf", self._item_cf, ["item_cf.npz", "popularity.npy"], None)
            self._stage(runner, "serving", self._serving, ["serving.json"], None)
            if self.parent.has_lm and not self.added:
                self._stage(runner, "lm", self._lm, [self.parent.lm.name], None)
                self._stage(runner, "serving_lm", self._serving_lm, [self.parent.serving_lm.name], None)
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
        return {"items": len(self.catalogue), "added": self.added}

    def _text(self, stage: Stage) -> None:
        old = _read(self.parent.text_vectors, self.old)
        np.save(stage.folder / "text_vectors.npy", grown_text(self.parent, self.catalogue, old, self.encoder))

    def _item_vectors(self, stage: Stage) -> None:
        np.save(stage.folder / "item_vectors.npy", self._vectors(stage).items)

    def _vectors(self, stage: Stage) -> Vectors:
        text = np.load(stage.folder / "text_vectors.npy")
        old = _read(self.parent.item_vectors, self.old)
        return grown_vectors(self.parent, text, old, self.config.cold)

    def _generator(self, stage: Stage) -> dict[str, float]:
        from recsys_core.generator.compact import CompactGenerator, save_model
        from recsys_core.sids.layouts import load_tokenizer

        if not self.added:
            for name in ("generator", "index", "tokenizer"):
                shutil.copytree(self.parent.path / name, stage.folder / name)
            shutil.copyfile(self.parent.sids, stage.folder / "sids.npy")
            return {}
        vectors = self._vectors(stage)
        index = ConstraintIndex.load(self.parent.index)
        sids = _read(self.parent.sids, self.old)
        generator = CompactGenerator.load(
            self.parent.generator, sids, vectors.content[: self.old], index, self.encoder.encode_texts
        )
        log = InteractionLog.load(self.parent.interactions)
        added = grown_model(self.parent, generator.model, index, vectors, log, self.config.cold)
        save_model(added.model, stage.folder / "generator")
        added.index.save(stage.folder / "index")
        tokenizer = load_tokenizer(self.parent.path / "tokenizer")
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
        grown_item_cf(known, len(self.catalogue)).save(stage.folder / "item_cf.npz")
        counts = _read(self.parent.popularity, self.old)
        np.save(stage.folder / "popularity.npy", np.pad(counts, (0, self.added)))

    def _serving(self, stage: Stage) -> None:
        shutil.copyfile(self.parent.serving, stage.folder / "serving.json")

    def _lm(self, stage: Stage) -> None:
        shutil.copytree(self.parent.lm, stage.folder / self.parent.lm.name)

    def _serving_lm(self, stage: Stage) -> None:
        shutil.copyfile(self.parent.serving_lm, stage.folder / self.parent.serving_lm.name)

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
            added=self.added,
            trained_items=trained_items(self.parent),
            source=self.grown.origin,
            left_out=["lm"] if self.parent.has_lm and self.added else [],
        )
        config, earlier = before.config, before.metrics
        if extension.left_out:
            # nothing in its folded weights says what an added item's rows would be
            config = {name: value for name, value in config.items() if name != "lm"}
            earlier = {n: v for n, v in earlier.items() if not n.startswith(("lm.", "serving_lm."))}
        config = {**config, EXTENSION: extension.model_dump()}
        if self.grown.changes is not None:
            config[MERGED] = self.grown.changes
        metrics = {f"{s}.{k}": v for s, record in runner.records.items() for k, v in record.metrics.items()}
        return runner.finish(
            Manifest(
                id=f"{now:%Y%m%d-%H%M%S}-{runner.workdir.name[:8]}",
                created=now.isoformat(timespec="seconds"),
                dataset=before.dataset,
                config=config,
                metrics={**earlier, **metrics},
                item_count=len(self.catalogue),
            ),
            # somebody may have chosen another release while changes were merged in the background
            use=self.grown.changes is None or self.store.current_id() == self.parent.id,
        )


def _read(path: Path, rows: int) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{path} can't be read ({error}); run `sidra build` again") from error
    if len(array) != rows:
        raise ReleaseError(f"{path} has {len(array)} rows for {rows} items; run `sidra build` again")
    return array
