"""Facts of histories, and the profile that rules write from them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.synth import synthetic
from recsys_core.profiles import (
    MAX_TOKENS,
    Averages,
    Past,
    count_tokens,
    fitted,
    history_facts,
    rule_profile,
    split_lines,
)
from recsys_core.profiles.past import opinions


@pytest.fixture(scope="module")
def data() -> tuple[Catalogue, InteractionLog]:
    return synthetic(n_items=240, n_users=200, seed=1)


@pytest.fixture(scope="module")
def averages(data: tuple[Catalogue, InteractionLog]) -> Averages:
    catalogue, log = data
    return Averages(catalogue, log.popularity())


def _past(items: list[int], values: list[float] | None = None, kind: str = "rating", **more: object) -> Past:
    return Past(
        items=np.array(items, dtype=np.int64),
        values=np.array(values if values is not None else [1.0] * len(items)),
        times=np.arange(len(items)) * 3600.0 + 1e9,
        kinds=[kind] * len(items),
        **more,  # type: ignore[arg-type]
    )


def test_ratings_are_held_against_the_users_own_mean() -> None:
    strict = opinions(_past([0, 1, 2, 3], [1, 2, 2, 3]))
    kind = opinions(_past([0, 1, 2, 3], [3, 4, 4, 5]))
    assert strict.verdicts.tolist() == kind.verdicts.tolist() == [-1, 0, 0, 1]


def test_counts_are_no_ratings_and_thumbs_outrank_the_log() -> None:
    bought = opinions(_past([0, 1, 2], [1, 1, 9], kind="purchase"))
    assert bought.verdicts.tolist() == [1, 1, 1]
    judged = opinions(_past([0, 1, 2], [5, 1, 3], thumbs={0: -1, 7: 1}))
    assert dict(zip(judged.items.tolist(), judged.verdicts.tolist(), strict=True))[0] == -1
    assert 7 in judged.liked


def test_what_a_user_chooses_more_than_everybody_comes_first(averages: Averages) -> None:
    genres = averages.catalogue.tags("genre")
    thrillers = [n for n, own in enumerate(genres) if own == ["Thriller"]][:8]
    facts = history_facts(averages, _past(thrillers))
    assert facts.genres[0].value == "Thriller"
    assert facts.genres[0].lift > 2
    assert "Thriller" in rule_profile(facts).splitlines()[0]


def test_repeats_count_once(averages: Averages) -> None:
    once, often = (history_facts(averages, _past(items)) for items in ([3, 9, 14], [3, 9, 3, 9, 14, 14, 3, 9, 14]))
    assert once.items == often.items == 3
    assert {f.value: f.count for f in once.genres} == {f.value: f.count for f in often.genres}


def test_nothing_and_one_item_and_ten_thousand(averages: Averages) -> None:
    assert rule_profile(history_facts(averages, _past([]))) == ""
    one = history_facts(averages, _past([5]))
    assert one.known
    assert averages.catalogue.titles[5] in rule_profile(one)
    many = np.random.default_rng(0).integers(240, size=10_000).tolist()
    facts = history_facts(averages, _past(many, np.random.default_rng(1).integers(1, 6, size=10_000).tolist()))
    assert facts.interactions == 10_000
    assert 0 < count_tokens(rule_profile(facts)) <= MAX_TOKENS


def test_items_without_text_or_fields_still_give_a_profile() -> None:
    catalogue = Catalogue(pl.DataFrame({"id": ["a", "b", "c"], "title": ["", "Blue kettle", "Red kettle"]}))
    averages = Averages(catalogue)
    assert "kettle" in rule_profile(history_facts(averages, _past([1, 2]))).casefold()
    assert rule_profile(history_facts(averages, _past([0]))) == ""


def test_withdrawn_items_are_neither_named_nor_counted(averages: Averages) -> None:
    offered = np.ones(240, dtype=bool)
    offered[5] = False
    fewer = Averages(averages.catalogue.offering(offered))
    facts = history_facts(fewer, _past([5, 6]))
    assert facts.items == 1
    assert averages.catalogue.titles[5] not in rule_profile(facts)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 239), st.sampled_from([1.0, 2.0, 4.5, 5.0, float("nan")])), max_size=60))
def test_any_history_gives_a_profile_within_the_limit(events: list[tuple[int, float]]) -> None:
    catalogue, log = synthetic(n_items=240, n_users=20, seed=1)
    facts = history_facts(Averages(catalogue, log.popularity()), _past([i for i, _ in events], [v for _, v in events]))
    text = rule_profile(facts)
    assert count_tokens(text) <= MAX_TOKENS
    assert bool(text) == bool(events)
    for fact in [*facts.genres, *facts.creators, *facts.eras]:
        assert 0 <= fact.share <= 1 + 1e-9
        assert fact.count >= 1


@given(st.lists(st.text(max_size=200), max_size=8), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_fitted_lines_never_exceed_the_limit(lines: list[str], limit: int) -> None:
    kept = fitted([" ".join(line.split()) for line in lines], limit)
    assert sum(count_tokens(line) for line in kept) <= limit


def test_a_text_on_one_line_is_split_into_sentences() -> None:
    assert split_lines("Likes noir. Comes back to old films!\n") == ["Likes noir.", "Comes back to old films!"]
    assert split_lines("Likes noir.\n\n  Avoids  musicals. ") == ["Likes noir.", "Avoids musicals."]
