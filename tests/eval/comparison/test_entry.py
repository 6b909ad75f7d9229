"""A row: measures follow from the places of the targets, and survive being written down."""

from __future__ import annotations

import math
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from eval.comparison.entry import Cost, Entry, make_entry


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
@examples(max_examples=20, deadline=None)
def test_measures_equal_plain_sums_over_users(ranks):
    entry = make_entry("x", np.array(ranks), Cost(), 0, seed=0)
    for cut in (5, 10):
        hits = [r for r in ranks if 1 <= r <= cut]
        assert entry.measures[f"recall@{cut}"].value == pytest.approx(len(hits) / len(ranks))
        gain = sum(1 / math.log2(r + 1) for r in hits) / len(ranks)
        assert entry.measures[f"ndcg@{cut}"].value == pytest.approx(gain)
        assert len(entry.per_user()[f"ndcg@{cut}"]) == len(ranks)
    assert all(0 <= r <= 10 for r in entry.ranks)


def test_an_interval_holds_its_value_and_is_wider_for_fewer_users():
    few = make_entry("x", np.array([1, 0, 3, 0] * 3), Cost(), 0, seed=0).measures["recall@10"]
    many = make_entry("x", np.array([1, 0, 3, 0] * 100), Cost(), 0, seed=0).measures["recall@10"]
    assert few.low <= few.value <= few.high
    assert few.high - few.low > many.high - many.low > 0


def test_a_row_reads_back_as_it_was_written():
    entry = make_entry(
        "x", np.array([2, 0, 11]), Cost(1.234, 2.345), 7, seed=1, settings={"a": 1}, validation={"ndcg@10": 0.1}
    )
    assert Entry.model_validate_json(entry.model_dump_json()) == entry
    assert entry.ranks == [2, 0, 0]
    assert entry.seconds == 1.2


def test_cost_adds_up_over_blocks():
    cost = Cost()
    with cost:
        time.sleep(0.05)
    first = cost.seconds
    assert first >= 0.05
    with cost:
        sum(n * n for n in range(100_000))
    assert cost.seconds > first
    assert cost.cpu_seconds > 0


def test_cost_counts_work_not_waiting():
    # in a process of its own: threads of other tests' libraries may still be at work in this one
    script = (
        "import time; from eval.comparison.entry import Cost\nwith Cost() as c: time.sleep(1)\nprint(c.cpu_seconds)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert float(done.stdout) < 0.5
