"""Small data for the comparison: no words, so that no sentence model is loaded, and rows made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from eval.comparison.entry import Cost, Entry, make_entry
from eval.comparison.run import ComparisonDetail
from eval.offline import paired_differences
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.dataset import write_dataset
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.synth import synthetic


def wordless(n_items: int = 40, n_users: int = 50, seed: int = 0) -> tuple[Catalogue, InteractionLog]:
    """The made-up catalogue with nothing but tags: ids for titles, no texts."""
    described, log = synthetic(n_items, n_users, seed)
    genres = [described.tags("genre")[row] for row in range(n_items)]
    frame = pl.DataFrame(
        {"id": described.ids, "title": described.ids, "attr:genre": pl.Series(genres, dtype=pl.List(pl.String))}
    )
    return Catalogue(frame), log


def log_of(sequences: Sequence[Sequence[int]], n_items: int, *, start: float = 0.0) -> InteractionLog:
    """One user a sequence; timestamps are positions after ``start``."""
    rows = [(f"u{user}", item, start + place) for user, s in enumerate(sequences) for place, item in enumerate(s)]
    frame = pl.DataFrame(rows, schema={"user_id": pl.String, "item": pl.Int64, "timestamp": pl.Float64}, orient="row")
    return InteractionLog.from_frame(frame, n_items)


def import_tiny(home: Path, log: InteractionLog | None = None, name: str = "tiny", n_items: int = 40) -> Path:
    """Write the data set where an import would, and give its folder."""
    catalogue, usual = wordless(n_items)
    return write_dataset(home / "datasets", name, catalogue, usual if log is None else log, source="made up").path


def entry(model: str, ranks: Sequence[int], **settings: object) -> Entry:
    """A row with given places of the targets."""
    return make_entry(model, np.array(ranks), Cost(60.0, 120.0), 1_500_000, seed=0, settings=dict(settings))


def detail_of(*entries: Entry) -> ComparisonDetail:
    """A comparison of rows made by hand."""
    per_user = {e.model: e.per_user() for e in entries}
    return ComparisonDetail(
        dataset="tiny",
        users=len(entries[0].ranks),
        items=40,
        interactions=500,
        entries=list(entries),
        differences=paired_differences(per_user, 0, 200) if len(entries) > 1 else {},
    )
