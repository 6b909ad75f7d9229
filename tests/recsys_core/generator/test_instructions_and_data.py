"""Instructions mean what they say, and every training target obeys its instruction."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.baselines.popularity import popularity
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.splits import leave_last_out
from recsys_core.catalog.synth import synthetic
from recsys_core.generator.config import LARGE_LOG, LONG_HISTORIES, SMALL_LOG, CompactConfig, TrainConfig, recipe
from recsys_core.generator.data import epoch_batches, next_satisfying, pieces
from recsys_core.generator.instructions import (
    HOLIDAYS,
    Condition,
    attribute_conditions,
    evaluation_wordings,
    long_tail,
    moment_mask,
)
from recsys_core.generator.prepare import has_calendar, prepare_sampler, training_conditions
from recsys_core.generator.protocol import Task


@pytest.fixture(scope="module")
def world():
    catalogue, log = synthetic(n_items=80, n_users=60, seed=2)
    split = leave_last_out(log)
    text = np.random.default_rng(0).normal(size=(80, 8)).astype(np.float32)
    return catalogue, split, prepare_sampler(catalogue, split, text, seed=0)


def test_conditions_hold_for_the_items_they_name(world):
    catalogue, _, _ = world
    for condition in attribute_conditions(catalogue):
        field, value = condition.label.split("=", 1)
        for index in range(len(catalogue)):
            facts = catalogue.item(index).attributes
            if field == "decade":
                expected = int(facts["year"]) // 10 * 10 == int(value[:-1])
            else:
                found = facts.get(field, [])
                expected = value in (found if isinstance(found, list) else [found])
            assert condition.items[index] == expected, (condition.label, index)


def test_held_out_wordings_are_never_trained_on(world):
    catalogue, _, prepared = world
    trained = set(prepared.wordings)
    held_out = evaluation_wordings(catalogue, "genre")
    assert held_out
    assert not trained & {sentence for sentence, _, _ in held_out}


def test_every_target_obeys_its_instruction(world):
    _, split, prepared = world
    sampler = prepared.sampler
    meaning: dict[int, Condition] = {}
    for number, condition in enumerate(sampler.conditions):
        for offset in range(len(condition.wordings)):
            meaning[int(sampler.first_row[number]) + offset] = condition
    from recsys_core.generator.data import Sequences

    sequences = Sequences(split.train_offsets, split.train_items, split.log.timestamps[split.train_rows])
    rng = np.random.default_rng(4)
    seen_conditions = set()
    for _ in range(3):
        for batch in epoch_batches(
            sequences,
            sampler,
            prepared.top_attribute,
            window=8,
            batch_positions=128,
            instruction_share=0.8,
            rng=rng,
        ):
            assert batch.targets.shape[1] == batch.history.shape[1] + 1
            for row in range(len(batch.targets)):
                targets = batch.targets[row][batch.targets[row] >= 0]
                condition = meaning.get(int(batch.instruction[row]))
                if condition is not None and condition.items is not None:
                    seen_conditions.add(condition.label)
                    assert condition.items[targets].all()
                if batch.own_text[row] >= 0:
                    assert np.isin(targets, sampler.near_items[batch.own_text[row]]).all()
    assert len(seen_conditions) > 10


def test_plain_targets_are_the_next_items(world):
    _, split, prepared = world
    from recsys_core.generator.data import Sequences

    sequences = Sequences(split.train_offsets, split.train_items, split.log.timestamps[split.train_rows])
    batches = epoch_batches(
        sequences,
        prepared.sampler,
        prepared.top_attribute,
        window=8,
        batch_positions=64,
        instruction_share=0.0,
        rng=np.random.default_rng(0),
    )
    positions = 0
    for batch in batches:
        for history, targets in zip(batch.history, batch.targets, strict=True):
            known = history[history >= 0]
            assert targets[: len(known)].tolist() == known.tolist()
            positions += int((targets >= 0).sum())
    assert positions == len(split.train_items)


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_next_satisfying_equals_a_plain_search(marks, length):
    items = np.arange(100, 100 + len(marks))
    length = min(length, len(marks))
    if not marks:
        return
    expected = [next((int(items[j]) for j in range(i, len(marks)) if marks[j]), -1) for i in range(length)]
    assert next_satisfying(np.array(marks), items, length).tolist() == expected


@given(st.lists(st.integers(0, 25), min_size=1, max_size=12), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_pieces_cover_every_item_once(lengths, window, seed):
    from recsys_core.generator.data import Sequences

    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(offsets[-1])
    sequences = Sequences(offsets, np.arange(total), np.zeros(total))
    covered = []
    for start, stop, end in pieces(sequences, window, np.random.default_rng(seed)):
        assert 0 < stop - start <= window + 1
        assert stop <= end
        covered.extend(range(start, stop))
    assert sorted(covered) == list(range(total))


def test_long_tail_leaves_out_the_head():
    counts = np.array([100, 50, 10, 5, 5, 0])
    assert long_tail(counts).tolist() == [False, True, True, True, True, True]


@pytest.mark.parametrize(
    ("day", "holiday", "inside"),
    [
        ("1997-12-24", "the Christmas holidays", True),
        ("1997-12-02", "the Christmas holidays", False),
        ("1998-01-02", "New Year", True),
        ("1997-12-30", "New Year", True),
        ("1998-01-04", "New Year", False),
        ("1997-10-31", "Halloween", True),
    ],
)
def test_holidays_also_across_the_turn_of_the_year(day, holiday, inside):
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC, hour=20).timestamp()
    condition = Condition(Task.holiday, "h", ("w",), window=HOLIDAYS[holiday])
    assert bool(moment_mask(condition, np.array([moment]))[0]) is inside


def test_popularity_counts():
    assert popularity(np.array([0, 2, 2]), 4).tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize(
    ("timestamps", "calendar"),
    [
        ([], False),
        ([0.0, 1.0, 2.0], False),
        ([100_000.0], False),
        ([856_000_000.0], True),
        ([5.0, 1_700_000_000.0], True),
        ([-5.0, 3.0], False),
    ],
)
def test_positions_are_told_from_moments(timestamps, calendar):
    assert has_calendar(np.array(timestamps)) is calendar


def test_without_words_only_general_tasks_are_asked_for(world):
    catalogue, _, _ = world
    genres = pl.Series([catalogue.tags("genre")[row] for row in range(len(catalogue))], dtype=pl.List(pl.String))
    bare = Catalogue(pl.DataFrame({"id": catalogue.ids, "title": catalogue.ids, "attr:genre": genres}))
    counts = np.arange(len(catalogue))
    found = training_conditions(bare, counts, 0)
    assert found
    assert {c.task for c in found}.isdisjoint({Task.category, Task.query})
    assert {Task.long_tail, Task.holiday, Task.season} <= {c.task for c in found}
    spoken = training_conditions(catalogue, counts, 0)
    assert {Task.category, Task.query} <= {c.task for c in spoken}


def test_without_a_calendar_nobody_asks_for_a_season_or_a_holiday(world):
    catalogue, _, _ = world
    counts = np.arange(len(catalogue))
    timeless = training_conditions(catalogue, counts, 0, calendar=False)
    assert not [c for c in timeless if c.months or c.window]
    labels = [c.label for c in training_conditions(catalogue, counts, 0) if not (c.months or c.window)]
    assert [c.label for c in timeless] == labels, "everything else stays, in order"


def test_the_recipe_follows_the_size_of_the_log():
    dense = recipe(int(LONG_HISTORIES) * 100, 100)
    assert dense[0].content_width < CompactConfig().content_width
    assert dense[1] == TrainConfig()
    small = recipe(SMALL_LOG - 1, SMALL_LOG)
    middling = recipe(SMALL_LOG, SMALL_LOG)
    large = recipe(LARGE_LOG, LARGE_LOG)
    assert small[1].batch_positions < middling[1].batch_positions
    assert small[1].epochs > middling[1].epochs
    assert middling[0].dropout < large[0].dropout
    assert large[1].learning_rate < middling[1].learning_rate
    assert middling[0].dropout > dense[0].dropout
    assert middling[1].instruction_share < dense[1].instruction_share


@pytest.mark.parametrize(("positions", "users"), [(0, 0), (1, 0), (0, 5), (10, 1)])
def test_a_recipe_is_given_for_the_smallest_logs(positions, users):
    shape, settings_ = recipe(positions, users)
    assert shape.width % shape.heads == 0
    assert settings_.epochs > 0
