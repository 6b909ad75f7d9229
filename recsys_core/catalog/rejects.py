"""Rows that were refused: where, why, and the value at fault."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recsys_core.errors import DataError

SCHEMA = {"file": pl.String, "row": pl.Int64, "reason": pl.String, "value": pl.String}
SHOWN = 80
"""Longest piece of a value that is shown, in characters."""


class Rejects:
    """Collects refused rows of one file, single ones or a whole column's worth."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._single: list[tuple[int, str, str]] = []
        self._frames: list[pl.DataFrame] = []

    def add(self, row: int, reason: str, value: object = "") -> None:
        """Refuse one row."""
        self._single.append((row, reason, shorten(value)))

    def add_frame(self, rows: pl.DataFrame) -> None:
        """Refuse many rows: columns ``row``, ``reason``, ``value``."""
        if rows.height:
            values = pl.col("value").cast(pl.String).fill_null("").map_elements(shorten, return_dtype=pl.String)
            self._frames.append(
                rows.select(pl.lit(self.file).alias("file"), pl.col("row").cast(pl.Int64), "reason", values)
            )

    def frame(self) -> pl.DataFrame:
        """All refused rows in file order: file, row, reason, value."""
        single = pl.DataFrame(
            {
                "file": [self.file] * len(self._single),
                "row": [row for row, _, _ in self._single],
                "reason": [reason for _, reason, _ in self._single],
                "value": [value for _, _, value in self._single],
            },
            schema=SCHEMA,
        )
        return pl.concat([single, *self._frames]).sort("row", maintain_order=True)


def no_rejects() -> pl.DataFrame:
    """An empty table of refused rows."""
    return pl.DataFrame(schema=SCHEMA)


def shorten(value: object) -> str:
    """A value as it may be shown: one printable line of at most 80 characters."""
    text = "" if value is None else str(value)[: SHOWN * 4]
    text = "".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in text)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def check_share(frame: pl.DataFrame, total: int, allowed: float, report: Path) -> None:
    """Stop the import when too many rows of a file were refused.

    Args:
        frame: refused rows of one file.
        total: rows of that file.
        allowed: share that may be refused, 0 to 1.
        report: where the refused rows will be written.

    Raises:
        DataError: more than ``allowed`` were refused; names the first row and the commonest reason.
    """
    if frame.height == 0 or frame.height <= allowed * total:
        return
    first = frame.row(0, named=True)
    top, count = frame["reason"].value_counts(sort=True).row(0)
    shown = f": {first['value']}" if first["value"] else ""
    most = f", the commonest reason is: {top} ({count:,} rows)" if count > 1 else ""
    raise DataError(
        f"{first['file']}: {frame.height:,} of {total:,} rows can't be used, more than the {allowed:.0%} that are "
        f"allowed; the first is row {first['row']} ({first['reason']}{shown}){most}. "
        f"Nothing was imported; all of them are listed in {report}. "
        "Mend the file, or allow more with --max-bad-share"
    )
