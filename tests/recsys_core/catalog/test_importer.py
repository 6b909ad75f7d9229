"""Own data: columns, mappings, refused rows."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from recsys_core.catalog.dataset import load_dataset
from recsys_core.catalog.importer import ColumnMapping
from recsys_core.catalog.items import FieldKind
from recsys_core.errors import ConfigError, DataError
from tests.recsys_core.catalog.own_data import ITEMS, LOG, Case, put


def test_good_files_come_in_whole(case: Case) -> None:
    report = case.run()
    catalogue, log, info = load_dataset(report.path)
    assert catalogue.ids == ["a", "b", "c"]
    assert catalogue.texts[0] == "A quiet film,\nover two lines"
    assert {name: spec.kind for name, spec in catalogue.fields.items()} == {
        "genres": FieldKind.tags,
        "year": FieldKind.number,
        "in_stock": FieldKind.flag,
        "code": FieldKind.string,
    }
    assert catalogue.item(0).attributes == {
        "genres": ["Drama", "Romance"],
        "year": 1999,
        "in_stock": True,
        "code": "007",
    }
    assert "year" not in catalogue.item(2).attributes
    assert log.users == ["u1", "u2"]
    assert log.sequence(0).tolist() == [2, 0, 1], "sorted by time, the tie in file order"
    assert log.values.tolist() == [1.0, 4.0, 5.0, 3.0]
    assert (info.items, info.users, info.interactions, info.rejected) == (3, 2, 4, 0)
    assert report.rejects_path is None
    assert (report.path / "rejects.csv").read_text() == "file,row,reason,value\n"


def test_same_data_same_hash_and_a_second_import_replaces(case: Case) -> None:
    first = case.run().info.content_sha256
    again = case.run()
    assert again.info.content_sha256 == first
    put(case.folder, "log.csv", LOG.replace("u2,c,3", "u2,c,1"))
    assert case.run().info.content_sha256 != first
    assert sorted(p.name for p in case.out.iterdir()) == ["mine"]


def test_csv_parquet_and_json_lines_agree(case: Case) -> None:
    expected, expected_log, _ = load_dataset(case.run().path)
    rows = [
        {"item_id": "a", "title": "Silent River", "genres": ["Drama", "Romance"], "year": 1999, "in_stock": True,
         "code": "007", "description": "A quiet film,\nover two lines"},
        {"item_id": "b", "title": "Golden Garden", "genres": ["Comedy"],
         "year": 2004, "in_stock": False, "code": "012"},
        {"item_id": "c", "title": "Distant Signal", "genres": ["Drama"], "in_stock": True, "code": "113",
         "description": "Far away"},
    ]  # fmt: skip
    case.items = put(case.folder, "items.jsonl", "\n".join(json.dumps(row) for row in rows))
    lines = [
        {"user_id": "u1", "item_id": "a", "rating": 4, "timestamp": 1704103200},
        {"user_id": "u1", "item_id": "b", "rating": 5, "timestamp": 1704103200},
        {"user_id": "u2", "item_id": "c", "rating": 3, "timestamp": 1704240000},
        {"user_id": "u1", "item_id": "c", "timestamp": 1704063600},
    ]
    case.log = put(case.folder, "log.ndjson", "\n".join(json.dumps(line) for line in lines))
    columns = ["id", "title", "text", *(f"attr:{name}" for name in expected.fields)]
    got, got_log, _ = load_dataset(case.run().path)
    assert got.frame.select(columns).equals(expected.frame.select(columns))
    assert got_log.timestamps.tolist() == expected_log.timestamps.tolist()

    case.items = case.folder / "items.parquet"
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(case.items)
    case.log = case.folder / "log.parquet"
    times = pl.from_epoch(pl.col("timestamp"), time_unit="s")
    pl.DataFrame(lines).with_columns(times).write_parquet(case.log)
    got, got_log, _ = load_dataset(case.run().path)
    assert got.frame.select(columns).equals(expected.frame.select(columns))
    assert got_log.timestamps.tolist() == expected_log.timestamps.tolist()
    assert got_log.items.tolist() == expected_log.items.tolist()


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (
            ("item_id,title", "itm_idd,title"),
            ["items.csv", "item id", "'itm_idd'", "--map id=itm_idd", 'id = "itm_idd"'],
        ),
        (("title,genres", "heading,genres"), ["items.csv", "title", "--map title=heading"]),
        (("in_stock,code", "year,code"), ["items.csv", "row 1", "'year'"]),
    ],
)
def test_missing_renamed_or_doubled_item_column(case: Case, change: tuple[str, str], wanted: list[str]) -> None:
    put(case.folder, "items.csv", ITEMS.replace(*change))
    message = case.refused()
    assert all(part in message for part in wanted), message


def test_missing_time_column_and_a_mapping_that_names_nothing(case: Case) -> None:
    put(case.folder, "log.csv", LOG.replace("timestamp", "tiemstamp"))
    message = case.refused()
    assert "log.csv" in message
    assert "--map timestamp=tiemstamp" in message
    message = case.refused(ColumnMapping(timestamp="wen"))
    assert "timestamp=wen" in message
    assert "user_id, item_id, rating, tiemstamp" in message
    assert case.run(ColumnMapping(timestamp="tiemstamp")).info.interactions == 4


@pytest.mark.parametrize("name", ["items.csv", "log.csv", "items.jsonl", "items.parquet"])
def test_empty_file(case: Case, name: str) -> None:
    path = put(case.folder, name, b"")
    if name == "log.csv":
        case.log = path
    else:
        case.items = path
    message = case.refused()
    assert name in message
    assert "empty" in message


def test_header_only_missing_file_folder_and_unknown_kind(case: Case) -> None:
    put(case.folder, "log.csv", "user_id,item_id,timestamp\n")
    assert "no records" in case.refused()
    case.log = case.folder / "nowhere.csv"
    assert "there is no such file" in case.refused()
    case.log = case.folder
    assert "is a folder" in case.refused()
    case.log = put(case.folder, "log.xlsx", b"PK")
    assert ".csv" in case.refused()


def test_one_item_is_no_catalogue(case: Case) -> None:
    put(case.folder, "items.csv", "id,title\na,Alone\n")
    message = case.refused()
    assert "items.csv" in message
    assert "1 usable item" in message
    assert "at least 2" in message


def test_refused_rows_are_listed_with_row_and_reason(case: Case) -> None:
    put(
        case.folder,
        "items.csv",
        ITEMS + "a,Twin,Drama,2000,no,1,\n,Nameless,,,,,\nd,,Drama,2000,no,2,\ne,Too,many,2,no,2,x,y\n",
    )
    put(
        case.folder,
        "log.csv",
        LOG
        + "u1,zz,3,2024-01-01\nu1,a,3,31/31/2024\nu1,a,3,\n,a,3,2024-01-01\nu1,a,lots,2024-01-01\n"
        + "u1,a,1,12345678901234567890\n",
    )
    report = case.run(max_bad_share=0.9)
    frame = pl.read_csv(report.path / "rejects.csv")
    found = {(file, row): (reason, value) for file, row, reason, value in frame.iter_rows()}
    assert sorted(found) == [("items.csv", r) for r in (6, 7, 8, 9)] + [("log.csv", r) for r in range(6, 12)]
    assert "repeats the item id" in found["items.csv", 6][0]
    assert "no item id" in found["items.csv", 7][0]
    assert "no title" in found["items.csv", 8][0]
    assert "8 columns" in found["items.csv", 9][0]
    assert found["log.csv", 6] == ("is about an item that the catalogue doesn't have", "zz")
    assert found["log.csv", 7][1] == "31/31/2024"
    assert "no timestamp" in found["log.csv", 8][0]
    assert "no user id" in found["log.csv", 9][0]
    assert found["log.csv", 10] == ("has a value that isn't a number", "lots")
    assert "between 1900 and 2200" in found["log.csv", 11][0]
    assert report.info.rejected == 10
    assert sum(report.reasons.values()) == 10


def test_too_many_bad_rows_stop_the_import_and_leave_the_list(case: Case) -> None:
    put(case.folder, "log.csv", LOG + "u1,zz,3,2024-01-01\nu1,yy,3,2024-01-01\n")
    message = case.refused()
    for part in ("log.csv", "2 of 6 rows", "5%", "row 6", "zz", "mine.rejects.csv", "--max-bad-share"):
        assert part in message
    assert pl.read_csv(case.out / "mine.rejects.csv")["row"].to_list() == [6, 7]
    put(case.folder, "log.csv", LOG)
    case.run()
    assert not (case.out / "mine.rejects.csv").exists(), "a good import removes the old list"


def test_forced_kinds_and_chosen_attributes(case: Case) -> None:
    mapping = ColumnMapping(
        attributes={"genre": "genres", "made": "year"}, attribute_kinds={"made": FieldKind.string}, list_separator="|"
    )
    catalogue = load_dataset(case.run(mapping).path)[0]
    assert catalogue.item(0).attributes == {"genre": ["Drama", "Romance"], "made": "1999"}
    with pytest.raises(DataError, match=r"'genres' that isn't a number.*Drama"):
        case.run(ColumnMapping(attribute_kinds={"genres": FieldKind.number}))
    with pytest.raises(DataError, match="'colour', which is no attribute"):
        case.run(ColumnMapping(attribute_kinds={"colour": FieldKind.number}))
    with pytest.raises(DataError, match=r"attribute\.made=yaer.*'year'.*--map attribute\.made=year"):
        case.run(ColumnMapping(attributes={"made": "yaer"}))


def test_mapping_from_toml_and_flags(tmp_path: Path) -> None:
    file = put(tmp_path, "map.toml", 'id = "sku"\nattributes = ["a", "b"]\n[attribute_kinds]\na = "number"\n')
    mapping = ColumnMapping.load(file)
    assert mapping.attributes == {"a": "a", "b": "b"}
    changed = mapping.with_flags(["id=key", "attribute.c=column c", "attribute_kind.b=tags", "list_separator=;"])
    assert changed.id == "key"
    assert changed.attributes == {"a": "a", "b": "b", "c": "column c"}
    assert changed.attribute_kinds == {"a": FieldKind.number, "b": FieldKind.tags}
    assert changed.list_separator == ";"
    with pytest.raises(ConfigError, match="unknown key 'idd'"):
        mapping.with_flags(["idd=x"])
    with pytest.raises(ConfigError, match="key=column"):
        mapping.with_flags(["id"])
    put(tmp_path, "map.toml", 'ids = "sku"\n')
    with pytest.raises(ConfigError, match=r"map\.toml.*'ids'"):
        ColumnMapping.load(file)
    put(tmp_path, "map.toml", "id = sku\n")
    with pytest.raises(ConfigError, match=r"map\.toml isn't a TOML file"):
        ColumnMapping.load(file)
    with pytest.raises(ConfigError, match="no such mapping file"):
        ColumnMapping.load(tmp_path / "none.toml")


def test_atomic_files_of_a_benchmark_library_come_in_unmapped(case: Case) -> None:
    case.items = put(
        case.folder, "x.item", "item_id:token\tmovie_title:token_seq\tclass:token_seq\n1\tOne\tDrama\n2\tTwo\tWar\n"
    )
    case.log = put(
        case.folder, "x.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n7\t1\t3\t881250949\n"
    )
    catalogue, log, _ = load_dataset(case.run().path)
    assert catalogue.titles == ["One", "Two"]
    assert list(catalogue.fields) == ["class"]
    assert log.users == ["7"]
