"""Calls of many threads are answered together, and each gets its own result or its own error."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from recsys_core.serving.batching import BatchConfig, Batcher


class Recorder:
    """Doubles numbers; says which batches it saw, and fails on the numbers it is told to."""

    def __init__(self, seconds=0.0, bad=()):
        self.seconds, self.bad = seconds, set(bad)
        self.batches, self.waiting = [], []
        self.at_work, self.most = 0, 0
        self._lock = threading.Lock()

    def __call__(self, items, waiting):
        with self._lock:
            self.batches.append(list(items))
            self.waiting.append(waiting)
            self.at_work += 1
            self.most = max(self.most, self.at_work)
        time.sleep(self.seconds)
        with self._lock:
            self.at_work -= 1
        if self.bad & set(items):
            raise ValueError(f"one of {sorted(items)} is bad")
        return [2 * item for item in items]


def _ask(batcher, numbers):
    barrier = threading.Barrier(len(numbers))

    def one(number):
        barrier.wait()
        with batcher.coming():
            pass
        try:
            return batcher.submit(number)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(len(numbers)) as pool:
        return list(pool.map(one, numbers))


def test_every_caller_gets_its_own_result_and_calls_share_batches():
    answer = Recorder(0.02)
    batcher = Batcher(answer)
    assert _ask(batcher, list(range(20))) == [2 * n for n in range(20)]
    assert sorted(n for batch in answer.batches for n in batch) == list(range(20))
    # the first starts at once, those that come meanwhile wait for the next batch
    assert len(answer.batches) <= 5
    assert max(answer.waiting) > 5
    assert answer.most == 1


def test_one_bad_call_fails_alone():
    answer = Recorder(0.02, bad={7})
    results = _ask(Batcher(answer), list(range(12)))
    assert results[7] == "one of [7] is bad"
    assert [r for n, r in enumerate(results) if n != 7] == [2 * n for n in range(12) if n != 7]


def test_a_lone_call_does_not_wait():
    batcher = Batcher(Recorder(), BatchConfig(window_ms=100))
    began = time.perf_counter()
    assert [batcher.submit(n) for n in range(5)] == [0, 2, 4, 6, 8]
    assert time.perf_counter() - began < 0.09


def test_a_call_with_company_on_the_way_waits_for_it():
    answer = Recorder()
    batcher = Batcher(answer, BatchConfig(window_ms=100))
    on_the_way = threading.Event()

    def late():
        with batcher.coming():
            on_the_way.set()
            time.sleep(0.01)
        return batcher.submit(2)

    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(late)
        on_the_way.wait()
        assert batcher.submit(1) == 2
        assert second.result() == 4
    # whether the second slips in before or after the leader stops waiting, nobody is lost
    assert sorted(n for batch in answer.batches for n in batch) == [1, 2]


def test_batches_are_no_larger_than_asked_and_lanes_no_more():
    answer = Recorder(0.01)
    assert _ask(Batcher(answer, BatchConfig(size=3, lanes=2)), list(range(15))) == [2 * n for n in range(15)]
    assert max(len(batch) for batch in answer.batches) <= 3
    assert answer.most <= 2


def test_what_no_call_can_answer_for_reaches_all_and_leaves_the_queue_usable():
    def stop(items, waiting):
        raise KeyboardInterrupt

    batcher = Batcher(stop)
    with pytest.raises(KeyboardInterrupt):
        batcher.submit(1)
    batcher._answer = Recorder()
    assert batcher.submit(3) == 6


def test_too_few_results_are_an_error_not_a_mix_up():
    batcher = Batcher(lambda items, waiting: [])
    with pytest.raises(ValueError, match="shorter"):
        batcher.submit(1)
