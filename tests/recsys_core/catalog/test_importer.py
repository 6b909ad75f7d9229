"""Own data: every kind of file, every kind of damage, and never half an import."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from recsys_core.catalog.dataset import load_dataset
from recsys_core.catalog.importer import ColumnMapping, import_dataset
from recsys_core.catalog.importer.readers import MAX_LINE_BYTES
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.items import FieldKind
from recsys_core.errors import ConfigError, DataError

ITEMS = """item_id,title,genres,year,in_stock,code,description
a,Silent River,Drama|Romance,1999,yes,007,"A quiet film,
over two lines"
b,Golden Garden,Comedy,2004,no,012,
c,Distant Signal,Drama,,yes,113,Far away
"""
LOG = """user_id,item_id,rating,timestamp
u1,a,4,2024-01-01T10:00:00Z
u1,b,5,2024-01-01T10:00:00Z
u2,c,3,2024-01-03
u1,c,,2023-12-31 23:00
"""


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


class Case:
    """Two good files in a folder, of which a test spoils one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "datasets"
        self.items = put(folder, "items.csv", ITEMS)
        self.log = put(folder, "log.csv", LOG)

    def run(self, mapping: ColumnMapping | None = None, **options):
        return import_dataset(self.items, self.log, mapping or ColumnMapping(), self.out, "mine", **options)

    def refused(self, mapping: ColumnMapping | None = None, **options) -> str:
        with pytest.raises(DataError) as caught:
            self.run(mapping, **options)
        assert not (self.out / "mine").exists(), "something was half-imported"
        left = [p.name for p in self.out.iterdir()] if self.out.exists() else []
        assert set(left) <= {"mine.rejects.csv"}
        return str(caught.value)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


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


def test_a_failed_import_leaves_the_earlier_data_set_alone(case: Case) -> None:
    before = case.run().info
    put(case.folder, "log.csv", "user_id,item_id,timestamp\nu1,zz,2024-01-01\n")
    with pytest.raises(DataError):
        case.run()
    assert load_dataset(case.out / "mine")[2] == before


def test_nul_byte_is_one_bad_row_and_a_bad_header(case: Case) -> None:
    put(case.folder, "log.csv", LOG.replace("u2,c,3", "u\x002,c,3"))
    message = case.refused()
    assert "row 4" in message
    assert "NUL" in message
    assert case.run(max_bad_share=0.3).info.interactions == 3
    put(case.folder, "items.csv", ITEMS.replace("title", "ti\0tle"))
    with pytest.raises(DataError, match=r"items\.csv, row 1.*NUL"):
        case.run()
    case.items = put(case.folder, "items.jsonl", '{"id": "a", "title": "x"}\n{"id": "b\0", "title": "y"}\n')
    with pytest.raises(DataError, match=r"row 2.*NUL"):
        case.run()


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
def test_a_huge_line_is_refused_before_it_is_in_memory(case: Case, name: str) -> None:
    import tracemalloc

    path = case.folder / name
    with path.open("wb") as file:
        file.write(LOG.encode() if name.endswith("csv") else b'{"user_id": "u", "item_id": "a", "timestamp": 1}\n' * 5)
        for _ in range(200):
            file.write(b"x" * (1 << 20))
    case.log = path
    tracemalloc.start()
    message = case.refused()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert name in message
    assert "row 6" in message
    assert "16 MB" in message
    assert peak < 4 * MAX_LINE_BYTES


def test_an_unclosed_quote_names_its_row_and_can_be_switched_off(case: Case) -> None:
    put(case.folder, "items.csv", 'id\ttitle\na\tone\nb\t"19 inch\nc\tthree\n')
    message = case.refused(ColumnMapping(delimiter="\t"))
    assert "row 3" in message
    assert "quote=none" in message
    report = case.run(ColumnMapping(quote="none"))
    assert load_dataset(report.path)[0].titles[1] == '"19 inch'


def test_byte_order_mark_crlf_latin1_and_utf16(case: Case) -> None:
    put(case.folder, "items.csv", b"\xef\xbb\xbf" + ITEMS.replace("\n", "\r\n").encode())
    put(case.folder, "log.csv", b"\xef\xbb\xbf" + LOG.replace("\n", "\r\n").encode())
    assert load_dataset(case.run().path)[0].ids == ["a", "b", "c"]
    put(case.folder, "items.csv", ITEMS.replace("Golden", "Doré").encode("latin-1"))
    with pytest.raises(DataError, match=r"row 4: byte 0xE9.*latin-1"):
        case.run()
    assert load_dataset(case.run(ColumnMapping(encoding="latin-1")).path)[0].titles[1] == "Doré Garden"
    put(case.folder, "items.csv", ITEMS.encode("utf-16"))
    with pytest.raises(DataError, match="UTF-16"):
        case.run()


