"""What every vector store keeps; inherit and give ``make_store``."""

import numpy as np
import pytest

from recsys_core.catalog.filters import ItemFilter
from recsys_core.catalog.synth import synthetic
from recsys_core.errors import BuildError, FilterError, UnknownItemError

RULES = [
    {"all_of": [{"field": "genre", "op": "contains", "value": "comedy"}]},
    {"all_of": [{"field": "year", "op": "range", "value": [1980, 1999]}]},
    {"all_of": [{"field": "runtime", "op": "range", "value": [None, 100]}]},
    {
        "any_of": [
            {"field": "genre", "op": "in", "value": ["Drama", "Romance"]},
            {"field": "family", "op": "eq", "value": True},
        ]
    },
    {
        "none_of": [
            {"field": "country", "op": "contains", "value": "France"},
            {"field": "maker", "op": "eq", "value": "harbour"},
        ]
    },
    {"all_of": [{"field": "year", "op": "in", "value": [1951, 1960, 1987]}]},
    {
        "all_of": [
            {"none_of": [{"field": "year", "op": "range", "value": [1950, 1990]}]},
            {"field": "maker", "op": "in", "value": ["Meridian", "Old Mill"]},
        ]
    },
    {"all_of": [{"field": "genre", "op": "contains", "value": "no such genre"}]},
]


class VectorStoreContract:
    def make_store(self, catalogue, tmp_path):
        raise AssertionError("a subclass makes the store")

    @pytest.fixture
    def catalogue(self):
        return synthetic(150, 5, seed=3)[0]

    @pytest.fixture
    def vectors(self, catalogue):
        return np.random.default_rng(1).standard_normal((len(catalogue), 16)).astype(np.float32)

    @pytest.fixture
    def store(self, catalogue, vectors, tmp_path):
        store = self.make_store(catalogue, tmp_path)
        store.add(catalogue.ids, vectors)
        yield store
        store.close()

    def expected(self, catalogue, vectors, query, k, mask):
        unit = vectors.astype(np.float64) / np.linalg.norm(vectors, axis=1, keepdims=True)
        similarity = unit @ (query / np.linalg.norm(query))
        order = [i for i in np.argsort(-similarity, kind="stable") if mask[i]][:k]
        return [catalogue.ids[i] for i in order], similarity[order]

    @pytest.mark.parametrize("k", [1, 10, 150, 500])
    def test_nearest_by_cosine_best_first(self, store, catalogue, vectors, k):
        query = vectors[7] + 0.3 * vectors[9]
        ids, similarity = self.expected(catalogue, vectors, query, k, np.ones(len(catalogue), bool))
        found = store.search(query, k)
        assert [item for item, _ in found] == ids
        np.testing.assert_allclose([value for _, value in found], similarity, atol=2e-6)

    @pytest.mark.parametrize("rule", RULES)
    @pytest.mark.parametrize("as_mask", [False, True])
    def test_rules_hold_and_nothing_allowed_is_missed(self, store, catalogue, vectors, rule, as_mask):
        where = ItemFilter.model_validate(rule)
        mask = where.mask(catalogue)
        for row in (0, 40):
            ids, _ = self.expected(catalogue, vectors, vectors[row], 12, mask)
            assert [item for item, _ in store.search(vectors[row], 12, mask if as_mask else where)] == ids

    def test_nothing_allowed_is_an_empty_answer(self, store, catalogue, vectors):
        assert store.search(vectors[0], 5, np.zeros(len(catalogue), bool)) == []

    def test_unknown_field_names_the_allowed_ones(self, store, vectors):
        rule = ItemFilter.model_validate({"all_of": [{"field": "colour", "op": "eq", "value": "red"}]})
        with pytest.raises(FilterError, match="genre"):
            store.search(vectors[0], 5, rule)

    def test_ties_keep_catalogue_order(self, catalogue, tmp_path):
        store = self.make_store(catalogue, tmp_path / "ties")
        same = np.zeros((len(catalogue), 16), np.float32)
        same[:, 0] = 1
        same[100:, 1] = 1
        store.add(catalogue.ids, same)
        assert [item for item, _ in store.search(same[0], 4, np.arange(150) >= 96)] == catalogue.ids[96:100]
        store.close()

    def test_adding_again_replaces(self, store, catalogue, vectors):
        store.add(catalogue.ids[:1], vectors[5:6])
        assert [item for item, _ in store.search(vectors[5], 2)] == [catalogue.ids[0], catalogue.ids[5]]

    def test_unknown_id_is_refused(self, store, vectors):
        with pytest.raises(UnknownItemError, match="nobody"):
            store.add(["nobody"], vectors[:1])

    def test_bad_vectors_are_refused_with_the_item(self, store, catalogue, vectors):
        broken = vectors[:3].copy()
        broken[1, 4] = np.nan
        with pytest.raises(BuildError, match=f"{catalogue.ids[1]!r}.*NaN"):
            store.add(catalogue.ids[:3], broken)
        with pytest.raises(BuildError, match="one row an id"):
            store.add(catalogue.ids[:3], vectors[:2])

    def test_bad_queries_are_refused(self, store, catalogue, vectors):
        for query, k, where in (
            (np.full(16, np.nan), 5, None),
            (vectors[0], 0, None),
            (vectors[0][:7], 5, None),
            (vectors[0], 5, np.ones(3, bool)),
        ):
            with pytest.raises(ValueError):  # noqa: PT011 - four different sentences
                store.search(query, k, where)
