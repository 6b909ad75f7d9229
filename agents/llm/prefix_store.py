"""Prompt beginnings that a llama.cpp server has read, kept on disk.

Reading 300 tokens takes two CPU cores about four seconds; loading what came of it (8 MB) takes ten milliseconds. A file
belongs to one state of weights, runtime, context size and text; anything else has another name.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Sequence
from pathlib import Path

from agents.llm.protocol import Message

_KEPT = 12


class PrefixStore:
    """Names and files of read beginnings.

    Args:
        folder: where they lie; made when missing.
        gguf: the weights they were read with.
        context: tokens of context of a slot.

    Raises:
        OSError: the folder can't be made or the weights can't be looked at.
    """

    def __init__(self, folder: Path, gguf: Path, context: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        stat = gguf.stat()
        self._state = [str(gguf), stat.st_size, stat.st_mtime_ns, context, _runtime_version()]

    def name(self, prefix: Sequence[Message]) -> str:
        """File name of a beginning."""
        return hashlib.sha256(json.dumps([*self._state, list(prefix)]).encode()).hexdigest()[:32] + ".slot"

    def has(self, name: str) -> bool:
        """True when the beginning was read in an earlier life."""
        return (self.folder / name).is_file()

    def keep(self, unfinished: str, name: str) -> None:
        """Give a wholly written file its name and drop the oldest beyond a dozen."""
        os.replace(self.folder / unfinished, self.folder / name)
        files = sorted(self.folder.glob("*.slot"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in files[_KEPT:]:
            old.unlink(missing_ok=True)


def _runtime_version() -> str:
    try:
        return importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return ""
