"""vLLM itself, started by the command that users start it with, on the lm of a release.

Skipped, with the reason, where its environment isn't installed (`make vllm`).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.settings import load_settings
from recsys_core.catalog.filters import Condition, ItemFilter
from recsys_core.errors import InstallError
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.generator.vllm.environment import installed_python
from recsys_core.generator.vllm.pool import model_name
from recsys_core.generator.vllm.rule import ARGUMENT, pack_items
from recsys_core.serving.families import Servers
from recsys_core.serving.recommender import Recommender

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1500)]

ROOT = Path(__file__).resolve().parents[4]
WORDS = ["", "comedies from France", "", "something for winter, please", "quiet drama"]
FILTERS = [
    None,
    ItemFilter(all_of=[Condition(field="genre", op="contains", value="Comedy")]),
    ItemFilter(all_of=[Condition(field="year", op="range", value=[1980, None])]),
    None,
    ItemFilter(none_of=[Condition(field="country", op="in", value=["France", "Japan"])]),
]


@pytest.fixture(scope="session")
def url(tiny_lm_home, tiny_lm_release):
    try:
        installed_python(load_settings().cache_dir)
    except InstallError as error:
        pytest.skip(str(error))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "app.cli", "serve-generator", "--home", str(tiny_lm_home), "--port", str(port)]
    process = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    ready = threading.Event()

    def listen():
        for line in process.stdout:
            said.append(line)
            if line.startswith("ready:"):
                ready.set()
        ready.set()

    threading.Thread(target=listen, daemon=True).start()
    server = f"http://127.0.0.1:{port}"
    assert ready.wait(620), said
    assert any(line.startswith(f"ready: {server}") for line in said), said
    yield server
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert "Stopping." in "".join(said)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server}/health", trust_env=False)


@pytest.fixture(scope="session")
def by_vllm(url, tiny_lm_release):
    made = Recommender.open(tiny_lm_release, threads=1, generator="vllm", servers=Servers((url,), timeout_s=60))
    yield made
    made.close()


def requests(recommender, count, seed=0):
    rng = np.random.default_rng(seed)
    ids = recommender.catalogue.ids
    return [
        GenerateRequest(
            history=[ids[i] for i in rng.choice(len(ids), rng.integers(0, 15), replace=False)],
            instruction=WORDS[n % len(WORDS)],
            filter=FILTERS[int(rng.integers(len(FILTERS)))],
            exclude=[ids[i] for i in rng.choice(len(ids), rng.integers(0, 5), replace=False)],
            k=20,
            beam=20,
        )
        for n in range(count)
    ]


def check(recommender, request, result):
    """Every item exists, once, and the rule allows it."""
    catalogue = recommender.catalogue
    ids = [item.item_id for item in result.items]
    rows = catalogue.indices(ids)
    assert len(set(ids)) == len(ids) == min(request.k, result.allowed)
    assert not set(ids) & ({*request.exclude} | {*request.history})
    if request.filter is not None:
        assert request.filter.mask(catalogue)[rows].all()
    for item, row in zip(result.items, rows.tolist(), strict=True):
        assert item.sid == recommender.scorer.sids[row].tolist()
    assert not result.degraded


@pytest.mark.parametrize("model", ["generator", "sidra"])
def test_the_same_top_20_as_in_process_on_100_requests(by_vllm, tiny_lm_recommender, model, capsys):
    asked = requests(by_vllm, 100)
    found, expected = by_vllm.recommend(asked, model), tiny_lm_recommender.recommend(asked, model)
    overlaps, apart = [], []
    for request, one, other in zip(asked, found, expected, strict=True):
        check(by_vllm, request, one)
        assert (one.generator, other.generator) == ("vllm", "lm")
        mine = {item.item_id: item.log_probability for item in one.items}
        theirs = {item.item_id: item.log_probability for item in other.items}
        overlaps.append(len(mine.keys() & theirs.keys()) / max(1, len(theirs)))
        apart += [abs(mine[name] - theirs[name]) for name in mine.keys() & theirs.keys()]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{model}: overlap {np.mean(overlaps):.4f}, log-probabilities at most {max(apart):.1e} apart\n"
        )
    assert np.mean(overlaps) >= 0.95
    assert max(apart) <= 1e-3


def complete(url, release, prompt, rule=None, **fields):
    body = {"model": model_name(release), "prompt": prompt, "temperature": 0, **fields}
    if rule is not None:
        body["vllm_xargs"] = {ARGUMENT: rule if isinstance(rule, str) else json.dumps(rule)}
    return httpx.post(f"{url}/v1/completions", json=body, timeout=120, trust_env=False)


def test_free_requests_in_the_same_batch_are_left_alone(url, by_vllm):
    release, family = by_vllm.release.id, by_vllm.scorer.family
    prompts = [one.prompt for one in family.encode([np.array([n, n + 3]) for n in range(12)], [""] * 12).asked]
    excluded = np.arange(0, len(by_vllm.catalogue), 2)
    rule = {"release": release, "excluded": pack_items(excluded)}
    levels = family.index.levels
    plain = {"max_tokens": 3, "logprobs": 5, "return_tokens_as_token_ids": True, "ignore_eos": True}

    def free(prompt):
        return complete(url, release, prompt, **plain).json()["choices"][0]["logprobs"]["top_logprobs"]

    def ruled(prompt):
        answer = complete(url, release, prompt, rule, max_tokens=levels + 1, return_token_ids=True).json()
        return answer["choices"][0]["token_ids"]

    alone = [free(prompt) for prompt in prompts]
    with ThreadPoolExecutor(24) as threads:
        both = [threads.submit(one, prompt) for prompt in prompts for one in (free, ruled)]
        answers = [each.result() for each in both]
    for before, now in zip(alone, answers[::2], strict=True):
        for first, second in zip(before, now, strict=True):
            assert first.keys() == second.keys()
            assert all(abs(first[token] - second[token]) < 1e-3 for token in first)
    layout = family.vocabulary.layout
    for tokens in answers[1::2]:
        *path, end = tokens
        assert end == layout.end
        item = int(family.index.lookup(np.array(path) - [layout.first(level) for level in range(levels)]))
        assert item >= 0
        assert item not in excluded


def test_whole_answers_that_are_sampled_are_allowed_items(url, by_vllm):
    release, family = by_vllm.release.id, by_vllm.scorer.family
    layout, levels = family.vocabulary.layout, family.index.levels
    rule = {"release": release, "filter": FILTERS[1].model_dump(mode="json")}
    prompt = family.encode([np.array([5])], [""]).asked[0].prompt
    answer = complete(
        url, release, prompt, rule, temperature=1.0, n=40, seed=1, max_tokens=levels + 1, return_token_ids=True
    )
    paths = np.array([choice["token_ids"][:levels] for choice in answer.json()["choices"]])
    items = family.index.lookup(paths - [layout.first(level) for level in range(levels)])
    assert len(set(items.tolist())) > 1
    assert FILTERS[1].mask(by_vllm.catalogue)[items].all()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"filter": {"all_of": [{"field": "colour", "op": "eq", "value": "red"}]}}, "unknown field 'colour'; allowed"),
        ({"colour": "red"}, "sidra_rule: colour: Extra inputs are not permitted; a rule has the fields"),
        ({"release": "older"}, "not for 'older'; ask a server of that release"),
        ({"excluded": "99999"}, "excluded: '99999' isn't within"),
        ({"probabilities": "catalogue"}, "set max_tokens to 1"),
    ],
)
def test_a_bad_rule_is_a_400_that_names_the_field_and_the_remedy(url, by_vllm, fields, said):
    release = by_vllm.release.id
    answer = complete(url, release, [[1, 2]], {"release": release, **fields}, max_tokens=2)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    unknown = {"model": model_name(release), "prompt": [1], "vllm_xargs": {"sidra_filter": "{}"}}
    assert httpx.post(f"{url}/v1/completions", json=unknown, trust_env=False).status_code == 400


def test_200_requests_at_concurrency_16(by_vllm, tiny_lm_recommender, capsys):
    asked = requests(by_vllm, 200, seed=1)
    for name, recommender in (("vllm", by_vllm), ("in process", tiny_lm_recommender)):

        def one(request, recommender=recommender):
            started = time.perf_counter()
            (result,) = recommender.recommend([request])
            return result, time.perf_counter() - started

        begun = time.perf_counter()
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(one, asked))
        took = time.perf_counter() - begun
        for request, (result, _) in zip(asked, answers, strict=True):
            check(recommender, request, result)
        p50, p99 = np.percentile([seconds * 1e3 for _, seconds in answers], [50, 99])
        line = f"{name}: p50 {p50:.0f} ms, p99 {p99:.0f} ms, {200 / took:.1f} requests/s at concurrency 16"
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")


def test_the_conversation_runs_on_it_by_one_variable(url, tiny_lm_home, monkeypatch, tmp_path):
    from fastapi.testclient import TestClient

    from app.api import create_app

    monkeypatch.chdir(tmp_path)
    for name, value in {"GENERATOR": "vllm", "VLLM_URLS": url, "VLLM_TIMEOUT_S": "60", "LLM": "none"}.items():
        monkeypatch.setenv(f"SIDRA_{name}", value)
    with TestClient(create_app(load_settings(home=tiny_lm_home))) as api:
        while not api.get("/readyz").json()["ready"]:
            time.sleep(0.1)
        said = {"model": "sidra", "messages": [{"role": "user", "content": "a comedy please"}], "k": 3}
        turn = api.post("/v1/chat/completions", json=said).json()
        assert len(turn["slate"]) == 3
        assert not turn["sidra"]["degraded"]
        answer = api.post("/v1/recommend", json={"k": 4}).json()
        assert (answer["generator"], answer["degraded"], len(answer["items"])) == ("vllm", False, 4)
