"""The measurements on a real release, small but built by the real pipeline."""

import signal
import subprocess
import sys

import pytest

from app.client import SidraClient
from eval.bench.api import bench_api
from eval.conversation_runner import run_conversations
from eval.offline import MODELS, evaluate_offline
from eval.script import Script
from eval.server import ServerError, api_server
from eval.validity import check_validity

SCRIPT = {
    "name": "drama",
    "kind": "filter and reason",
    "about": "A genre under a page filter, then a reason, then an odd message.",
    "user": "known",
    "turns": [
        {
            "say": "a drama please",
            "filter": {"all_of": [{"field": "year", "op": "range", "value": [1970, None]}]},
            "expect": {
                "cards": {"min": 1, "max": 5},
                "all": [{"field": "genre", "contains": "Drama"}, {"field": "year", "at_least": 1970}],
                "steps": ["understand", "recommend", "respond"],
            },
        },
        {"say": "why the first one?", "expect": {"keeps_slate": True, "speaks_of_slot": 1}},
        {"say": "🎬 שלום", "expect": {"refused": "may"}},
    ],
}


def test_offline_evaluation_of_a_real_release(tiny_recommender):
    report = evaluate_offline(tiny_recommender, users=80, resamples=100, instruction_pairs=20, command="x")
    figures = report.figures
    assert figures["users"] == 80
    for model in MODELS:
        assert 0 <= figures[f"ndcg@10.{model}"] <= figures[f"recall@10.{model}"] <= 1
    # The synthetic people stick to their genres, so a trained release can't be blind.
    assert figures["recall@10.sidra"] > 10 / len(tiny_recommender.catalogue)
    assert report.context.release == tiny_recommender.release.id


def test_random_requests_get_valid_items_only(tiny_recommender):
    found = check_validity(tiny_recommender, tiny_recommender.log, requests=1_000, seed=11, models=("sidra",))
    assert (found.invalid_items, found.short_lists, found.unsorted_lists) == (0, 0, 0), found.examples
    assert found.empty > 0
    assert found.items > 5_000


def test_the_other_models_return_valid_items_too(tiny_recommender):
    models = ("generator", "item_cf", "popularity")
    found = check_validity(tiny_recommender, tiny_recommender.log, requests=300, seed=12, models=models)
    assert (found.invalid_items, found.unsorted_lists) == (0, 0), found.examples


def test_conversations_and_bench_over_a_server_of_its_own(tiny_home):
    with api_server({"home": str(tiny_home), "llm": "none"}) as address:
        with SidraClient(address) as client:
            report = run_conversations(client, [Script.model_validate(SCRIPT)], command="x")
        bench = bench_api({"none": address}, user="u1", limit_s=5.0, command="x")
    failed = [
        (t["say"], t["failed"]) for c in report.detail["conversations"] for r in c["runs"] for t in r if t["failed"]
    ]
    assert failed == []
    assert report.figures["conversations_passed"] == 1
    assert bench.figures["failed_turns"] == 0, bench.detail
    assert bench.figures["first_cards_s_p50"] == bench.figures["first_cards_s_p50.none"] < 5
    assert bench.figures["first_words_s_p50"] < 5


def test_a_server_that_can_not_get_ready_says_why(tmp_path):
    with (
        pytest.raises(ServerError, match=r"can.t get ready: .*sidra build"),
        api_server({"home": str(tmp_path), "llm": "none"}, wait_s=90),
    ):
        pass


def test_a_terminated_measurement_leaves_no_server_behind(tiny_home):
    code = (
        "import sys, time\n"
        "from eval.server import api_server\n"
        f"with api_server({{'home': {str(tiny_home)!r}, 'llm': 'none'}}) as address:\n"
        "    print(address, flush=True)\n"
        "    time.sleep(120)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip()
        with SidraClient(address) as client:
            assert client.alive()
            process.terminate()
            assert process.wait(timeout=60) == 128 + signal.SIGTERM
            assert not client.alive()
    finally:
        process.kill()
        process.wait()
