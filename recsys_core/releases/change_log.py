"""Changes of a catalogue on disk: one line each, flushed before anybody is told that it is in force.

There is one log a data set, beside its releases: a withdrawn item stays withdrawn when another release is chosen,
rolled back to or built. Several processes may write (one at a time, under a lock of the file system) and all of them
read, so a change made on the command line reaches a running API. A line that a killed process left unfinished was never
acknowledged and is dropped; damage anywhere else is an error.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.changes import CatalogueChanges, Change
from recsys_core.durable import digest, sync_folder
from recsys_core.errors import ReleaseError
from recsys_core.releases.release import Release

CHANGES = ".changes"
"""Folder of the logs, among the releases."""

MERGED = "changes"
"""Key of a manifest's configuration: number of the last change whose facts and items the release holds itself."""

_change: TypeAdapter[Change] = TypeAdapter(Change)


class Entry(BaseModel):
    """One line of the log."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    """1 for the first; no number is left out."""
    at: datetime
    """When it was written, UTC."""
    change: Change
    """What changed."""


class ChangeLog:
    """The changes of one data set, read as far as this object has followed them. Safe to share between threads.

    Args:
        path: of the file; made with the first change.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.entries: list[Entry] = []
        """What was read so far."""
        self._read = 0
        self._guard = threading.RLock()

    @classmethod
    def of(cls, release: Release) -> ChangeLog:
        """The log of the data set that a release was built from."""
        name = str(release.manifest.dataset.get("name", "")) or "unnamed"
        return cls(release.path.parent / CHANGES / f"{name}.jsonl")

    def behind(self) -> bool:
        """Whether the file holds what wasn't read yet; one look at its size."""
        return self._size() != self._read

    def follow(self) -> bool:
        """Read what is new; True when there was something.

        Raises:
            ReleaseError: a line before the last is damaged, or the file got shorter.
        """
        with self._guard:
            size = self._size()
            if size == self._read:
                return False
            if size < self._read:
                raise ReleaseError(f"{self.path} got shorter while it was in use; restore it and restart")
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read(size - self._read)
            found = len(self.entries)
            for line in data.splitlines(keepends=True):
                entry = self._parse(line)
                if entry is None:
                    # what follows an unfinished line can only be a writer at work, or nothing
                    break
                self.entries.append(entry)
                self._read += len(line)
            return len(self.entries) > found

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the right to append, among threads and processes; what others wrote is read first."""
        with self._guard:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_suffix(".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.follow()
                yield

    def append(self, change: Change) -> Entry:
        """Write a change and flush it to the disk; only within :meth:`writing`.

        Raises:
            OSError: the disk is full or can't be written; the change isn't in force.
        """
        entry = Entry(number=len(self.entries) + 1, at=datetime.now(UTC), change=change)
        line = _line(entry)
        made = not self.path.exists()
        with self.path.open("ab") as file:
            # an unfinished line of a killed process, or of a full disk, would stand in the way of this one
            file.truncate(self._read)
            try:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                file.truncate(self._read)
                raise
        if made:
            sync_folder(self.path.parent)
        self.entries.append(entry)
        self._read += len(line)
        return entry

    def in_force(self, release: Release, catalogue: Catalogue) -> CatalogueChanges:
        """What all changes read so far come to on a release.

        New facts that a release was merged with, or that are older than the import it was built from, are in its
        catalogue already. So are added items that were imported since.

        Args:
            release: any release of the data set.
            catalogue: its own.
        """
        merged = int(release.manifest.config.get(MERGED, 0))
        imported = _moment(str(release.manifest.dataset.get("created", "")))
        changes = CatalogueChanges()
        for entry in self.entries:
            known = entry.number <= merged or (imported is not None and entry.at <= imported)
            changes = changes.then(entry.number, entry.change, merged=known)
        return CatalogueChanges(changes.number, changes.withdrawn, changes.retags, tuple(changes.missing(catalogue)))

    def _size(self) -> int:
        try:
            return os.stat(self.path).st_size
        except FileNotFoundError:
            return 0

    def _parse(self, line: bytes) -> Entry | None:
        """The entry of a line; None for one that isn't finished."""
        if not line.endswith(b"\n"):
            return None
        number = len(self.entries) + 1
        try:
            stored = json.loads(line)
            entry = Entry(number=stored["number"], at=stored["at"], change=_change.validate_python(stored["change"]))
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise ReleaseError(self._damaged(number)) from error
        if entry.number != number or _line(entry) != line:
            raise ReleaseError(self._damaged(number))
        return entry

    def _damaged(self, number: int) -> str:
        return (
            f"{self.path}, line {number}: damaged; restore the file from a backup, or cut it off before that line "
            "(the changes from there on are then no longer in force)"
        )


def _line(entry: Entry) -> bytes:
    body = entry.model_dump(mode="json")
    return (json.dumps({**body, "sum": digest(body)[:16]}, ensure_ascii=False) + "\n").encode()


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
