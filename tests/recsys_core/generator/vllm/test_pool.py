"""Several servers behind one call: faults are told apart, a failing server is left alone and taken back."""

from __future__ import annotations

import socket
import threading

import pytest

from recsys_core.errors import ConfigError, NoServerError
from recsys_core.generator.vllm.answers import distributions
from recsys_core.generator.vllm.breaker import Breaker, BreakerConfig
from recsys_core.generator.vllm.pool import PoolConfig, ServerPool, checked, model_name
from tests.recsys_core.generator.vllm.worlds import NAME, start_server, world

RULE = f'{{"release": "{NAME}", "probabilities": "catalogue"}}'


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def servers():
    made = [start_server("hybrid") for _ in range(3)]
    yield made
    for server in made:
        server.stop()


def pool_of(servers, clock=None, **config):
    config = PoolConfig(**({"timeout_s": 20.0} | config))
    return ServerPool([server.url for server in servers], NAME, config, **({"clock": clock} if clock else {}))


def ask(pool, order=None):
    prompt = world("hybrid").vocabulary.layout.prompt([], world("hybrid").sids[:2, 0] * 0)
    return pool.complete([prompt], RULE, 5, lambda answer: distributions(answer, 1, model_name(NAME)), order)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_servers_take_turns(servers):
    pool = pool_of(servers)
    for _ in range(9):
        ask(pool)
    assert [len(server.calls) for server in servers] == [3, 3, 3]


def test_the_steps_of_a_request_stay_on_one_server(servers):
    pool = pool_of(servers)
    order = pool.order()
    for _ in range(4):
        ask(pool, order)
    assert sorted(len(server.calls) for server in servers) == [0, 0, 4]


def test_another_server_answers_when_one_fails(servers):
    pool = pool_of(servers)
    servers[0].fault = "error"
    for _ in range(6):
        assert len(ask(pool).token)
    assert len(servers[1].calls) + len(servers[2].calls) == 6


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("error", "it failed inside (HTTP 500)"),
        ("hung up", "can't be reached"),
        ("gibberish", "its answer can't be true: it isn't a completion"),
        ("nan", "a log-probability is nan, not a number"),
        ("too likely", "probabilities of one distribution add up to"),
        ("prompts lost", "0 distributions came back for 1 prompts"),
    ],
)
def test_faults_are_told_apart(servers, fault, said):
    servers[0].fault = fault
    with pytest.raises(NoServerError) as error:
        ask(pool_of(servers[:1]))
    assert said in str(error.value)
    assert servers[0].url in str(error.value)


def test_a_slow_server_is_given_up_on(servers):
    servers[0].fault, servers[0].delay_s = "slow", 3.0
    with pytest.raises(NoServerError, match=r"no answer within 0.2 s; raise SIDRA_VLLM_TIMEOUT_S"):
        ask(pool_of(servers[:1], timeout_s=0.2))


def test_a_server_of_another_release_is_named_as_such(servers):
    servers[0].model = model_name("another")
    pool = pool_of(servers[:1])
    with pytest.raises(NoServerError, match=f"doesn't answer for release '{NAME}'"):
        ask(pool)
    (health,) = pool.health()
    assert "doesn't answer for release" in health.problem


def test_a_refused_rule_is_told_with_the_servers_words(servers):
    pool = pool_of(servers[:1])
    with pytest.raises(NoServerError, match="it refused the request: sidra_rule: excluded: '60'"):
        pool.complete([[1]], f'{{"release": "{NAME}", "excluded": "60"}}', 5, lambda answer: answer)
    with pytest.raises(NoServerError, match="doesn't answer for release"):
        pool.complete([[1]], '{"release": "older"}', 5, lambda answer: answer)


def test_nobody_there():
    pool = ServerPool([f"http://127.0.0.1:{free_port()}"], NAME)
    with pytest.raises(NoServerError, match="can't be reached"):
        ask(pool)
    (health,) = pool.health()
    assert "start it with `sidra serve-generator`" in health.problem


def test_a_failing_server_is_left_alone_and_taken_back(servers):
    clock = Clock()
    pool = pool_of(servers[:1], clock, breaker=BreakerConfig(failures=3, pause_s=2.0))
    server = servers[0]
    server.fault = "error"
    for _ in range(5):
        with pytest.raises(NoServerError):
            ask(pool)
    assert len(server.calls) == 3, "after three failures nobody asks any more"
    assert pool.health()[0].state == "open"
    clock.now += 2.1
    with pytest.raises(NoServerError):
        ask(pool)
    assert len(server.calls) == 4, "one try when the pause is over"
    server.fault = ""
    clock.now += 2.1
    with pytest.raises(NoServerError, match="left alone"):
        ask(pool)  # the pause has doubled
    clock.now += 2.0
    ask(pool)
    assert pool.health()[0] == (server.url, "closed", "")


def test_a_server_that_comes_back_at_its_address_is_used_again(servers):
    clock = Clock()
    pool = pool_of(servers[:2], clock, breaker=BreakerConfig(failures=1))
    port = servers[0].port
    servers[0].stop()
    for _ in range(4):
        ask(pool)
    assert [h.state for h in pool.health()] == ["open", "closed"]
    again = start_server("hybrid", port)
    try:
        clock.now += 3
        for _ in range(4):
            ask(pool)
        assert again.calls
        assert pool.health()[0].state == "closed"
    finally:
        again.stop()


def test_only_one_of_many_tries_a_server_whose_pause_is_over():
    clock = Clock()
    breaker = Breaker(BreakerConfig(failures=1, pause_s=1), clock)
    assert breaker.allows()
    breaker.report(False)
    assert not breaker.allows()
    clock.now += 1.5
    allowed = []
    threads = [threading.Thread(target=lambda: allowed.append(breaker.allows())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert allowed.count(True) == 1
    assert breaker.state == "trying"
    breaker.report(True)
    assert breaker.state == "closed"


def test_pauses_grow_to_a_limit_and_begin_anew_after_a_success():
    clock = Clock()
    breaker = Breaker(BreakerConfig(failures=1, pause_s=1, longest_pause_s=4), clock)
    pauses = []
    breaker.report(False)
    for _ in range(4):
        waited = 0.0
        while not breaker.allows():
            clock.now += 0.25
            waited += 0.25
        pauses.append(waited)
        breaker.report(False)
    assert pauses == [1, 2, 4, 4]
    clock.now += 4
    assert breaker.allows()
    breaker.report(True)
    breaker.report(False)
    clock.now += 1
    assert breaker.allows()


@pytest.mark.parametrize("urls", [[], [" "], ["localhost:8019"], ["ftp://somewhere"]])
def test_addresses_that_are_none(urls):
    with pytest.raises(ConfigError, match="SIDRA_VLLM_URLS"):
        checked(urls)


def test_addresses_are_taken_in_any_usual_spelling():
    assert checked(["http://a:1/", "http://a:1/v1", " http://b:2"]) == ["http://a:1", "http://b:2"]
