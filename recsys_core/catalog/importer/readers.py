"""Input files as tables of raw columns with row numbers, read in bounded memory.

Row numbers are those an editor shows: in a CSV file the header is row 1, and a record that spans several lines has the
number of its first one. In a Parquet file the first record is row 1.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys_core.catalog.importer.mapping import ColumnMapping
from recsys_core.catalog.rejects import Rejects
from recsys_core.errors import DataError

MAX_LINE_BYTES = 16 * 1024 * 1024
"""Longest line that is read; a longer one stops the import before it is in memory."""

CHUNK_ROWS = 100_000
"""Rows that are held as Python objects at a time."""

CSV_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".inter", ".item")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
PARQUET_SUFFIXES = (".parquet", ".pq")

# Set once for the process: the guard on lines already bounds what a cell can hold.
csv.field_size_limit(MAX_LINE_BYTES)


@dataclass
class RawTable:
    """One input file."""

    file: str
    """Its name, for messages."""
    frame: pl.DataFrame
    """Its columns; text for CSV, typed for Parquet and JSON Lines."""
    rows: NDArray[np.int64]
    """int64[height]: row number of each record."""
    rejects: Rejects
    """Rows that could not even be split into columns."""
    total: int
    """Records seen, the refused ones included."""


def read_table(path: Path, mapping: ColumnMapping) -> RawTable:
    """Read a CSV, TSV, JSON Lines or Parquet file; its name's ending says which.

    Raises:
        DataError: the file is missing, empty, of no known kind, or can't be read at a named row.
    """
    path = Path(path)
    suffix = path.suffix.casefold()
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder; name the file in it")
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty; it needs a header row and at least one record")
        if suffix in PARQUET_SUFFIXES:
            table = _read_parquet(path)
        elif suffix in JSON_SUFFIXES:
            table = _read_json_lines(path, mapping)
        elif suffix in CSV_SUFFIXES:
            table = _read_csv(path, mapping)
        else:
            known = ", ".join((*CSV_SUFFIXES[:2], *JSON_SUFFIXES[:2], PARQUET_SUFFIXES[0]))
            raise DataError(f"{path}: files of kind {suffix or 'without ending'!r} can't be read; use one of {known}")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror or error})") from error
    if table.total == 0:
        raise DataError(f"{path} has no records, only a header; it needs at least one")
    return table


class _Lines:
    """Decoded lines of a text file, none longer than the limit; remembers where it is and whether a NUL went by."""

    def __init__(self, file: BinaryIO, name: str, encoding: str) -> None:
        self.number = 0
        self.saw_nul = False
        self._file, self._name, self._encoding = file, name, encoding

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(MAX_LINE_BYTES + 1)
        if not raw:
            raise StopIteration
        self.number += 1
        if len(raw) > MAX_LINE_BYTES:
            raise DataError(
                f"{self._name}, row {self.number}: the line is longer than {MAX_LINE_BYTES // 2**20} MB, so it was "
                "not read; a line break or a closing quote is probably missing there"
            )
        if self.number == 1:
            raw = self._without_mark(raw)
        if b"\0" in raw:
            self.saw_nul = True
        try:
            return raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self._name}, row {self.number}: byte 0x{raw[error.start]:02X} isn't {self._encoding.upper()}; "
                'save the file as UTF-8, or say --map encoding=latin-1 or encoding = "latin-1" in the mapping file'
            ) from None

    def _without_mark(self, raw: bytes) -> bytes:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError(f"{self._name} is in UTF-16; save it as UTF-8 and import again")
        return raw.removeprefix(b"\xef\xbb\xbf")


def _read_csv(path: Path, mapping: ColumnMapping) -> RawTable:
    rejects = Rejects(path.name)
    with path.open("rb") as file:
        lines = _Lines(file, str(path), mapping.encoding)
        first = _first_line(lines, path)
        delimiter = mapping.delimiter or _delimiter(first, path)
        quoting: dict[str, Any] = {"quoting": csv.QUOTE_NONE}
        if mapping.quote != "none":
            quoting = {"quotechar": mapping.quote, "strict": True}
        reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter, **quoting)
        return _collect_csv(path, lines, reader, _header(reader, lines.number, path), rejects)


def _first_line(lines: _Lines, path: Path) -> str:
    for line in lines:
        if line.strip():
            if lines.saw_nul:
                raise DataError(f"{path}, row {lines.number}: the header holds a NUL byte; save the file as UTF-8 text")
            return line
    raise DataError(f"{path} holds only blank lines; it needs a header row and at least one record")


def _delimiter(header: str, path: Path) -> str:
    if path.suffix.casefold() in (".tsv", ".tab", ".inter", ".item"):
        return "\t"
    return max(",\t;|", key=header.count)


def _header(reader: Any, row: int, path: Path) -> list[str]:
    try:
        cells: list[str] = next(reader)
    except csv.Error as error:
        raise DataError(
            f"{path}, row {row}: the header can't be split into columns ({error}); mend its quotes, or say "
            '--map quote=none (quote = "none" in the mapping file) if quotes are ordinary characters'
        ) from None
    names = [cell.strip() or f"column_{position}" for position, cell in enumerate(cells, start=1)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}, row {row}: two columns are called {twice!r}; give every column a name of its own")
    return names


def _collect_csv(path: Path, lines: _Lines, reader: Any, header: list[str], rejects: Rejects) -> RawTable:
    width, total = len(header), 0
    chunks: list[pl.DataFrame] = []
    records: list[list[str]] = []
    numbers: list[int] = []
    row_numbers: list[NDArray[np.int64]] = []

    def flush() -> None:
        columns = list(zip(*records, strict=True)) if records else [()] * width
        chunks.append(pl.DataFrame({n: pl.Series(n, c, dtype=pl.String) for n, c in zip(header, columns, strict=True)}))
        row_numbers.append(np.array(numbers, dtype=np.int64))
        records.clear()
        numbers.clear()

    while True:
        start = lines.number + 1
        try:
            record = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise DataError(
                    f"{path}, row {start}: a quote is opened and never closed; close it, or say --map quote=none "
                    '(quote = "none" in the mapping file) if quotes are ordinary characters'
                ) from None
            total += 1
            lines.saw_nul = False
            rejects.add(start, f"can't be split into columns: {error}")
            continue
        if not record:
            continue
        total += 1
        if lines.saw_nul:
            lines.saw_nul = False
            rejects.add(start, "holds a NUL byte", "".join(record))
        elif len(record) != width:
            rejects.add(start, f"has {len(record)} columns, the header has {width}", record[0])
        else:
            records.append(record)
            numbers.append(start)
            if len(records) == CHUNK_ROWS:
                flush()
    flush()
    return RawTable(str(path), pl.concat(chunks), np.concatenate(row_numbers), rejects, total)


def _read_json_lines(path: Path, mapping: ColumnMapping) -> RawTable:
    rejects = Rejects(path.name)
    columns: dict[str, list[Any]] = {}
    numbers: list[int] = []
    total = 0
    with path.open("rb") as file:
        lines = _Lines(file, str(path), mapping.encoding)
        for line in lines:
            nul, lines.saw_nul = lines.saw_nul, False
            if not line.strip():
                continue
            total += 1
            if nul:
                rejects.add(lines.number, "holds a NUL byte", line)
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                rejects.add(lines.number, f"isn't a JSON object on one line: {str(error)[:100]}", line)
                continue
            if not isinstance(record, dict):
                rejects.add(lines.number, f"is a JSON {type(record).__name__}, not an object", line)
                continue
            for name in record.keys() - columns.keys():
                columns[name] = [None] * len(numbers)
            for name, column in columns.items():
                column.append(record.get(name))
            numbers.append(lines.number)
    frame = pl.DataFrame({name: _json_column(name, column) for name, column in sorted(columns.items())})
    if total and not numbers:
        first = rejects.frame().row(0, named=True)
        raise DataError(
            f"{path}, row {first['row']}: {first['reason']}; a JSON Lines file has one object a line, "
            'like {"id": "1", "title": "..."}'
        )
    return RawTable(str(path), frame, np.array(numbers, dtype=np.int64), rejects, total)


def _json_column(name: str, values: list[Any]) -> pl.Series:
    """A typed column where all values agree, else text; objects are kept as their JSON."""
    kinds = {type(value) for value in values if value is not None}
    if kinds & {dict}:
        return pl.Series(name, [_json_cell(value) for value in values], dtype=pl.String)
    if list in kinds:
        lists = [value if isinstance(value, list) else ([] if value is None else [value]) for value in values]
        return pl.Series(name, [[_json_cell(v) or "" for v in cell] for cell in lists], dtype=pl.List(pl.String))
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int} and all(value is None or abs(value) < 2**63 for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds and kinds <= {int, float}:
        numbers = [None if value is None else float(value) if abs(value) < 1e300 else math.inf for value in values]
        return pl.Series(name, numbers, dtype=pl.Float64)
    return pl.Series(name, [_json_cell(value) for value in values], dtype=pl.String)


def _json_cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def _read_parquet(path: Path) -> RawTable:
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise DataError(
            f"{path} isn't a readable Parquet file ({str(error).splitlines()[0]}); write it again"
        ) from error
    frame = frame.select(_parquet_column(name, dtype) for name, dtype in frame.schema.items())
    rows = np.arange(1, frame.height + 1, dtype=np.int64)
    return RawTable(str(path), frame, rows, Rejects(path.name), frame.height)


def _parquet_column(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column as one of the types that the import knows; what has no such type (binary, structs) becomes null."""
    column = pl.col(name)
    if isinstance(dtype, pl.Array):
        column, dtype = column.arr.to_list(), pl.List(dtype.inner)
    if isinstance(dtype, pl.List) and _is_plain(dtype.inner):
        return column.cast(pl.List(pl.String), strict=False)
    if isinstance(dtype, pl.Decimal):
        return column.cast(pl.Float64)
    if isinstance(dtype, pl.Date | pl.Datetime):
        return column.cast(pl.Datetime("us", getattr(dtype, "time_zone", None)), strict=False)
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if dtype.is_numeric() or isinstance(dtype, pl.Boolean | pl.String):
        return column
    return pl.lit(None, dtype=pl.String).alias(name)


def _is_plain(dtype: Any) -> bool:
    return bool(dtype.is_numeric() or dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Date))
