"""What a request says about its items survives the journey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys_core.catalog.filters import Condition, ItemFilter
from recsys_core.generator.vllm.rule import ServerRule, pack_items, unpack_items


@given(st.lists(st.integers(0, 299), max_size=80))
def test_item_indices_come_back_as_they_went(items):
    named = unpack_items(pack_items(items), 300)
    assert np.flatnonzero(named).tolist() == sorted(set(items))


def test_runs_are_short():
    assert pack_items([40, 3, 7, 8, 9, 10, 11, 12]) == "3,7-12,40"
    assert pack_items(np.arange(100_000)) == "0-99999"
    assert pack_items([]) == ""


@pytest.mark.parametrize("text", ["5-3", "10", "0-10", "4294967296"])
def test_items_that_nobody_has_are_refused(text):
    with pytest.raises(ValueError, match="isn't within the 10 items"):
        unpack_items(text, 10)


@pytest.mark.parametrize("text", ["3,", ",3", "3--4", "a", "1 2", "-1", "3-", "1e3"])
def test_anything_but_indices_and_runs_is_refused(text):
    with pytest.raises(ValidationError, match="item indices"):
        ServerRule(release="r", excluded=text)


def test_a_filter_survives():
    wanted = ItemFilter(
        all_of=[Condition(field="year", op="range", value=[1990, None])],
        none_of=[ItemFilter(any_of=[Condition(field="genre", op="contains", value="Drama")])],
    )
    rule = ServerRule(release="r", filter=wanted, excluded="3", probabilities="catalogue")
    assert ServerRule.model_validate_json(rule.model_dump_json(exclude_defaults=True)) == rule
