"""Tags of a catalogue, and the wishes chosen from them, against choosing by brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.interests.chips import ChipConfig, item_probabilities, likeliest_wishes
from recsys_core.interests.space import InterestSpace


def catalogue(kinds: list[list[str]], years: list[int] | None = None, origin: list[str] | None = None) -> Catalogue:
    columns: dict[str, object] = {
        "id": [str(n) for n in range(len(kinds))],
        "title": [f"Item {n}" for n in range(len(kinds))],
        "attr:kind": pl.Series(kinds, dtype=pl.List(pl.String)),
    }
    if years:
        columns["attr:year"] = years
    if origin:
        columns["attr:origin"] = origin
    return Catalogue(pl.DataFrame(columns))


def test_values_and_decades_become_tags() -> None:
    space = InterestSpace(
        catalogue([["a"], ["a", "b"], ["b"], ["rare"]], [1994, 1999, 2003, 2004], ["x", "x", "y", "y"]), min_items=2
    )
    assert [(t.field, t.value) for t in space.tags] == [
        ("kind", "a"), ("kind", "b"), ("year", "1990s"), ("year", "2000s"), ("origin", "x"), ("origin", "y"),
    ]  # fmt: skip
    nineties = space.find("year", "1990s")
    assert nineties is not None
    assert space.tags[nineties].low == 1990
    assert space.tags[nineties].high == 1999
    assert space.items_of([nineties]).tolist() == [0, 1]
    assert space.find("kind", "rare") is None


def test_every_item_counts_one_whatever_its_tags() -> None:
    space = InterestSpace(catalogue([["a", "b", "c"], ["a"]], origin=["x", "x"]), min_items=1)
    spread = dict(zip([t.value for t in space.tags], space.interests([0, 1]), strict=True))
    # each item's unit is halved between kind and origin; the first item's kind half is parted in three
    assert spread == pytest.approx({"a": (1 / 6 + 1 / 2) / 2, "b": 1 / 12, "c": 1 / 12, "x": 1 / 2})
    newest = space.interests([0, 1], half_life=1)
    assert newest[space.find("kind", "a")] > spread["a"]  # type: ignore[index]
    assert space.interests([]).sum() == 0


def test_probabilities_sum_to_one_and_survive_large_scores() -> None:
    assert item_probabilities(np.array([1000.0, 999.0])) == pytest.approx([0.7311, 0.2689], abs=1e-4)
    assert len(item_probabilities(np.zeros(0))) == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sets(st.sampled_from("abcde"), min_size=1, max_size=3), min_size=6, max_size=14),
    st.integers(0, 1000),
)
def test_the_first_wish_is_the_best_single_one_and_the_rest_are_greedy(kinds: list[set[str]], seed: int) -> None:
    space = InterestSpace(catalogue([sorted(k) for k in kinds]), min_items=1)
    n = len(kinds)
    chances = np.random.default_rng(seed).dirichlet(np.ones(n))
    config = ChipConfig(count=3, max_share=0.6, max_tag_share=1.0, min_items=1)
    offered = np.ones(n, dtype=np.bool_)
    found = likeliest_wishes(space, np.arange(n), chances, offered, config)
    has = space.matrix.toarray()
    pool = {
        tags: has[:, list(tags)].all(axis=1)
        for size in (1, 2)
        for tags in combinations(range(len(space)), size)
        if 0 < has[:, list(tags)].all(axis=1).mean() <= config.max_share
    }
    left = chances.copy()
    used: set[int] = set()
    for candidate in found:
        worth = {t: left[mask].sum() for t, mask in pool.items() if not used & set(t)}
        assert worth[candidate.tags] == pytest.approx(max(worth.values()))
        assert candidate.probability == pytest.approx(chances[pool[candidate.tags]].sum())
        left[pool[candidate.tags]] = 0
        used |= set(candidate.tags)


def test_limits_hold() -> None:
    kinds = [["common"]] * 8 + [["common", "a"]] * 5 + [["b"]] * 5
    space = InterestSpace(catalogue(kinds, origin=["x"] * 18), min_items=2)
    items, chances = np.arange(18), np.full(18, 1 / 18)
    offered = np.ones(18, dtype=np.bool_)
    named = lambda found: [[space.tags[t].value for t in c.tags] for c in found]  # noqa: E731
    assert named(likeliest_wishes(space, items, chances, offered, ChipConfig(max_share=0.3))) == [["a"], ["b"]]
    offered[13:] = False  # the person knows all of b
    assert named(likeliest_wishes(space, items, chances, offered, ChipConfig(max_share=0.3))) == [["a"]]
    assert likeliest_wishes(space, items, chances, offered, ChipConfig(max_share=0.3, fields=("origin",))) == []


def test_proposals_are_judged_like_all_others() -> None:
    kinds = [["a"]] * 5 + [["b"]] * 5 + [["c"]] * 40
    space = InterestSpace(catalogue(kinds), min_items=2)
    b = space.find("kind", "b")
    assert b is not None
    chances = np.zeros(50)
    chances[:5], chances[5:10] = 0.15, 0.05
    offered = np.ones(50, dtype=np.bool_)
    config = ChipConfig(considered=2, max_share=0.2)
    found = likeliest_wishes(space, np.arange(50), chances, offered, config, also=[(b,)])
    assert [space.tags[c.tags[0]].value for c in found] == ["a", "b"]
    assert likeliest_wishes(space, np.zeros(0, dtype=np.int64), np.zeros(0), offered, config) == []
