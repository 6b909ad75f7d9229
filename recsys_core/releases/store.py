"""The folder of all releases, which of them is current, and the way back.

One small file, ``current.json``, holds the current release's id and the ids that were current before it. It is
replaced in one step, so a reader always finds a complete release, and so does a process killed half-way.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recsys_core.durable import sync_folder, write_json
from recsys_core.errors import ReleaseError
from recsys_core.releases.release import MANIFEST, Release, read_manifest

POINTER = "current.json"
"""File that names the current release."""

BUILDING = ".building"
"""Folder of builds that aren't finished."""

JOURNAL_LENGTH = 50
"""How many earlier releases are remembered for roll-back."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class ReleaseInfo(BaseModel):
    """One line of the list of releases."""

    model_config = ConfigDict(extra="forbid")

    id: str
    """Name of the release."""
    created: str = ""
    """When the build finished, ISO 8601 in UTC."""
    dataset: str = ""
    """Name of the data set."""
    item_count: int = 0
    """How many items it has."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Figures that the build measured on itself."""
    current: bool = False
    """Whether it is the one in use."""
    problem: str | None = None
    """Why it can't be opened, if it can't."""


class _Pointer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str | None = None
    """The current release."""
    before: list[str] = Field(default_factory=list)
    """What was current earlier, oldest first."""


class ReleaseStore:
    """All releases under ``<home>/releases``.

    Args:
        home: Sidra's data folder; made when the first release is built.
    """

    def __init__(self, home: Path) -> None:
        self.root = Path(home) / "releases"

    def list(self) -> list[ReleaseInfo]:
        """Every release, oldest first; those that can't be opened carry the reason."""
        if not self.root.is_dir():
            return []
        current = self.current_id()
        folders = [p for p in self.root.iterdir() if p.is_dir() and _ID.fullmatch(p.name)]
        infos = [_describe(folder, folder.name == current) for folder in folders]
        return sorted(infos, key=lambda info: (info.created, info.id))

    def current_id(self) -> str | None:
        """Id of the release in use, or None when none was ever built.

        Raises:
            ReleaseError: the pointer file is damaged.
        """
        return self._pointer().id

    def path(self, release_id: str) -> Path:
        """Folder of a release.

        Raises:
            ReleaseError: no release of that name.
        """
        folder = self.root / release_id
        if not _ID.fullmatch(release_id) or not folder.is_dir():
            raise ReleaseError(f"there is no release {release_id!r}; `sidra releases list` shows those that exist")
        return folder

    def open(self, release_id: str | None = None) -> Release:
        """Open a release; the current one by default.

        Raises:
            ReleaseError: none was built yet, no such release, or it can't be read.
        """
        if release_id is None:
            release_id = self.current_id()
        if release_id is None:
            raise ReleaseError(f"no release was built in {self.root} yet; run `sidra build`")
        return Release(self.path(release_id))

    def use(self, release_id: str) -> None:
        """Make a release the current one, in one atomic step.

        Raises:
            ReleaseError: no such release, or it can't be read.
        """
        self.open(release_id)
        pointer = self._pointer()
        if pointer.id == release_id:
            return
        before = [*pointer.before, *([pointer.id] if pointer.id else [])]
        self._write(_Pointer(id=release_id, before=before[-JOURNAL_LENGTH:]))

    def rollback(self) -> str:
        """Go back to the release that was current before, and return its id.

        Raises:
            ReleaseError: there is no earlier release that can still be opened.
        """
        pointer = self._pointer()
        before = list(pointer.before)
        while before:
            earlier = before.pop()
            if earlier != pointer.id and (self.root / earlier / MANIFEST).is_file():
                self.open(earlier)
                self._write(_Pointer(id=earlier, before=before))
                return earlier
        raise ReleaseError("there is no earlier release to go back to; `sidra releases list` shows those that exist")

    def delete(self, release_id: str) -> None:
        """Remove a release that is not in use.

        Raises:
            ReleaseError: no such release, or it is the current one.
        """
        folder = self.path(release_id)
        if release_id == self.current_id():
            raise ReleaseError(f"release {release_id!r} is in use; choose another with `sidra releases use` first")
        # Renamed first: a half-deleted folder must never look like a release.
        doomed = self.root / f".deleted-{release_id}-{os.getpid()}"
        folder.rename(doomed)
        sync_folder(self.root)
        shutil.rmtree(doomed)

    def _pointer(self) -> _Pointer:
        file = self.root / POINTER
        try:
            return _Pointer.model_validate(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return _Pointer()
        except (OSError, ValueError, ValidationError) as error:
            raise ReleaseError(f"{file} is damaged; delete it and run `sidra releases use` with the release") from error

    def _write(self, pointer: _Pointer) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        write_json(self.root / POINTER, pointer.model_dump())


def _describe(folder: Path, current: bool) -> ReleaseInfo:
    try:
        manifest = read_manifest(folder)
    except ReleaseError as error:
        return ReleaseInfo(id=folder.name, current=current, problem=str(error))
    return ReleaseInfo(
        id=manifest.id,
        created=manifest.created,
        dataset=str(manifest.dataset.get("name", "")),
        item_count=manifest.item_count,
        metrics=manifest.metrics,
        current=current,
    )
