"""Hundreds of turns leave the process and its files as large as they are; what grows is seen."""

from __future__ import annotations

import asyncio
from pathlib import Path

from eval.bench.memory import Sample, bench_memory, growth, hold_turns, resident_mb, scripted_model, size_kb
from tests.agents.conftest import PlainRecommender, film_catalogue

TURNS = 160


def test_memory_and_files_stay_flat(tmp_path: Path) -> None:
    recommender = PlainRecommender(film_catalogue())
    report = bench_memory(recommender, scripted_model(), tmp_path, TURNS, keep=5)
    recommender.requests.clear()
    figures = report.figures
    assert figures["turns"] == TURNS
    grown = figures["rss_mb_end"] - figures["rss_mb_warm"]
    assert grown < 25, f"{grown:.1f} MiB more after {TURNS} turns"
    # deleted conversations give their pages back for new ones, and a finished turn keeps one checkpoint
    assert figures["files_kb_end"] < figures["files_kb_warm"] * 1.6 + 1500
    assert len(report.detail["samples"]) >= 40


def test_growth_is_a_slope_after_the_warm_up() -> None:
    flat = [Sample(turn=t, rss_mb=100 + (50 if t < 20 else 0), files_kb=10) for t in range(10, 101, 10)]
    assert growth(flat)["rss_mb_per_1000_turns"] == 0
    leak = [Sample(turn=t, rss_mb=100 + t / 10, files_kb=2 * t) for t in range(10, 101, 10)]
    assert growth(leak)["rss_mb_per_1000_turns"] == 100
    assert growth(leak)["files_kb_per_1000_turns"] == 2000


def test_turns_are_counted_to_the_last(tmp_path: Path) -> None:
    samples = asyncio.run(hold_turns(PlainRecommender(film_catalogue()), scripted_model(), tmp_path, 10, samples=5))
    assert [sample.turn for sample in samples] == [2, 4, 6, 8, 10]
    assert all(sample.rss_mb > 10 for sample in samples)
    assert resident_mb() > 10
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "x").write_bytes(b"x" * 2048)
    assert size_kb(tmp_path / "more") == 2
