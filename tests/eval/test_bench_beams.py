"""The bench of cheaper searches pairs its arms, counts work and keeps what it trained."""

from __future__ import annotations

import numpy as np
import pytest

from eval.bench.beams import bench_beams
from eval.bench.beams_table import beams_table


@pytest.fixture(scope="module")
def report(tiny_recommender, tmp_path_factory):
    home = tmp_path_factory.mktemp("beams")
    first = bench_beams(tiny_recommender, home, users=20, requests=3, epochs=1, concurrency=2, command="x")
    again = bench_beams(tiny_recommender, home, users=20, requests=1, epochs=1, concurrency=0, command="x")
    return first, again


def test_every_way_is_a_row_and_the_reference_is_1(report):
    rows = {(row["group"], row["arm"]): row for row in report[0].detail["rows"]}
    assert {group for group, _ in rows} == {"served", "generator", "lm", "lazy"}
    for group in ("served", "generator", "lm"):
        first = rows[group, "beam50"]
        assert first["prefix_share"] == first["time_ratio"] == [1.0, 1.0, 1.0]
        assert first["recall_change"] == [0.0, 0.0, 0.0]
    for (group, arm), row in rows.items():
        assert row["prefixes"] >= 1
        assert (row["codes"] > 0) == (group in {"lm", "lazy"})
        if arm == "exact":
            assert row["found"] == 1.0
        else:
            assert row["found"] <= 1.0
    assert rows["lm", "growing50"]["prefixes"] <= rows["lm", "beam50"]["prefixes"]
    assert beams_table(report[0]).row_count == len(rows)


def test_figures_name_every_row_and_throughput_both_ways(report):
    figures = report[0].figures
    assert figures["prefix_share.served_exact"] > 0
    assert figures["requests_per_s_alone.c2"] > 0
    assert figures["requests_per_s_joined.c2"] > 0
    assert not any(".c2" in name for name in report[1].figures)
    assert all(np.isfinite(value) for value in figures.values())


def test_trained_decoders_are_taken_up_again(report):
    first, again = ({(r["group"], r["arm"]): r["recall"] for r in part.detail["rows"]} for part in report)
    assert first == again
