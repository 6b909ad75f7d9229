"""The plain-Python reading of a filter agrees with the vectorised one, item by item."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.conditions import satisfies
from eval.random_requests import random_filter
from recsys_core.catalog.filters import ItemFilter
from recsys_core.catalog.synth import synthetic


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_agrees_with_the_mask(seed):
    catalogue, _ = synthetic(60, 5, seed=2)
    rule = random_filter(catalogue, np.random.default_rng(seed))
    expected = [satisfies(catalogue.item(i), rule) for i in range(len(catalogue))]
    assert rule.mask(catalogue).tolist() == expected


def test_known_answers():
    catalogue, _ = synthetic(60, 5, seed=2)
    item = next(catalogue.item(i) for i in range(60) if "maker" not in catalogue.item(i).attributes)
    genre = item.attributes["genre"][0]

    def holds(**rule):
        return satisfies(item, ItemFilter.model_validate(rule))

    assert satisfies(item, None)
    assert holds()
    assert holds(all_of=[{"field": "genre", "op": "contains", "value": genre.upper()}])
    assert not holds(all_of=[{"field": "maker", "op": "in", "value": ["Northlight", "Harbour", "Blue Door"]}])
    assert holds(none_of=[{"field": "maker", "op": "eq", "value": "Harbour"}])
    assert holds(all_of=[{"field": "year", "op": "range", "value": [item.attributes["year"], None]}])
    assert not holds(all_of=[{"field": "year", "op": "range", "value": [item.attributes["year"] + 1, None]}])
    assert holds(any_of=[{"none_of": [{"field": "genre", "op": "contains", "value": "no such"}]}])
