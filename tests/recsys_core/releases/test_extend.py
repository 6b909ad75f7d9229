"""New items without training: found afterwards, and nothing that was there has moved."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.filters import ItemFilter
from recsys_core.catalog.importer import ColumnMapping
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import DataError, ReleaseError
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.releases.added import Extension, release_content, trained_items
from recsys_core.releases.extend import extend_release
from recsys_core.releases.new_items import joined, read_new_items
from recsys_core.releases.store import ReleaseStore
from recsys_core.serving.recommender import Recommender

ROWS = [
    {
        "id": "n1",
        "title": "The Lighthouse Ledger",
        "text": "A 1994 thriller from Kenya.",
        "genre": "Thriller",
        "year": 1994,
    },
    {
        "id": "n2",
        "title": "Sunday in Recife",
        "text": "A 1971 comedy from Brazil.",
        "genre": "Comedy|Romance",
        "year": 1971,
    },
    {
        "id": "n3",
        "title": "Glass Moon",
        "text": "A 2003 science fiction from Japan.",
        "genre": "Science Fiction",
        "year": 2003,
    },
]


def _file(folder, rows=ROWS, name="new.csv"):
    path = folder / name
    pl.DataFrame(rows).write_csv(path)
    return path


@pytest.fixture(scope="module")
def extended(tiny_home, tmp_path_factory):
    """A copy of the tiny home whose release was extended: store, parent, new release."""
    home = tmp_path_factory.mktemp("extended")
    shutil.copytree(tiny_home / "releases", home / "releases")
    store = ReleaseStore(home)
    parent = store.open()
    release = extend_release(store, _file(home))
    return store, parent, release


class TestTheNewRelease:
    def test_it_is_current_and_says_where_it_came_from(self, extended):
        store, parent, release = extended
        assert store.current_id() == release.id != parent.id
        extension = Extension.model_validate(release.manifest.config["extension"])
        assert extension == Extension(parent=parent.id, added=3, trained_items=240, source="new.csv")
        assert release.manifest.item_count == 243
        assert store.rollback() == parent.id
        store.use(release.id)

    def test_old_items_keep_index_semantic_id_and_vectors(self, extended):
        _, parent, release = extended
        assert Catalogue.load(release.catalogue).ids[:240] == Catalogue.load(parent.catalogue).ids
        for name in ("sids", "text_vectors", "item_vectors", "popularity"):
            before, after = np.load(getattr(parent, name)), np.load(getattr(release, name))
            assert (after[:240] == before).all(), name
            assert len(after) == 243
        old = np.load(parent.sids)
        assert ConstraintIndex.load(release.index).lookup(old).tolist() == list(range(240))

    def test_every_learned_weight_is_the_same(self, extended):
        _, parent, release = extended
        before = load_file(parent.generator / "model.safetensors")
        after = load_file(release.generator / "model.safetensors")
        assert before.keys() == after.keys()
        for name, weight in before.items():
            kept = after[name][: len(weight)] if weight.ndim else after[name]
            assert kept.tobytes() == weight.tobytes(), name

    def test_new_items_have_several_semantic_ids(self, extended):
        _, _, release = extended
        index = ConstraintIndex.load(release.index)
        assert (np.diff(index.item_leaf_start)[:240] == 1).all()
        assert (np.diff(index.item_leaf_start)[240:] > 1).all()
        assert (np.load(release.sids) == index.sids()).all()

    def test_content_of_old_items_is_centred_as_in_training(self, extended):
        _, parent, release = extended
        old = np.load(parent.text_vectors)
        assert trained_items(release) == 240
        assert (release_content(release, np.load(release.text_vectors))[:240] == release_content(parent, old)).all()


class TestTheyAreFound:
    @pytest.fixture(scope="class")
    def recommender(self, extended):
        return Recommender.open(extended[2])

    def test_by_search(self, recommender):
        assert "n3" in [hit.item_id for hit in recommender.search("science fiction from Japan 2003", k=10)]

    def test_by_the_collection(self, extended):
        recommender = Recommender.open(extended[2], vector_store="chroma")
        assert "n1" in [hit.item_id for hit in recommender.search("The Lighthouse Ledger", k=3)]
        recommender.close()

    def test_by_filters(self, recommender):
        rule = ItemFilter.model_validate({"all_of": [{"field": "year", "op": "eq", "value": 1994}]})
        assert rule.mask(recommender.catalogue)[240]

    @pytest.mark.parametrize("model", ["sidra", "generator"])
    def test_by_recommendation(self, recommender, model):
        everything_else = recommender.catalogue.ids[:240]
        result = recommender.recommend(
            [GenerateRequest(history=everything_else[:3], exclude=everything_else[3:], k=5)], model
        )[0]
        assert sorted(item.item_id for item in result.items) == ["n1", "n2", "n3"]
        assert all(np.isfinite(item.log_probability) for item in result.items)

    def test_as_history_and_by_likeness(self, recommender):
        assert len(recommender.recommend([GenerateRequest(history=["n1", "n2"], k=5)])[0].items) == 5
        assert len(recommender.similar("n2", k=4)) == 4


def test_a_release_can_be_extended_twice(extended, tmp_path):
    store, _, release = extended
    row = {"id": "m1", "title": "Winter Accounts", "genre": "Drama", "year": 1980}
    again = extend_release(store, _file(tmp_path, [row]), release=release)
    assert again.manifest.item_count == 244
    assert trained_items(again) == 240
    assert (np.load(again.sids)[:243] == np.load(release.sids)).all()
    assert len(Recommender.open(again).recommend([GenerateRequest(history=["m1"], k=3)])[0].items) == 3
    store.use(release.id)


class TestRefusals:
    @pytest.mark.parametrize(
        ("rows", "sentence"),
        [
            ([{**ROWS[0], "id": "i7"}], r"new.csv, row 2 has the id of an item that the release has already: 'i7'"),
            ([ROWS[0], ROWS[1], ROWS[0]], r"row 4 repeats the item id of an earlier row: 'n1'"),
            ([{**ROWS[0], "id": None}, ROWS[1]], "row 2 has no item id"),
            ([{**ROWS[0], "title": ""}], "row 2 has no title"),
            ([{**ROWS[0], "year": "soon"}], "row 2 has a value of 'year' that isn't a number: 'soon'"),
            ([{**ROWS[0], "colour": "red"}], "column 'colour' is no field of the release .*genre, year"),
        ],
    )
    def test_the_row_or_the_column_is_named_and_nothing_changes(self, extended, tmp_path, rows, sentence):
        store, parent, release = extended
        with pytest.raises(DataError, match=sentence):
            extend_release(store, _file(tmp_path, rows), release=parent)
        assert store.current_id() == release.id

    def test_a_file_without_items(self, extended, tmp_path):
        path = tmp_path / "none.csv"
        path.write_text("id,title\n", encoding="utf-8")
        with pytest.raises(DataError, match="no records"):
            extend_release(extended[0], path)

    def test_no_release_to_extend(self, tmp_path):
        with pytest.raises(ReleaseError, match="sidra build"):
            extend_release(ReleaseStore(tmp_path), _file(tmp_path))


class TestReading:
    def test_kinds_are_those_of_the_release(self, tiny_release, tmp_path):
        catalogue = Catalogue.load(tiny_release.catalogue)
        path = tmp_path / "new.jsonl"
        # alone, this column would be taken for a number or a flag
        path.write_text(
            json.dumps({"sku": "007", "name": "Seven", "maker": "1", "years": 1999}) + "\n", encoding="utf-8"
        )
        mapping = ColumnMapping().with_flags(["attribute.maker=maker", "attribute.year=years"])
        new = read_new_items(path, mapping, catalogue)
        assert new.item(0).attributes == {"maker": "1", "year": 1999}
        assert list(new.fields) == list(catalogue.fields)
        both = joined(catalogue, new)
        assert both.ids[:-1] == catalogue.ids
        assert both.item(5) == catalogue.item(5)
        assert both.frame.schema == catalogue.frame.schema
