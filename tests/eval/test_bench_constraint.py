"""The masking bench measures every method on the same states, counts the work, and draws it."""

import sys

import numpy as np
import pytest
import torch

from eval.bench.constraint.catalogue import build_here, measure_build, random_sids
from eval.bench.constraint.config import BenchConfig
from eval.bench.constraint.measure import bench_constraint, short
from eval.bench.constraint.plot import step_table, write_plot
from eval.bench.constraint.table import step_tables
from recsys_core.errors import ConfigError

SMALL = BenchConfig(
    items=(60, 1000),
    levels=3,
    vocab=40,
    beams=5,
    rounds=2,
    methods=("sidra_plain", "sidra_live", "sidra_cached", "sidra_compacted", "sidra_processor", "csr_eager"),
)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    monkeypatch.setattr("eval.bench.constraint.measure.measure_build", build_here)


def test_every_promised_figure_is_there():
    told = []
    report = bench_constraint(SMALL, command="sidra bench constraint", progress=lambda *step: told.append(step))
    for at in ("@60", "@1e3", "@60.zipf", "@1e3.zipf"):
        for name in ("build_s", "bytes_per_item", "build_peak_mb", "rule_first_step_ms"):
            assert report.figures[name + at] > 0
        for method in SMALL.methods:
            assert report.figures[f"step_us.{method}{at}"] > 0
            assert report.figures[f"step_best_us.{method}{at}"] > 0
            assert report.figures[f"ratio.{method}{at}"] > 0
            assert len(report.detail["levels_us"][at][method]["mask"]) == 3
        assert report.figures[f"ratio.csr_eager{at}"] == 1
        assert report.figures[f"disagreements{at}"] == 0
    assert report.figures["peak_memory_mb"] > 10
    assert told[-1] == ("masking @1e3.zipf", 2, 2)


def test_work_is_counted():
    work = bench_constraint(SMALL, command="x").detail["work"]["@1e3"]
    assert work["csr_eager"]["open"] == work["sidra_plain"]["open"]
    assert all(p >= o for p, o in zip(work["csr_eager"]["places"], work["csr_eager"]["open"], strict=True))
    assert work["csr_eager"]["places"][0] == 5 * 40
    assert sum(work["sidra_compacted"]["open"]) < sum(work["sidra_cached"]["open"]) < sum(work["sidra_plain"]["open"])
    assert work["sidra_cached"]["open"] == work["sidra_live"]["open"]


def test_what_cannot_be_measured_is_said(monkeypatch):
    monkeypatch.setattr("eval.bench.constraint.methods.TRIE_ITEMS", 10)
    config = SMALL.model_copy(update={"items": (60,), "codes": ("uniform",), "methods": ("sidra_plain", "prefix_fn")})
    report = bench_constraint(config, command="x")
    assert "step_us.prefix_fn@60" not in report.figures
    assert "more than 10 items" in report.detail["left_out"]["prefix_fn@60"]


def test_a_table_says_how_methods_compare():
    report = bench_constraint(SMALL.model_copy(update={"items": (60,)}), command="x")
    uniform, zipf = step_tables(report)
    assert uniform.columns[2].header == zipf.columns[2].header == "x csr_eager"
    cells = dict(zip(uniform.columns[0].cells, uniform.columns[2].cells, strict=True))
    assert cells["csr_eager"] == "1.00"
    assert cells["sidra_live"] == f"{report.figures['ratio.sidra_live@60']:.2f}"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_every_method_is_left_out_with_the_reason():
    config = SMALL.model_copy(update={"items": (60,), "codes": ("uniform",), "device": "cuda"})
    report = bench_constraint(config, command="x")
    assert set(report.detail["left_out"].values()) == {"no GPU that torch can use is here"}
    assert not any(name.startswith("step_us") for name in report.figures)
    assert report.figures["build_s@60"] > 0


def test_a_missing_library_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgrammar", None)
    config = SMALL.model_copy(update={"items": (60,), "codes": ("uniform",), "methods": ("sidra_plain", "xgrammar")})
    assert "xgrammar" in bench_constraint(config, command="x").detail["left_out"]["xgrammar@60"]


def test_unknown_methods_and_codes_are_refused():
    with pytest.raises(ConfigError, match="'magic'"):
        bench_constraint(BenchConfig(methods=("magic",)))
    with pytest.raises(ConfigError, match="uniform or zipf"):
        random_sids(5, 2, 9, "normal", 0)
    with pytest.raises(ConfigError, match="too few for 50 items"):
        random_sids(50, 2, 9, "uniform", 0)


@pytest.mark.parametrize("codes", ["uniform", "zipf"])
def test_semantic_ids_are_distinct_and_seeded(codes):
    sids = random_sids(3_000, 4, 30, codes, 7)
    assert sids.shape == (3_000, 4)
    assert len(np.unique(sids, axis=0)) == 3_000
    assert (sids == random_sids(3_000, 4, 30, codes, 7)).all()
    share = (sids == 0).mean()
    assert share > 0.15 if codes == "zipf" else share < 0.05


def test_sizes_are_short_names():
    assert [short(n) for n in (60, 1_000, 1_000_000, 1_500_000)] == ["60", "1e3", "1e6", "1500000"]


def test_the_page_shows_every_method(tmp_path):
    report = bench_constraint(SMALL.model_copy(update={"codes": ("uniform",)}), command="sidra bench constraint")
    sizes, table = step_table(report, "uniform")
    assert sizes == ["60", "1e3"]
    page = write_plot(report, tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert all(f"{table[name]['1e3']:,.0f}" in page and name in page for name in SMALL.methods)


def test_a_build_is_measured_in_a_process_of_its_own(monkeypatch):
    monkeypatch.undo()
    found = measure_build(500, 3, 40, "zipf", 0)
    assert found["build_s"] > 0
    assert found["bytes"] > 500
    assert found["build_peak_mb"] >= found["peak_before_mb"] > 10
