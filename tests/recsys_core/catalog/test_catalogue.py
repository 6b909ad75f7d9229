"""The columnar catalogue: what goes in comes out, and damage is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import FieldKind
from recsys_core.catalog.synth import synthetic
from recsys_core.errors import DataError, FilterError, UnknownItemError


def small() -> Catalogue:
    return Catalogue(
        pl.DataFrame(
            {
                "id": ["x", "y", "z"],
                "title": ["One", "Two", "Three"],
                "image": ["http://x", None, None],
                "attr:tag": pl.Series([["B", "a"], ["b"], None], dtype=pl.List(pl.String)),
                "attr:size": pl.Series([1, None, 3], dtype=pl.Int32),
                "attr:weight": [1.5, float("nan"), None],
                "attr:maker": ["M", None, "m"],
                "attr:fresh": [True, None, False],
            }
        ),
        item_noun="things",
    )


def test_items_leave_out_what_is_missing() -> None:
    made = small()
    assert made.item(0).model_dump() == {
        "id": "x",
        "title": "One",
        "text": "",
        "attributes": {"tag": ["B", "a"], "size": 1, "weight": 1.5, "maker": "M", "fresh": True},
        "image": "http://x",
    }
    assert made.get("y").attributes == {"tag": ["b"]}
    assert made.get("z").attributes == {"size": 3, "maker": "m", "fresh": False}


def test_columns() -> None:
    made = small()
    assert np.array_equal(made.numbers("size"), [1, np.nan, 3], equal_nan=True)
    assert np.array_equal(made.numbers("weight"), [1.5, np.nan, np.nan], equal_nan=True)
    assert made.flags("fresh").tolist() == [1, -1, 0]
    assert made.strings("maker") == ["M", None, "m"]
    assert made.tags("tag") == [["B", "a"], ["b"], []]
    matrix, values = made.tag_matrix("tag")
    assert values == ["B", "a"]
    assert matrix.tolist() == [[True, True], [True, False], [False, False]]
    with pytest.raises(ValueError, match="read-only"):
        made.numbers("size")[0] = 5


def test_field_specs() -> None:
    fields = small().fields
    assert {name: spec.kind for name, spec in fields.items()} == {
        "tag": FieldKind.tags,
        "size": FieldKind.number,
        "weight": FieldKind.number,
        "maker": FieldKind.string,
        "fresh": FieldKind.flag,
    }
    assert (fields["size"].minimum, fields["size"].maximum, fields["size"].distinct) == (1.0, 3.0, 2)
    assert fields["tag"].coverage == pytest.approx(2 / 3)
    assert fields["tag"].values == ["B", "a"]
    assert fields["maker"].distinct == 1
    assert fields["weight"].coverage == pytest.approx(1 / 3)


def test_ids_and_unknown_ones() -> None:
    made = small()
    assert made.indices(["z", "x", "z"]).tolist() == [2, 0, 2]
    assert made.indices([]).dtype == np.int64
    assert "x" in made
    assert "q" not in made
    for ask in (made.index, made.get):
        with pytest.raises(UnknownItemError, match="'q'"):
            ask("q")
    with pytest.raises(UnknownItemError) as caught:
        made.indices(["p", "x", "q", "p"])
    assert caught.value.item_ids == ["p", "q"]


def test_wrong_field_or_kind() -> None:
    with pytest.raises(FilterError, match="allowed fields: fresh, maker, size, tag, weight"):
        small().numbers("colour")
    with pytest.raises(FilterError, match="'tag' is a tags field, not a number field"):
        small().numbers("tag")


def test_save_and_load_keep_everything(tmp_path: Path) -> None:
    for made in (small(), synthetic(30, 5)[0], synthetic(1, 1)[0]):
        made.save(tmp_path / "c.parquet")
        again = Catalogue.load(tmp_path / "c.parquet")
        assert again.frame.equals(made.frame)
        assert again.frame.schema == made.frame.schema
        assert again.item_noun == made.item_noun
        assert again.fields == made.fields


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": ["a"]}, "'title'"),
        ({"id": [], "title": []}, "at least one item"),
        ({"id": ["a", "a"], "title": ["x", "y"]}, "'a' occurs more than once"),
        ({"id": ["a", None], "title": ["x", "y"]}, "row 2 has no id"),
        ({"id": ["a", ""], "title": ["x", "y"]}, "row 2 has no id"),
        ({"id": ["a"], "title": ["x"], "attr:o": [{"k": 1}]}, "can't be of type"),
    ],
)
def test_damage_is_named(columns: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Catalogue(pl.DataFrame(columns))


def test_files_that_are_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.parquet"):
        Catalogue.load(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match=r"bad\.parquet"):
        Catalogue.load(tmp_path / "bad.parquet")


def test_many_sizes_of_synthetic_data_are_sound_and_repeatable() -> None:
    for size, users, seed in [(1, 1, 0), (2, 3, 1), (60, 40, 2), (350, 20, 3)]:
        catalogue, log = synthetic(size, users, seed)
        again, log_again = synthetic(size, users, seed)
        assert catalogue.frame.equals(again.frame)
        assert np.array_equal(log.items, log_again.items)
        assert len(set(catalogue.titles)) == size == len(catalogue)
        assert log.n_users == users
        assert log.n_items == size
