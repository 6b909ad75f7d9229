"""Files that survive a crash: atomic replacement, flushing to disk, hashes of what was written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the file at ``path``: a reader sees the old bytes or the new ones, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Like :func:`write_atomic`, as indented JSON."""
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def sync_file(path: Path) -> None:
    """Flush the file's bytes to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Flush the folder's entries (new names, renames) to disk."""
    sync_file(path)


def sync_tree(path: Path) -> None:
    """Flush a file, or a folder with everything below it."""
    if path.is_dir():
        for child in path.iterdir():
            if not child.is_symlink():
                sync_tree(child)
    sync_file(path)


def files_below(path: Path) -> list[Path]:
    """The file itself, or all files below the folder, sorted by name."""
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())


def sha256_file(path: Path) -> str:
    """Hexadecimal sha256 of the file's bytes, read block by block."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def digest(*parts: Any) -> str:
    """Hexadecimal sha256 of JSON-able values; the order of dictionary keys doesn't matter."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def is_disk_full(error: BaseException) -> bool:
    """Whether an error means that no space is left; libraries wrap the system's error, so its text counts too."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    text = str(error)
    return "No space left on device" in text or "os error 28" in text or "database or disk is full" in text


def free_space(path: Path) -> str:
    """Free space where ``path`` lies, for a message."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return f"{shutil.disk_usage(path).free / 1e6:,.0f} MB"
