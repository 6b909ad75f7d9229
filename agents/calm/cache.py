"""Calmed texts on disk, found again by everything they depend on; a damaged entry is as good as none."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
from collections import OrderedDict
from pathlib import Path

from pydantic import ValidationError

from agents.calm.types import CalmResult

logger = logging.getLogger(__name__)
FILE = "calm.sqlite"
_REMEMBERED = 2_000
_MOST = 100_000
_TIDY_EVERY = 1_000


class CalmCache:
    """Results by key, in memory and, with a folder, in one SQLite file there. Safe to share between threads.

    Args:
        folder: where the file lies; None keeps results in memory only.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._kept = 0
        self._memory: OrderedDict[str, CalmResult] = OrderedDict()
        self._file: sqlite3.Connection | None = None
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._file = sqlite3.connect(folder / FILE, check_same_thread=False, timeout=5.0, isolation_level=None)
                self._file.execute("PRAGMA journal_mode=WAL")
                self._file.execute("PRAGMA synchronous=NORMAL")
                self._file.execute("CREATE TABLE IF NOT EXISTS calm (key TEXT PRIMARY KEY, result TEXT NOT NULL)")
            except (OSError, sqlite3.Error) as error:
                logger.warning("calmed texts are kept in memory only: %s can't be used (%s)", folder / FILE, error)
                self._file = None

    def get(self, key: str) -> CalmResult | None:
        """What was made for this key, as it was made."""
        with self._lock:
            if (found := self._memory.get(key)) is not None:
                self._memory.move_to_end(key)
                return found
            if self._file is None:
                return None
            try:
                row = self._file.execute("SELECT result FROM calm WHERE key = ?", (key,)).fetchone()
                found = CalmResult.model_validate_json(row[0]) if row else None
            except (sqlite3.Error, ValidationError) as error:
                logger.warning("a calmed text in the cache can't be read (%s); making it again", error)
                return None
            if found is not None:
                self._remember(key, found)
            return found

    def put(self, key: str, result: CalmResult) -> None:
        """Keep a result; a full disk costs the entry, not the answer."""
        with self._lock:
            self._remember(key, result)
            if self._file is None:
                return
            try:
                self._file.execute("INSERT OR REPLACE INTO calm VALUES (?, ?)", (key, result.model_dump_json()))
                self._kept += 1
                if self._kept % _TIDY_EVERY == 0:
                    self._file.execute("DELETE FROM calm WHERE rowid <= (SELECT MAX(rowid) FROM calm) - ?", (_MOST,))
            except sqlite3.Error as error:
                logger.warning("a calmed text could not be kept (%s)", error)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _remember(self, key: str, result: CalmResult) -> None:
        self._memory[key] = result
        while len(self._memory) > _REMEMBERED:
            self._memory.popitem(last=False)


def cache_key(*parts: str) -> str:
    """One key of parts that can't run into each other."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "replace")
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()