def test_damaged_json_and_parquet(case: Case) -> None:
    case.items = put(case.folder, "items.jsonl", "[\n" + "[" * 100_000 + "\n")
    message = case.refused()
    assert "row 1" in message
    assert "one object a line" in message
    case.items = put(case.folder, "items.parquet", b"PAR1 nothing of the kind")
    assert "readable Parquet" in case.refused()


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("881250949", 881250949.0),
        ("881250949000", 881250949.0),
        ("881250949000000", 881250949.0),
        ("881250949000000000", 881250949.0),
        ("1997-12-04", 881193600.0),
        ("1997/12/04 15:55:49", 881250949.0),
        ("1997-12-04T15:55:49Z", 881250949.0),
        ("1997-12-04T17:55:49+02:00", 881250949.0),
        ("1997-12-04T15:55:49.500", 881250949.5),
        ("19971204", 881193600.0),
    ],
)
def test_kinds_of_time(case: Case, stamp: str, seconds: float) -> None:
    put(case.folder, "log.csv", f"user,item,time\nu,a,{stamp}\nu,b,{stamp}\n")
    assert load_dataset(case.run().path)[1].timestamps.tolist() == [seconds, seconds]


def test_own_pattern_of_time_and_forced_unit(case: Case) -> None:
    put(case.folder, "log.csv", "user,item,time\nu,a,04.12.1997\nu,b,05.12.1997\n")
    assert "04.12.1997" in case.refused()
    log = load_dataset(case.run(ColumnMapping(timestamp_format="%d.%m.%Y")).path)[1]
    assert log.timestamps.tolist() == [881193600.0, 881280000.0]
    put(case.folder, "log.csv", "user,item,time\nu,a,5000\nu,b,6000\n")
    assert load_dataset(case.run(ColumnMapping(timestamp_unit="ms")).path)[1].timestamps.tolist() == [5.0, 6.0]


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


def test_names_that_lead_out_of_the_folder_are_refused(case: Case) -> None:
    for name in ("../x", "a/b", "", ".hidden"):
        with pytest.raises(DataError, match="can't name a data set"):
            import_dataset(case.items, case.log, ColumnMapping(), case.out, name)


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


def test_a_full_disk_is_one_sentence_and_keeps_the_earlier_data_set(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = case.run().info

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(InteractionLog, "save", full)
    with pytest.raises(DataError, match=r"the disk of .*datasets is full \([\d,]+ MB free\)"):
        case.run()
    assert [p.name for p in case.out.iterdir()] == ["mine"]
    assert load_dataset(case.out / "mine")[2] == before


def test_a_damaged_data_set_says_to_import_again(case: Case) -> None:
    path = case.run().path
    (path / "dataset.json").write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(DataError, match=r"schema version 99.*sidra import"):
        load_dataset(path)
    (path / "dataset.json").write_text("{")
    with pytest.raises(DataError, match="sidra import"):
        load_dataset(path)
    with pytest.raises(DataError, match="holds no data set"):
        load_dataset(path / "elsewhere")


def test_a_new_data_set_that_cannot_take_its_name_gives_way_to_the_old_one(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = case.run().info
    rename = Path.rename

    def stubborn(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(OSError, match="Input/output"):
        case.run()
    assert [p.name for p in case.out.iterdir()] == ["mine"]
    assert load_dataset(case.out / "mine")[2] == before


def test_what_a_killed_import_left_is_cleared(case: Case) -> None:
    case.run()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (case.out / "mine").rename(case.out / f".mine.{dead.pid}.old")
    (case.out / f".mine.{dead.pid}.new").mkdir()
    (case.out / f".mine.{os.getppid()}.new").mkdir()
    (case.out / ".mine.keep").touch()
    put(case.folder, "log.csv", "user_id,item_id,timestamp\nu1,a,2024-01-01\n")
    case.run()
    left = sorted(p.name for p in case.out.iterdir())
    assert left == sorted(["mine", ".mine.keep", f".mine.{os.getppid()}.new"])
