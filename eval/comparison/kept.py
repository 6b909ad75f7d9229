"""Finished rows on disk, so that a killed run goes on; a row that other code made is never taken up."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import eval.comparison
import recsys_core
from eval.comparison.contenders import BASELINES
from eval.comparison.entry import Entry
from recsys_core.durable import digest, sha256_file, write_json

BASELINE_CODE = (
    "baselines",
    "catalog",
    "constraints",
    "encoders",
    "metrics",
    "sids",
    "generator/data.py",
    "generator/model.py",
    "generator/prepare.py",
)
"""What of the core decides the row of a baseline: the rest may change without measuring it anew."""


COMPARISON_CODE = ("bench.py", "blend.py", "contenders.py", "entry.py")
"""What of the comparison decides the row of a baseline."""

OWN_CODE = ("ablations.py", "language_model.py")
"""What else of it decides the row of one of Sidra's own models."""


class KeptRows:
    """Rows of one data set.

    Args:
        folder: where they are.
        outside: hash of all that decides a row beside the code: data, seed, threads.
    """

    def __init__(self, folder: Path, outside: str) -> None:
        self.folder = folder
        self.outside = outside

    def get(self, model: str) -> Entry | None:
        """The finished row, or None."""
        try:
            stored: Any = json.loads(self._path(model).read_text(encoding="utf-8"))
            return Entry.model_validate(stored)
        except (FileNotFoundError, ValueError, ValidationError):
            return None  # never finished, or damaged: fitted again

    def put(self, entry: Entry) -> None:
        """Keep a row."""
        path = self._path(entry.model)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, entry.model_dump(mode="json"))

    def _path(self, model: str) -> Path:
        return self.folder / digest(code_hash(model), self.outside)[:16] / f"{model}.json"


def code_hash(model: str) -> str:
    """Hash of all Python files that decide a model's row."""
    return _hash_of(model in BASELINES and model != "lm")


@cache
def _hash_of(baseline: bool) -> str:
    core, comparison = Path(recsys_core.__path__[0]), Path(eval.comparison.__path__[0])
    chosen = [core / name for name in BASELINE_CODE] if baseline else [core]
    chosen += [comparison / name for name in (*COMPARISON_CODE, *(() if baseline else OWN_CODE))]
    files = [file for path in chosen for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    return digest(*(sha256_file(file) for file in files))
