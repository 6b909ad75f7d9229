"""The benches count what they say and report faults."""

from types import SimpleNamespace
from typing import Any

import pytest

from eval.bench.api import TurnTime, settled, turn_figures
from eval.bench.generate import bench_generate, peak_memory_mb
from eval.bench.load import load
from recsys_core.errors import ConfigError
from recsys_core.generator.protocol import GenerateRequest


@pytest.fixture
def open_recommender(recommender):
    recommender.warm = lambda: None
    recommender.generator = "compact"
    recommender.joined = lambda batching: recommender
    return recommender


def test_generate_reports_every_promised_figure(open_recommender):
    report = bench_generate(
        open_recommender, requests=25, batches=2, validity=60, seed=1, command="sidra bench generate"
    )
    for name in ("latency_ms_p50", "latency_ms_p99", "latency_new_instruction_ms_p50", "requests_per_s_batch32"):
        assert report.figures[name] > 0
    assert report.figures["latency_ms_p50"] <= report.figures["latency_ms_p99"]
    assert report.figures["invalid_items"] == 0
    assert report.figures["random_requests"] == 60
    assert 10 < report.figures["peak_memory_mb"] < 100_000
    assert report.detail["batch"] == 32
    assert report.figures["load_requests"] == 200
    assert report.figures["load_errors"] == report.figures["load_invalid_items"] == report.figures["degraded"] == 0


def test_generate_counts_faults(open_recommender):
    open_recommender.mistakes.add("filter")
    report = bench_generate(open_recommender, requests=25, batches=1, validity=60, command="x")
    assert report.figures["invalid_items"] > 0
    assert report.figures["load_invalid_items"] > 0
    assert report.detail["validity"]["examples"]


def test_load_counts_errors_and_goes_on(open_recommender):
    original, asked = open_recommender.recommend, []

    def every_fifth_fails(requests, model="sidra"):
        asked.append(1)
        if len(asked) % 5 == 0:
            raise ConfigError("not now")
        return original(requests, model)

    ids = open_recommender.catalogue.ids
    requests = [GenerateRequest(history=[ids[n % 7]], k=3) for n in range(40)]
    open_recommender.recommend = every_fifth_fails
    figures = load(open_recommender, requests, concurrency=4)
    assert figures["load_errors"] == 8
    assert figures["load_requests"] == 40
    assert figures["load_ms_p50"] <= figures["load_ms_p99"]


def test_new_instructions_are_new(open_recommender):
    texts = []
    original = open_recommender.recommend
    open_recommender.recommend = lambda requests, model="sidra": (
        texts.append([r.instruction for r in requests]) or original(requests, model)
    )
    bench_generate(open_recommender, requests=30, batches=1, validity=0, concurrency=0, command="x")
    single = [t[0] for t in texts if len(t) == 1]
    new = [t for t in single if ", take " in t]
    assert len(set(new)) == 30


def test_turn_figures():
    turns = [
        TurnTime(say="a", first=True, first_cards_s=1.0, first_words_s=2.0, total_s=3.0, degraded=False),
        TurnTime(say="b", first=False, first_cards_s=3.0, first_words_s=4.0, total_s=5.0, degraded=True),
        TurnTime(say="c", first=False, first_cards_s=None, first_words_s=6.0, total_s=7.0, degraded=False, failed="x"),
    ]
    figures = turn_figures(turns, ".none")
    assert figures["first_cards_s_p50.none"] == 2.0
    assert figures["first_words_s_p50.none"] == 4.0
    assert (figures["turns.none"], figures["degraded_turns.none"], figures["failed_turns.none"]) == (3, 1, 1)


def test_peak_memory_is_in_megabytes():
    assert 10 < peak_memory_mb() < 100_000


def test_a_language_model_that_is_starting_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter(["starting", "starting", "ready", "never asked"])
    client: Any = SimpleNamespace(info=lambda: {"llm": {"state": next(states)}})
    monkeypatch.setattr("eval.bench.api.time.sleep", lambda seconds: None)
    assert settled(client)["llm"]["state"] == "ready"
    forever: Any = SimpleNamespace(info=lambda: {"llm": {"state": "starting"}})
    assert settled(forever, wait_s=0.0)["llm"]["state"] == "starting"
