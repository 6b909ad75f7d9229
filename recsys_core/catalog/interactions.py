"""Who did what when: one time-ordered sequence of item indices a user.

Ties keep the order of the file. This matters: half of the neighbouring ratings of MovieLens share a timestamp, and
sorting ties by item id would throw away the order in which people rated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys_core.errors import DataError

N_ITEMS_KEY = "sidra.n_items"
"""Key of the Parquet metadata that holds the size of the catalogue the item indices belong to."""


@dataclass(frozen=True, eq=False)
class InteractionLog:
    """All interactions, grouped by user, each group sorted by time and, within ties, in file order."""

    users: list[str]
    """User ids in order of first appearance in the file; the position is the *user index*."""
    offsets: NDArray[np.int64]
    """int64[n_users + 1]: interactions of user u are rows offsets[u] .. offsets[u + 1] - 1."""
    items: NDArray[np.int64]
    """int64[n]: item indices."""
    timestamps: NDArray[np.float64]
    """float64[n]: seconds since 1970-01-01 UTC."""
    values: NDArray[np.float32]
    """float32[n]: rating or count; 1 when there is no degree."""
    kinds: NDArray[np.int16]
    """int16[n]: position in :attr:`kind_names`."""
    kind_names: list[str] = field(default_factory=lambda: ["view"])
    """What was done."""
    n_items: int = 0
    """Size of the catalogue that the item indices belong to."""

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, n_items: int) -> InteractionLog:
        """Group and sort rows that are in file order.

        Args:
            frame: columns ``user_id`` (String), ``item`` (item index), ``timestamp`` (seconds), optionally ``value``
                and ``kind``.
            n_items: size of the catalogue.

        Raises:
            DataError: an item index outside the catalogue, or a timestamp that isn't a finite number.
        """
        items = frame["item"].cast(pl.Int64).to_numpy()
        timestamps = frame["timestamp"].cast(pl.Float64).to_numpy()
        if len(items) and (items.min() < 0 or items.max() >= n_items):
            row = int(np.flatnonzero((items < 0) | (items >= n_items))[0])
            raise DataError(f"interaction {row + 1} points at item {items[row]} of a catalogue of {n_items} items")
        if not np.isfinite(timestamps).all():
            row = int(np.flatnonzero(~np.isfinite(timestamps))[0])
            raise DataError(f"interaction {row + 1} has no usable timestamp; every interaction needs one")
        user_names, user_codes = _codes(frame["user_id"].cast(pl.String))
        has_kind = "kind" in frame.columns
        kind_names, kind_codes = (
            _codes(frame["kind"].cast(pl.String).fill_null("view")) if has_kind else (["view"], None)
        )
        order = np.lexsort((timestamps, user_codes))  # stable: ties keep file order
        has_value = "value" in frame.columns
        values = (
            frame["value"].cast(pl.Float32).fill_null(1.0).to_numpy() if has_value else np.ones(len(items), np.float32)
        )
        counts = np.bincount(user_codes, minlength=len(user_names))
        return cls(
            users=user_names,
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            items=items[order].astype(np.int64),
            timestamps=timestamps[order].astype(np.float64),
            values=values[order].astype(np.float32),
            kinds=np.zeros(len(items), np.int16) if kind_codes is None else kind_codes[order].astype(np.int16),
            kind_names=kind_names,
            n_items=n_items,
        )

    @classmethod
    def load(cls, path: Path) -> InteractionLog:
        """Read a log written by :meth:`save`.

        Raises:
            DataError: the file is missing or isn't such a log.
        """
        try:
            frame = pl.read_parquet(path)
            n_items = int(pl.read_parquet_metadata(path)[N_ITEMS_KEY])
        except (OSError, pl.exceptions.PolarsError, KeyError, ValueError) as error:
            raise DataError(f"{path}: can't be read as interactions ({error}); import the data again") from error
        return cls.from_frame(frame, n_items)

    def save(self, path: Path) -> None:
        """Write the log as Parquet: user_id, item, timestamp, value, kind."""
        owners = np.repeat(np.arange(self.n_users), np.diff(self.offsets))
        frame = pl.DataFrame(
            {
                "user_id": pl.Series(self.users, dtype=pl.String).gather(owners),
                "item": self.items,
                "timestamp": self.timestamps,
                "value": self.values,
                "kind": pl.Series(self.kind_names, dtype=pl.String).gather(self.kinds),
            }
        )
        frame.write_parquet(path, metadata={N_ITEMS_KEY: str(self.n_items)})

    @property
    def n_users(self) -> int:
        """How many users there are."""
        return len(self.users)

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def _user_index(self) -> dict[str, int]:
        return {user_id: row for row, user_id in enumerate(self.users)}

    def user(self, user_id: str) -> int | None:
        """User index of an id, or None when the user is unknown."""
        return self._user_index.get(user_id)

    def sequence(self, user: int) -> NDArray[np.int64]:
        """Item indices of a user index, oldest first, int64[length]."""
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    def popularity(self) -> NDArray[np.int64]:
        """How many interactions each item has, int64[n_items]."""
        return np.bincount(self.items, minlength=self.n_items)


def _codes(column: pl.Series) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct values in order of first appearance, and the position of each row's value among them."""
    names = column.unique(maintain_order=True)
    table = pl.DataFrame({"name": names, "code": np.arange(len(names), dtype=np.int64)})
    codes = column.to_frame("name").join(table, on="name", how="left", maintain_order="left")["code"]
    return names.to_list(), codes.to_numpy()
