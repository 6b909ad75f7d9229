"""The family ``vllm`` against the engine in process: same items, same log-probabilities, and never without an answer."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from recsys_core.catalog.filters import Condition, ItemFilter
from recsys_core.errors import NoServerError
from recsys_core.generator.family import Rules, degraded_reasons
from recsys_core.generator.fusion import Fusion
from recsys_core.generator.vllm.breaker import BreakerConfig
from recsys_core.generator.vllm.family import DEGRADED
from recsys_core.generator.vllm.pool import PoolConfig
from tests.contracts.generator_family import HISTORIES, WORDS, GeneratorFamilyContract, Made, close
from tests.recsys_core.generator.vllm.worlds import LAYOUTS, client, in_process, start_server, world

ITEMS = 60
COMEDY = ItemFilter(all_of=[Condition(field="genre", op="contains", value="Comedy")])


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request):
    return request.param


@pytest.fixture(scope="module")
def server(layout):
    made = start_server(layout)
    yield made
    made.stop()


@pytest.fixture
def healthy(server):
    yield server
    server.fault, server.delay_s = "", 0.0


class TestContract(GeneratorFamilyContract):
    @pytest.fixture(scope="class", params=["hybrid", "pure"])
    def made(self, request):
        server = start_server(request.param)
        family = client(request.param, [server.url])
        yield Made(family, ITEMS, in_process(request.param).scores)
        family.close()
        server.stop()


def requests(seed=0):
    """Four requests, two of them with a filter, all without what they have seen."""
    rng = np.random.default_rng(seed)
    catalogue = world("hybrid").catalogue
    filters = [None, COMEDY, None, COMEDY]
    excluded = [np.unique(np.append(history, rng.integers(0, ITEMS, 3))) for history in HISTORIES]
    allowed = np.ones((4, ITEMS), dtype=bool)
    for row, (wanted, out) in enumerate(zip(filters, excluded, strict=True)):
        if wanted is not None:
            allowed[row] = wanted.mask(catalogue)
        allowed[row, out] = False
    return Rules(allowed, filters, excluded)


@pytest.mark.parametrize("fusion", [None, Fusion(power=1.5, reference=0.5), Fusion(best_prefix_only=True)])
def test_same_items_and_log_probabilities_as_in_process(layout, healthy, fusion):
    family, here = client(layout, [healthy.url]), in_process(layout)
    rules, widths = requests(), np.array([3, 9, 1, 5])
    read, asked = here.encode(HISTORIES, WORDS), family.encode(HISTORIES, WORDS)
    expected, _ = here.search(read, rules, widths, 15, fusion)
    found, _ = family.search(asked, rules, widths, 15, fusion)
    width = found.items.shape[1]
    np.testing.assert_array_equal(found.items, expected.items[:, :width])
    assert (expected.items[:, width:] == -1).all()
    real = found.items >= 0
    close(found.log_probability[real], expected.log_probability[:, :width][real])
    close(found.fused[real], expected.fused[:, :width][real])
    close(found.spread, expected.spread)
    items = np.array([[4, 59, -1], [0, -1, -1], [7, 8, 9], [12, 12, 2]])
    close(family.log_probabilities(asked, items), here.log_probabilities(read, items))
    close(family.item_head(asked), here.item_head(read))
    assert degraded_reasons(asked, 4) == [""] * 4


def test_one_call_a_level_and_requests_with_one_rule_share_it(layout, healthy):
    family = client(layout, [healthy.url])
    levels = in_process(layout).index.levels
    healthy.calls.clear()
    family.search(family.encode(HISTORIES, WORDS), Rules(np.ones((4, ITEMS), dtype=bool)), np.full(4, 6), 10)
    assert 1 < len(healthy.calls) <= levels
    assert healthy.calls[0] == 4
    assert all(prompts <= 4 * 6 for prompts in healthy.calls)
    healthy.calls.clear()
    family.search(family.encode(HISTORIES, WORDS), Rules(np.zeros((4, ITEMS), dtype=bool)), np.full(4, 6), 10)
    assert not healthy.calls, "nothing is allowed, so nothing is asked"


FAULTS = ["error", "hung up", "gibberish", "nan", "left out", "no plug-in", "rule forgotten", "too likely"]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that_can_not_be_trusted_is_given_in_process_and_said_so(layout, healthy, fault):
    loaded = []

    def load():
        loaded.append(True)
        return in_process(layout)

    family = client(layout, [healthy.url], load=load)
    rules, widths = requests(), np.full(4, 8)
    asked = family.encode(HISTORIES, WORDS)
    healthy.fault = fault
    found, _ = family.search(asked, rules, widths, 10)
    expected, _ = in_process(layout).search(in_process(layout).encode(HISTORIES, WORDS), rules, widths, 10)
    width = min(found.items.shape[1], expected.items.shape[1])
    np.testing.assert_array_equal(found.items[:, :width], expected.items[:, :width])
    reasons = degraded_reasons(asked, 4)
    assert set(reasons) <= {"", DEGRADED}
    assert DEGRADED in reasons
    items = np.array([[4, 59], [0, -1], [7, 8], [12, 2]])
    close(
        family.log_probabilities(asked, items),
        in_process(layout).log_probabilities(in_process(layout).encode(HISTORIES, WORDS), items),
    )
    assert len(loaded) == 1, "the model is loaded once"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no plug-in", "leads to no semantic ID; does it run Sidra's plug-in?"),
        ("rule forgotten", "a token outside the request's rule came back"),
        ("left out", "continuations that the rule allows were left out"),
    ],
)
def test_what_is_wrong_with_an_answer_is_told(healthy, layout, fault, said):
    family = client(layout, [healthy.url])
    allowed = np.zeros(ITEMS, dtype=bool)
    allowed[::2] = True
    rule = family.searching.rule(excluded=np.flatnonzero(~allowed))
    healthy.fault = fault
    with pytest.raises(NoServerError) as error:
        family.searching.search(
            [family.encode([HISTORIES[0]], [""]).asked[0].prompt], allowed, rule, np.array([20]), 60
        )
    assert said in str(error.value)


def test_a_server_that_hands_out_forbidden_items_is_passed_over_for_an_honest_one(layout, healthy):
    honest = start_server(layout)
    try:
        healthy.fault = "rule forgotten"
        family = client(layout, [healthy.url, honest.url])
        rules = requests()
        for _ in range(3):
            asked = family.encode(HISTORIES, WORDS)
            found, _ = family.search(asked, rules, np.full(4, 8), 10)
            for row in range(4):
                items = found.items[row][found.items[row] >= 0]
                assert rules.allowed[row, items].all()
            assert degraded_reasons(asked, 4) == [""] * 4
    finally:
        honest.stop()


def test_only_the_requests_that_failed_are_degraded(layout, healthy):
    family = client(layout, [healthy.url], load=lambda: in_process(layout))
    rules = requests()
    complete, calls = healthy.complete, []

    def sometimes(body):
        calls.append(body)
        return (500, {}) if "Comedy" in str(body.get("vllm_xargs")) else complete(body)

    healthy.complete = sometimes
    try:
        asked = family.encode(HISTORIES, WORDS)
        family.search(asked, rules, np.full(4, 8), 10)
    finally:
        del healthy.complete
    # nothing stands behind the two comedies but the engine in process
    assert [bool(reason) for reason in degraded_reasons(asked, 4)] == [False, True, False, True]


def test_a_restart_on_another_release_degrades_until_the_right_one_is_back(layout, healthy):
    now = [0.0]
    config = PoolConfig(timeout_s=20, breaker=BreakerConfig(failures=1, pause_s=1))
    family = client(layout, [healthy.url], config, lambda: in_process(layout), clock=lambda: now[0])

    def degraded():
        asked = family.encode(HISTORIES, WORDS)
        family.search(asked, requests(), np.full(4, 8), 10)
        return any(degraded_reasons(asked, 4))

    assert not degraded()
    right, healthy.model = healthy.model, "sidra-lm-another"
    assert degraded()
    healthy.model = right
    assert degraded(), "left alone for a while"
    now[0] += 2
    # one request of the batch tries first, so the others may still be answered in process
    degraded()
    assert not degraded()


def test_many_threads_at_once(layout, healthy):
    family, here = client(layout, [healthy.url]), in_process(layout)
    rules, widths = requests(), np.full(4, 6)
    expected, _ = here.search(here.encode(HISTORIES, WORDS), rules, widths, 10)
    wrong = []

    def one():
        found, _ = family.search(family.encode(HISTORIES, WORDS), rules, widths, 10)
        if not np.array_equal(found.items, expected.items[:, : found.items.shape[1]]):
            wrong.append(found.items)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
