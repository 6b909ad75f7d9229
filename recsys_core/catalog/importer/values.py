"""Raw columns made into identifiers, numbers, flags, tags and times; what can't be read becomes null."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import polars as pl

from recsys_core.catalog.items import FieldKind

MISSING_MARKS = ["", "na", "n/a", "nan", "null", "none", "\\n", "-"]
"""How a missing number, flag or time is written, folded to lower case."""

TRUE_WORDS = ["true", "yes", "t", "y"]
FALSE_WORDS = ["false", "no", "f", "n"]

EARLIEST, LATEST = -2_208_988_800.0, 7_258_118_400.0
"""Times outside 1900 .. 2200 are taken for mistakes (seconds since 1970)."""

_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}

TimestampUnit = Literal["auto", "s", "ms", "us", "ns"]


def as_text(column: pl.Series) -> pl.Series:
    """Text without surrounding blanks; empty becomes null, whole numbers lose their ".0"."""
    if column.dtype.is_float():
        whole = column.is_not_null() & column.is_finite() & (column == column.round(0)) & (column.abs() < 2**53)
        text = pl.select(
            pl.when(whole).then(column.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(column.cast(pl.String))
        ).to_series()
    elif isinstance(column.dtype, pl.List):
        text = column.list.join(", ")
    else:
        text = column.cast(pl.String, strict=False)
    text = text.str.strip_chars()
    return pl.select(pl.when(text != "").then(text)).to_series().rename(column.name)


def is_missing(column: pl.Series) -> pl.Series:
    """Where a column says nothing: null, blank, or a usual mark such as N/A."""
    if column.dtype.is_float():
        return column.is_null() | column.is_nan().fill_null(False)
    if column.dtype != pl.String:
        return column.is_null()
    return column.is_null() | column.str.strip_chars().str.to_lowercase().is_in(MISSING_MARKS)


def as_number(column: pl.Series) -> pl.Series:
    """Float64; null where there is no finite number."""
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    if isinstance(column.dtype, pl.List) or column.dtype.is_temporal():
        return pl.Series(column.name, [None] * len(column), dtype=pl.Float64)
    number = column.cast(pl.Float64, strict=False)
    return pl.select(pl.when(number.is_finite()).then(number)).to_series().rename(column.name)


def as_flag(column: pl.Series) -> pl.Series:
    """Boolean from true/false, yes/no, 1/0; null where it is neither."""
    if column.dtype == pl.Boolean:
        return column
    word = as_text(column).str.to_lowercase()
    true, false = word.is_in([*TRUE_WORDS, "1"]), word.is_in([*FALSE_WORDS, "0"])
    return pl.select(pl.when(true).then(True).when(false).then(False)).to_series().rename(column.name)


def as_tags(column: pl.Series, separator: str) -> pl.Series:
    """List(String) without blanks and repeats; null where nothing is left."""
    if not isinstance(column.dtype, pl.List):
        column = as_text(column).str.split(separator)
    frame = pl.DataFrame({"tags": column}).select(
        pl.col("tags")
        .list.eval(pl.element().str.strip_chars())
        .list.eval(pl.element().filter(pl.element() != ""))
        .list.unique(maintain_order=True)
    )
    tags = frame["tags"]
    return pl.select(pl.when(tags.list.len() > 0).then(tags)).to_series().rename(column.name)


def guess_kind(column: pl.Series, separator: str) -> FieldKind | None:
    """What an attribute column holds; None when it holds nothing that can be an attribute."""
    if isinstance(column.dtype, pl.List):
        return FieldKind.tags
    if column.dtype == pl.Boolean:
        return FieldKind.flag
    if column.dtype.is_numeric():
        return FieldKind.number
    if column.dtype != pl.String:
        return FieldKind.string if column.dtype.is_temporal() else None
    told = column.filter(~is_missing(column)).str.strip_chars()
    if not len(told):
        return None
    if told.str.to_lowercase().is_in([*TRUE_WORDS, *FALSE_WORDS]).all():
        return FieldKind.flag
    # "007" is a code, not a number.
    if as_number(told).is_not_null().all() and not told.str.contains(r"^[+-]?0\d").any():
        return FieldKind.number
    return FieldKind.tags if told.str.contains(separator, literal=True).any() else FieldKind.string


def convert(column: pl.Series, kind: FieldKind, separator: str) -> tuple[pl.Series, pl.Series]:
    """A raw attribute column as its kind wants it.

    Returns:
        The converted column, and a Boolean column that is true where a value was there but could not be read.
    """
    if kind is FieldKind.number:
        number = as_number(column)
        bad = number.is_null() & ~is_missing(column)
        whole = number.drop_nulls()
        if len(whole) and (whole == whole.round(0)).all() and (whole.abs() < 2**53).all():
            number = number.cast(pl.Int64)
        return number, bad
    if kind is FieldKind.flag:
        flag = as_flag(column)
        return flag, flag.is_null() & ~is_missing(column)
    converted = as_tags(column, separator) if kind is FieldKind.tags else as_text(column)
    return converted, pl.Series([False] * len(column), dtype=pl.Boolean)


def as_seconds(column: pl.Series, unit: TimestampUnit, pattern: str | None) -> tuple[pl.Series, str | None]:
    """Times as seconds since 1970 (UTC).

    Numbers count seconds, milliseconds, microseconds or nanoseconds, told apart by the size of their median; eight
    digits like 20240131 are a date. Written times are ISO 8601, or ``pattern``; without a zone they are UTC.

    Returns:
        Float64, null where there is no time between 1900 and 2200; and a note on the choice made, if any.
    """
    note = None
    if column.dtype.is_temporal():
        seconds = column.cast(pl.Datetime("us"), strict=False).dt.timestamp("us") / 1e6
    else:
        number = as_number(column) if pattern is None else pl.Series([None] * len(column), dtype=pl.Float64)
        seconds, note = _from_numbers(number, unit)
        written = (number.is_null() & ~is_missing(column)).arg_true()
        if len(written) and column.dtype == pl.String:
            parsed = pl.Series([_parse(text, pattern) for text in column.gather(written).to_list()], dtype=pl.Float64)
            seconds = seconds.scatter(written, parsed)
    inside = seconds.is_between(EARLIEST, LATEST)
    return pl.select(pl.when(inside).then(seconds)).to_series().rename(column.name), note


def _from_numbers(number: pl.Series, unit: TimestampUnit) -> tuple[pl.Series, str | None]:
    known = number.drop_nulls()
    if not len(known):
        return number, None
    if unit != "auto":
        return number / _UNITS[unit], None
    if known.is_between(19_000_101, 21_001_231).all():
        text = number.cast(pl.Int64).cast(pl.String)
        days = text.str.to_date("%Y%m%d", strict=False).cast(pl.Datetime("us"))
        return days.dt.timestamp("us") / 1e6, "timestamps of eight digits were read as dates (YYYYMMDD)"
    middle = abs(float(known.median() or 0.0))  # type: ignore[arg-type]
    for name, limit in (("s", 1e11), ("ms", 1e14), ("us", 1e17)):
        if middle < limit:
            return number / _UNITS[name], None if name == "s" else f"timestamps were read in {name} since 1970"
    return number / _UNITS["ns"], "timestamps were read in ns since 1970"


@lru_cache(maxsize=100_000)
def _parse(text: str, pattern: str | None) -> float | None:
    try:
        text = text.strip()
        moment = datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text.replace("/", "-"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
