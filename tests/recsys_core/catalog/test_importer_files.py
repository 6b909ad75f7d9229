"""Own data, file by file: encodings, separators, kinds of time, damage inside a file."""

from __future__ import annotations

import pytest

from recsys_core.catalog.dataset import load_dataset
from recsys_core.catalog.importer import ColumnMapping
from recsys_core.catalog.importer.readers import MAX_LINE_BYTES
from recsys_core.errors import DataError
from tests.recsys_core.catalog.own_data import ITEMS, LOG, Case, put


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
