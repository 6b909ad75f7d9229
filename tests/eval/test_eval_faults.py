"""The endpoint that fails on demand does fail, each time in its own way, and works when nothing is wrong."""

import json

import httpx
import pytest

from eval.faults import FINE, MODEL, FaultyEndpoint


@pytest.fixture
def endpoint():
    with FaultyEndpoint() as made:
        yield made


def ask(endpoint, *, stream=False, timeout=5.0):
    url = endpoint.settings["llm_base_url"] + "/chat/completions"
    body = {"model": MODEL, "messages": [], "stream": stream}
    with httpx.Client(trust_env=False, timeout=timeout) as client:
        return client.post(url, json=body)


def test_without_a_fault_it_answers(endpoint):
    assert json.loads(ask(endpoint).json()["choices"][0]["message"]["content"]) == {"act": "recommend"}
    text = ask(endpoint, stream=True).text
    assert FINE in text
    assert text.rstrip().endswith("data: [DONE]")
    assert endpoint.calls == 2


def test_each_fault(endpoint):
    with endpoint.failing("down"), pytest.raises(httpx.HTTPError):
        ask(endpoint)
    with endpoint.failing("slow"), pytest.raises(httpx.ReadTimeout):
        ask(endpoint, timeout=0.3)
    for fault in ("malformed", "truncated", "looping"):
        with endpoint.failing(fault), pytest.raises(json.JSONDecodeError):
            json.loads(ask(endpoint).json()["choices"][0]["message"]["content"])
    with endpoint.failing("truncated"):
        text = ask(endpoint, stream=True).text
        assert "These are" in text
        assert "[DONE]" not in text
        assert '"stop"' not in text
    with endpoint.failing("malformed"):
        assert "{not json" in ask(endpoint, stream=True).text
    assert endpoint.fault is None


def test_a_loop_goes_on_until_somebody_leaves(endpoint):
    url = endpoint.settings["llm_base_url"] + "/chat/completions"
    with endpoint.failing("looping"), httpx.Client(trust_env=False, timeout=5) as client:  # noqa: SIM117
        with client.stream("POST", url, json={"stream": True}) as response:
            words = [line for line, _ in zip(response.iter_lines(), range(40), strict=False) if "very" in line]
    assert len(words) >= 15
