"""Research sets: tiny files of the same layout, every kind of damage, and the real ones where they are."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest

from recsys_core.catalog.benchmarks import (
    BENCHMARKS,
    DATA_DIR_VARIABLE,
    load_benchmark,
    read_published_sids,
    read_sequences,
    split_categories,
)
from recsys_core.catalog.splits import leakage_check, leave_last_out
from recsys_core.errors import ConfigError, DataError

SEQUENCES = "u1 10 2 7\nu2 7 2\n"
ITEMS = [
    {
        "item_id": 2,
        "title": "Probe",
        "description": "Reads heat.",
        "brand": "Acme",
        "categories": "Science,Test, Measure & Inspect,Probes",
    },
    {"item_id": 7, "title": "Glue", "description": None, "brand": "", "categories": None},
    {"item_id": 99, "title": "Never chosen", "description": "", "brand": "Acme", "categories": "Science"},
]


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))
    return path


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    for source in BENCHMARKS.values():
        put(tmp_path / source.folder / "sequences.txt.gz", SEQUENCES)
    put(tmp_path / "amazon18_scientific" / "items.jsonl.gz", "".join(json.dumps(item) + "\n" for item in ITEMS))
    table = "item_id\tasin\tattributes\n2\tA\tOPI|Makeup|Nail Polish\n7\tB\tUnknown|Skin Care\n"
    put(tmp_path / "amazon14_beauty" / "item_attributes.tsv.gz", table)
    put(tmp_path / "amazon14_sports" / "item_attribute_ids.json.gz", json.dumps({"2": [1, 5], "10": [5]}))
    return tmp_path


@pytest.mark.parametrize("name", BENCHMARKS)
def test_users_keep_their_order_and_items_are_those_that_somebody_chose_by_number(data_dir, name):
    catalogue, log = load_benchmark(name, data_dir)
    assert catalogue.ids == ["2", "7", "10"]
    assert log.users == ["u1", "u2"]
    assert [log.sequence(user).tolist() for user in (0, 1)] == [[2, 0, 1], [1, 0]]
    assert log.timestamps.tolist() == [0, 1, 2, 0, 1]
    assert catalogue.item_noun == BENCHMARKS[name].noun
    leakage_check(leave_last_out(log))


def test_described_items_have_their_words_and_others_their_id(data_dir):
    catalogue, _ = load_benchmark("scientific", data_dir)
    probe, glue, unknown = (catalogue.get(i) for i in ("2", "7", "10"))
    assert (probe.title, probe.text) == ("Probe", "Reads heat.")
    assert probe.attributes == {"category": ["Test, Measure & Inspect", "Probes"], "brand": "Acme"}
    assert (glue.title, glue.text, glue.attributes) == ("Glue", "", {})
    assert (unknown.title, unknown.text) == ("10", "")


def test_named_attributes_stand_for_a_title_and_numbered_ones_do_not(data_dir):
    beauty, _ = load_benchmark("beauty", data_dir)
    assert beauty.titles == ["OPI, Makeup, Nail Polish", "Skin Care", "10"]
    assert beauty.tags("category") == [["OPI", "Makeup", "Nail Polish"], ["Skin Care"], []]
    sports, _ = load_benchmark("sports", data_dir)
    assert sports.titles == sports.ids
    assert sports.tags("attribute") == [["1", "5"], [], ["5"]]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("A,B,C", ["A", "B", "C"]),
        ("Tapes, Adhesives & Sealants,Tubing, Pipe & Hose", ["Tapes, Adhesives & Sealants", "Tubing, Pipe & Hose"]),
        ("A,,B,", ["A", "B"]),
        ("", []),
    ],
)
def test_a_comma_before_a_blank_belongs_to_the_name(text, names):
    assert split_categories(text) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("u1 1 2\nu2\n", r"line 2: expected `user item item"),
        ("u1 1\n\nu2 3\n", "line 2"),
        ("u1 1\nu2 2\nu1 3\n", r"line 3: user 'u1' has a line already"),
        ("", "holds no sequences"),
    ],
)
def test_sequences_that_cannot_be_read_are_refused_with_their_line(tmp_path, text, message):
    path = put(tmp_path / "sequences.txt.gz", text)
    with pytest.raises(DataError, match=message) as caught:
        read_sequences(path)
    assert str(path) in str(caught.value)


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _spoil(data: bytes) -> bytes:
    return data[:30] + bytes(255 - byte for byte in data[30:60]) + data[60:]


@pytest.mark.parametrize(
    "damage", [_cut, _spoil, lambda data: b"plain text", lambda data: gzip.compress(b"u1 \xff\xfe 3")]
)
def test_a_damaged_file_is_refused_with_its_name(tmp_path, damage):
    path = tmp_path / "sequences.txt.gz"
    lines = "".join(f"u{i} {i * 7919 % 1000} {i * 104729 % 1000}\n" for i in range(300))
    path.write_bytes(damage(gzip.compress(lines.encode())))
    with pytest.raises(DataError, match=r"sequences\.txt\.gz can't be read"):
        read_sequences(path)


@pytest.mark.parametrize(
    ("name", "file", "text", "message"),
    [
        (
            "scientific",
            "amazon18_scientific/items.jsonl.gz",
            '{"item_id": 2}\n{"item_id": 7',
            "line 2: expected a JSON",
        ),
        (
            "scientific",
            "amazon18_scientific/items.jsonl.gz",
            '{"title": "no id"}\n',
            "line 1: expected a JSON object with",
        ),
        ("scientific", "amazon18_scientific/items.jsonl.gz", "[]\n", "line 1"),
        (
            "scientific",
            "amazon18_scientific/items.jsonl.gz",
            '{"item_id": 2}\n{"item_id": 2}\n',
            "line 2: item '2' has",
        ),
        (
            "beauty",
            "amazon14_beauty/item_attributes.tsv.gz",
            "item_id\tasin\tattributes\n2\tA\n",
            "line 2: expected item_id",
        ),
        ("sports", "amazon14_sports/item_attribute_ids.json.gz", '{"2": [1', "is not JSON"),
        ("sports", "amazon14_sports/item_attribute_ids.json.gz", "[1, 2]", "must hold a JSON object"),
    ],
)
def test_damaged_item_files_are_refused_with_file_and_line(data_dir, name, file, text, message):
    put(data_dir / file, text)
    with pytest.raises(DataError, match=message) as caught:
        load_benchmark(name, data_dir)
    assert Path(file).name in str(caught.value)


def test_a_missing_item_file_says_where_the_set_comes_from(data_dir):
    (data_dir / "amazon18_scientific" / "items.jsonl.gz").unlink()
    with pytest.raises(DataError, match=r"items\.jsonl\.gz is missing; docs/data\.md"):
        load_benchmark("scientific", data_dir)


def test_the_folder_is_named_or_taken_from_the_environment(data_dir, monkeypatch):
    monkeypatch.delenv(DATA_DIR_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=DATA_DIR_VARIABLE):
        load_benchmark("beauty")
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(data_dir))
    assert len(load_benchmark("beauty")[0]) == 3
    with pytest.raises(DataError, match=r"sequences\.txt\.gz is missing"):
        load_benchmark("beauty", data_dir / "elsewhere")
    with pytest.raises(ConfigError, match="beauty, scientific, sports"):
        load_benchmark("movies", data_dir)


def test_published_sids_follow_the_catalogue(tmp_path):
    path = put(tmp_path / "sid.json.gz", '{"7": [3, 0], "2": [1, 255], "99": [5, 5]}')
    sids = read_published_sids(path, ["2", "7"])
    assert sids.dtype == np.int32
    assert sids.tolist() == [[1, 255], [3, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"2": [1, 2]}', r"no semantic ID of item '7' \(and of 1 more"),
        ('{"2": [1, 2], "7": [1], "8": [1, 2]}', "item '7' must be a list"),
        ('{"2": [1, 2], "7": [1, -2], "8": [1, 2]}', "item '7' must be a list"),
        ('{"2": [1, 2], "7": [1, 2.5], "8": [1, 2]}', "item '7' must be a list"),
        ('{"2": [1, 2], "7": "12", "8": [1, 2]}', "item '7' must be a list"),
        ('{"2": [], "7": [], "8": []}', "item '2' must be a list"),
        ('{"2": [1, 3000000000], "7": [1, 2], "8": [1, 2]}', "item '2' must be a list"),
        ("[[1, 2]]", "JSON object"),
        ("{", "is not JSON"),
    ],
)
def test_sids_that_do_not_fit_the_catalogue_are_refused(tmp_path, text, message):
    path = put(tmp_path / "sid.json.gz", text)
    with pytest.raises(DataError, match=message):
        read_published_sids(path, ["2", "7", "8"])


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "users", "items", "interactions"),
    [("scientific", 8_317, 4_344, 58_492), ("beauty", 22_363, 12_101, 198_502), ("sports", 35_598, 18_357, 296_337)],
)
def test_the_real_sets_have_the_published_size(name, users, items, interactions):
    named = os.environ.get(DATA_DIR_VARIABLE)
    if not named or not (Path(named) / BENCHMARKS[name].folder).is_dir():
        pytest.skip(f"the research set {name} isn't here; {DATA_DIR_VARIABLE} names the folder of the sets")
    catalogue, log = load_benchmark(name)
    assert (log.n_users, len(catalogue), len(log)) == (users, items, interactions)
    assert catalogue.fields[next(iter(catalogue.fields))].coverage > 0.9
    split = leave_last_out(log)
    assert len(split.users) == users
    leakage_check(split)
