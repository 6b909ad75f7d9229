"""Whatever the bytes, an import ends in a sound data set or in one sentence with nothing left behind."""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.catalog.dataset import load_dataset
from recsys_core.catalog.importer import ColumnMapping, import_dataset
from recsys_core.catalog.splits import leakage_check, leave_last_out
from recsys_core.errors import DataError

ITEMS = (
    b'item_id,title,genres,year,ok\r\na,"Silent, River",Drama|War,1999,yes\r\nb,Two,Comedy,2004,no\r\nc,Three,,,yes\r\n'
)
LOG = b"user_id,item_id,rating,timestamp\nu1,a,4,2024-01-01\nu1,b,5,1704103200\nu2,c,3,2024-01-03\nu1,c,1,2024-02-01\n"

PIECES = [
    b"",
    b"\0",
    b'"',
    b"\n",
    b"\r",
    b",",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\t",
    b"1e999",
    b"nan",
    b"|",
    b"=cmd()",
    "\u202e".encode(),
]

damage = st.lists(
    st.tuples(st.booleans(), st.integers(0, 140), st.integers(0, 12), st.sampled_from(PIECES) | st.binary(max_size=6)),
    max_size=3,
)


def check(items: Path, log: Path, mapping: ColumnMapping, out: Path) -> None:
    try:
        report = import_dataset(items, log, mapping, out, "fuzz", max_bad_share=0.5)
    except DataError as error:
        sentence = str(error)
        assert items.name in sentence or log.name in sentence
        assert not (out / "fuzz").exists()
        return
    catalogue, interactions, info = load_dataset(report.path)
    assert info.items == len(catalogue) >= 2
    assert info.interactions == len(interactions) >= 1
    assert len(set(catalogue.ids)) == len(catalogue)
    assert np.isfinite(interactions.timestamps).all()
    assert np.isfinite(interactions.values).all()
    for index in range(len(catalogue)):
        catalogue.item(index)
    leakage_check(leave_last_out(interactions))
    assert pl.read_csv(report.path / "rejects.csv", infer_schema=False).height == info.rejected


@given(damage, st.sampled_from(['"', "none"]), st.sampled_from(["utf-8", "latin-1"]))
@settings(max_examples=100, deadline=None)
def test_damaged_csv(changes: list[tuple[bool, int, int, bytes]], quote: str, encoding: str) -> None:
    contents = {True: ITEMS, False: LOG}
    for which, at, length, piece in changes:
        data = contents[which]
        contents[which] = data[:at] + piece + data[at + length :]
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "items.csv").write_bytes(contents[True])
        (folder / "log.csv").write_bytes(contents[False])
        mapping = ColumnMapping(quote=quote, encoding=encoding)
        check(folder / "items.csv", folder / "log.csv", mapping, folder / "out")
    finally:
        shutil.rmtree(folder)


cells = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["a", "b", "2024-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.lists(st.fixed_dictionaries({"item_id": cells, "title": cells, "x": cells}), max_size=4),
    st.lists(cells, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_odd_json_values(rows: list[dict[str, object]], stamps: list[object]) -> None:
    folder = Path(tempfile.mkdtemp())
    good = [{"item_id": name, "title": name.upper(), "x": 1} for name in "abcdefgh"]
    log = [{"user_id": "u", "item_id": "a", "timestamp": 5, "value": 1}] * 8
    log += [{"user_id": s, "item_id": "a", "timestamp": s, "value": s} for s in stamps]
    try:
        (folder / "items.jsonl").write_text("\n".join(map(json.dumps, [*good, *rows])))
        (folder / "log.jsonl").write_text("\n".join(map(json.dumps, log)))
        check(folder / "items.jsonl", folder / "log.jsonl", ColumnMapping(), folder / "out")
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([Decimal("1.5"), None, Decimal("2.25")]),
        pl.Series([date(2020, 1, 1), None, date(2021, 1, 1)]),
        pl.Series([datetime(2020, 1, 1), None, datetime(2021, 1, 1)]),
        pl.Series(["a", "b", "a"], dtype=pl.Categorical),
        pl.Series(["a", "b", "a"], dtype=pl.Enum(["a", "b"])),
        pl.Series([[1, 2], [], None], dtype=pl.List(pl.Int64)),
        pl.Series([{"k": 1}, {"k": 2}, None]),
        pl.Series([b"x", b"\xff", None]),
        pl.Series([None, None, None], dtype=pl.Null),
        pl.Series([1, 2, 2**64 - 1], dtype=pl.UInt64),
        pl.Series([float("nan"), None, 1.0]),
        pl.Series([[["a"]], [], None], dtype=pl.List(pl.List(pl.String))),
    ],
)
def test_odd_parquet_columns(tmp_path: Path, column: pl.Series) -> None:
    items = pl.DataFrame({"id": [1, 2, 3], "title": ["x", "y", "z"], "odd": column})
    items.write_parquet(tmp_path / "items.parquet")
    log = pl.DataFrame({"user": [7, 7, 8], "item": [1.0, 2.0, 3.0], "time": [10, 20, 30]})
    log.write_parquet(tmp_path / "log.parquet")
    check(tmp_path / "items.parquet", tmp_path / "log.parquet", ColumnMapping(), tmp_path / "out")
    catalogue, interactions, _ = load_dataset(tmp_path / "out" / "fuzz")
    assert catalogue.ids == ["1", "2", "3"]
    assert interactions.users == ["7", "8"]
    log.with_columns(column.alias("time")).write_parquet(tmp_path / "log.parquet")
    shutil.rmtree(tmp_path / "out")
    check(tmp_path / "items.parquet", tmp_path / "log.parquet", ColumnMapping(), tmp_path / "out")
