"""A build in named stages that can be killed at any moment and goes on where it was.

A stage is skipped when its input hash is the one recorded and its outputs still have the recorded bytes. The input
hash covers the stage's own inputs and the outputs of the stages before it, so a change runs everything after it anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from pydantic import TypeAdapter, ValidationError

from recsys_core.durable import (
    digest,
    files_below,
    free_space,
    is_disk_full,
    sha256_file,
    sync_file,
    sync_folder,
    sync_tree,
    write_json,
)
from recsys_core.errors import BuildError, ReleaseError
from recsys_core.releases.release import MANIFEST, Manifest, Release, StageRecord
from recsys_core.releases.store import BUILDING, ReleaseStore

_RECORDS = "stages.json"
_SCRATCH = ".scratch"
_records = TypeAdapter(dict[str, StageRecord])


@dataclass(frozen=True)
class Stage:
    """What a stage's work function is given."""

    folder: Path
    """The release in the making; outputs go here."""
    scratch: Path
    """A folder for half-done work (training checkpoints); kept when the build is killed, gone when it is finished."""


@dataclass(frozen=True)
class StageOutcome:
    """What became of a stage."""

    name: str
    """Name of the stage."""
    skipped: bool
    """True when an earlier run had already finished it."""
    record: StageRecord
    """Its hash, time, outputs and figures."""


class StageRunner:
    """Runs the stages of one build, one after another.

    Use it as a context manager; it holds a lock, so a second build of the same thing is refused.

    Args:
        workdir: folder of the release in the making; :meth:`for_config` picks the usual place.
        store: where the finished release goes.
    """

    def __init__(self, workdir: Path, store: ReleaseStore) -> None:
        self.workdir = Path(workdir)
        self.store = store
        self._lock: TextIO | None = None
        self._done: list[str] = []
        self._records: dict[str, StageRecord] = {}

    @classmethod
    def for_config(cls, store: ReleaseStore, *config: Any) -> StageRunner:
        """A runner whose folder is named after the configuration, so that the same build finds its earlier work."""
        return cls(store.root / BUILDING / digest(*config)[:16], store)

    def __enter__(self) -> StageRunner:
        with self._named_disk_trouble("start"):
            self.workdir.mkdir(parents=True, exist_ok=True)
            self._lock = self._take_lock()
        self._records = self._read_records()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def records(self) -> dict[str, StageRecord]:
        """Stages finished in this run or found finished, in the order they were run."""
        return {name: self._records[name] for name in self._done}

    def adopt(self, release: Release, names: Sequence[str]) -> None:
        """Begin with copies of what a finished release holds; does nothing to a build that has begun.

        A copied stage counts as done only if :meth:`run` finds its input hash and its bytes to be right.

        Args:
            release: to copy from; it stays as it is.
            names: stages to copy, those that this build has as well.

        Raises:
            BuildError: the disk is full.
        """
        if self._records:
            return
        records = {name: record for name, record in release.manifest.stages.items() if name in names}
        with self._named_disk_trouble("start"):
            for record in records.values():
                for name in record.outputs:
                    if (release.path / name).is_file():
                        (self.workdir / name).parent.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(release.path / name, self.workdir / name)
            # last, so that a kill before leaves a build that hasn't begun
            write_json(self.workdir / _RECORDS, _records.dump_python(records, mode="json"))
        self._records = records

    def run(
        self,
        name: str,
        work: Callable[[Stage], Mapping[str, float] | None],
        *,
        inputs: Any,
        outputs: Sequence[str],
    ) -> StageOutcome:
        """Run one stage unless it is already done.

        Args:
            name: of the stage; each name once a build.
            work: does it; returns the figures it measured, if any.
            inputs: anything JSON-able that decides the result (configuration, seed, hash of outside data).
            outputs: files or folders, relative to the release, that the stage writes; what an earlier, unfinished run
                left of them is removed first.

        Raises:
            BuildError: the stage didn't write what it promised, or the disk is full.
        """
        if name in self._done:
            raise BuildError(f"stage {name!r} was run twice; give every stage a name of its own")
        before = {earlier: self._records[earlier].outputs for earlier in self._done}
        stage_hash = digest(name, inputs, before)
        known = self._records.get(name)
        if known is not None and known.hash == stage_hash and self._intact(known):
            self._done.append(name)
            return StageOutcome(name, skipped=True, record=known)
        scratch = self.workdir / _SCRATCH / f"{name}-{stage_hash[:12]}"
        started = time.monotonic()
        with self._named_disk_trouble(name):
            for output in outputs:
                _remove(self.workdir / output)
            scratch.mkdir(parents=True, exist_ok=True)
            metrics = work(Stage(self.workdir, scratch)) or {}
            record = StageRecord(
                hash=stage_hash,
                seconds=round(time.monotonic() - started, 3),
                outputs=self._flushed(name, outputs),
                metrics={key: float(value) for key, value in metrics.items()},
            )
            self._records[name] = record
            write_json(self.workdir / _RECORDS, _records.dump_python(self._records, mode="json"))
        self._done.append(name)
        return StageOutcome(name, skipped=False, record=record)

    def finish(self, manifest: Manifest, *, use: bool = True) -> Release:
        """Turn the folder into a release and make it the current one.

        Args:
            manifest: of the release; its stages are filled in here.
            use: False leaves the current release as it is.

        Raises:
            BuildError: the disk is full.
            ReleaseError: a release of that id exists.
        """
        final = self.store.root / manifest.id
        if final.exists():
            raise ReleaseError(
                f"release {manifest.id!r} exists; releases are never changed, so give the new one another id"
            )
        complete = manifest.model_copy(update={"stages": self.records})
        with self._named_disk_trouble("finish"):
            write_json(self.workdir / MANIFEST, complete.model_dump(mode="json"))
            sync_tree(self.workdir)
            os.rename(self.workdir, final)
            sync_folder(self.store.root)
            if use:
                self.store.use(manifest.id)
            _remove(final / _SCRATCH)
            _remove(final / _RECORDS)
        return self.store.open(manifest.id)

    def _flushed(self, name: str, outputs: Sequence[str]) -> dict[str, str]:
        hashes: dict[str, str] = {}
        for output in outputs:
            path = self.workdir / output
            if not path.exists():
                raise BuildError(f"stage {name!r} finished without writing {output}; nothing was kept, run it again")
            for file in files_below(path):
                sync_file(file)
                hashes[str(file.relative_to(self.workdir))] = sha256_file(file)
        sync_folder(self.workdir)
        return hashes

    def _intact(self, record: StageRecord) -> bool:
        for name, expected in record.outputs.items():
            path = self.workdir / name
            if not path.is_file() or sha256_file(path) != expected:
                return False
        return True

    def _read_records(self) -> dict[str, StageRecord]:
        file = self.workdir / _RECORDS
        try:
            return _records.validate_python(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, ValidationError) as error:
            raise BuildError(f"{file} is damaged; delete the folder {self.workdir} and build again") from error

    def _take_lock(self) -> TextIO:
        # The lock belongs to the open file, so the system drops it when a build is killed.
        path = self.workdir.with_name(f"{self.workdir.name}.lock")
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise BuildError(
                f"the same build is already running as process {holder}; wait for it or stop it, then build again"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file

    @contextmanager
    def _named_disk_trouble(self, stage: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if is_disk_full(error):
                raise BuildError(
                    f"stage {stage!r}: the disk of {self.workdir} is full ({free_space(self.workdir)} free); "
                    "make room and build again, finished stages are kept"
                ) from error
            raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
