"""Sequences by time and their split, with planted leaks that must be found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.splits import Split, leakage_check, leave_last_out
from recsys_core.catalog.synth import synthetic
from recsys_core.errors import DataError

rows = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 7), st.integers(0, 4)), max_size=40)


def log_of(entries: list[tuple[str, int, int]]) -> InteractionLog:
    frame = pl.DataFrame(
        {
            "user_id": pl.Series([u for u, _, _ in entries], dtype=pl.String),
            "item": pl.Series([i for _, i, _ in entries], dtype=pl.Int64),
            "timestamp": pl.Series([float(t) for _, _, t in entries], dtype=pl.Float64),
            "value": pl.Series([float(n) for n in range(len(entries))], dtype=pl.Float64),
            "kind": pl.Series(["odd" if n % 2 else "even" for n in range(len(entries))], dtype=pl.String),
        }
    )
    return InteractionLog.from_frame(frame, 8)


def plain(entries: list[tuple[str, int, int]]) -> dict[str, list[tuple[int, int]]]:
    """User -> (item, row) sorted by time; Python's sort is stable, so ties keep the order of the rows."""
    by_user: dict[str, list[tuple[int, int, int]]] = {}
    for number, (user, item, time) in enumerate(entries):
        by_user.setdefault(user, []).append((time, item, number))
    return {u: [(i, n) for _, i, n in sorted(r, key=lambda x: x[0])] for u, r in by_user.items()}


@given(rows)
@settings(max_examples=200, deadline=None)
def test_log_and_split_equal_a_plain_one(entries: list[tuple[str, int, int]]) -> None:
    log = log_of(entries)
    expected = plain(entries)
    assert log.users == list(expected)
    split = leave_last_out(log)
    leakage_check(split)
    evaluated = []
    for user_id, sequence in expected.items():
        user = log.user(user_id)
        assert user is not None
        items = [item for item, _ in sequence]
        span = slice(log.offsets[user], log.offsets[user + 1])
        assert log.sequence(user).tolist() == items
        assert log.values[span].tolist() == [row for _, row in sequence]
        assert [log.kind_names[k] for k in log.kinds[span]] == ["odd" if row % 2 else "even" for _, row in sequence]
        if len(items) < 3:
            assert split.train_sequence(user).tolist() == items
            with pytest.raises(DataError):
                split.test_history(user)
            continue
        position = len(evaluated)
        evaluated.append(user)
        assert split.train_sequence(user).tolist() == items[:-2] == split.validation_history(user).tolist()
        assert split.validation_items[position] == items[-2]
        assert split.test_items[position] == items[-1]
        assert split.test_history(user).tolist() == items[:-1]
    assert split.users.tolist() == evaluated
    assert log.user("nobody") is None


def test_save_and_load(tmp_path: Path) -> None:
    _, log = synthetic(50, 30, seed=5)
    log.save(tmp_path / "log.parquet")
    again = InteractionLog.load(tmp_path / "log.parquet")
    assert again.users == log.users
    assert again.n_items == log.n_items
    assert again.kind_names == log.kind_names
    for name in ("offsets", "items", "timestamps", "values", "kinds"):
        assert np.array_equal(getattr(again, name), getattr(log, name))
        assert getattr(again, name).dtype == getattr(log, name).dtype
    (tmp_path / "bad.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match=r"bad\.parquet"):
        InteractionLog.load(tmp_path / "bad.parquet")
    assert log.popularity().sum() == len(log)


def test_bad_rows_are_named() -> None:
    with pytest.raises(DataError, match="interaction 2 points at item 9 of a catalogue of 8"):
        log_of([("a", 1, 0), ("a", 9, 0)])
    frame = pl.DataFrame({"user_id": ["a"], "item": [1], "timestamp": [float("nan")]})
    with pytest.raises(DataError, match="interaction 1 has no usable timestamp"):
        InteractionLog.from_frame(frame, 8)


def sound() -> Split:
    return leave_last_out(synthetic(60, 40, seed=1)[1])


def test_a_target_planted_in_training_is_found() -> None:
    split = sound()
    user = int(split.users[3])
    # The user's training part grows by the validation item.
    end = split.train_offsets[user + 1]
    offsets = split.train_offsets.copy()
    offsets[user + 1 :] += 1
    leaked = replace(
        split, train_items=np.insert(split.train_items, end, split.validation_items[3]), train_offsets=offsets
    )
    with pytest.raises(DataError, match=f"{split.log.users[user]!r}.*leaks into its own history"):
        leakage_check(leaked)


def test_a_target_swapped_into_training_is_found() -> None:
    split = sound()
    items = split.train_items.copy()
    items[split.train_offsets[split.users[5]]] = split.test_items[5]
    with pytest.raises(DataError, match=f"{split.log.users[split.users[5]]!r}"):
        leakage_check(replace(split, train_items=items))


def test_moved_targets_and_time_that_runs_backwards_are_found() -> None:
    split = sound()
    swapped = replace(split, validation_items=split.test_items, test_items=split.validation_items)
    with pytest.raises(DataError, match="validation item isn't at its place"):
        leakage_check(swapped)
    user = int(split.users[2])
    times = split.log.timestamps.copy()
    times[split.log.offsets[user]] = times[split.log.offsets[user + 1] - 1] + 1
    with pytest.raises(DataError, match=f"{split.log.users[user]!r}: timestamps run backwards"):
        leakage_check(leave_last_out(replace(split.log, timestamps=times)))


def test_a_user_left_out_of_the_evaluation_is_found() -> None:
    split = sound()
    fewer = replace(
        split, users=split.users[1:], validation_items=split.validation_items[1:], test_items=split.test_items[1:]
    )
    with pytest.raises(DataError, match="split again"):
        leakage_check(fewer)
