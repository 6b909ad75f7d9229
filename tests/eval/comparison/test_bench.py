"""The bench: places of targets, and data on which a comparison would mean nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.comparison import bench as module
from eval.comparison.bench import Bench, places
from recsys_core.catalog.splits import leave_last_out
from recsys_core.encoders.text import TextEncoderConfig
from recsys_core.errors import DataError
from tests.eval.comparison.tiny import import_tiny, log_of


def open_tiny(home, log=None):
    import_tiny(home, log)
    return Bench.open("tiny", home, None, TextEncoderConfig())


@dataclasses.dataclass
class Always:
    """Scores of one user, for everybody."""

    row: np.ndarray
    parameters: int = 0

    def scores(self, histories):
        return np.tile(self.row.astype(np.float32), (len(histories), 1))


class Parrot:
    """Proposes the history before everything else."""

    parameters = 0

    def __init__(self, base):
        self.base = base

    def scores(self, histories):
        found = self.base.scores(histories)
        for row, history in enumerate(histories):
            found[row, history] = 1e6
        return found


@given(
    scores=st.lists(st.sampled_from([0.0, 0.5, 1.0, -np.inf]), min_size=6, max_size=6),
    history=st.lists(st.integers(0, 5), max_size=4),
    target=st.integers(0, 5),
)
@settings(max_examples=80, deadline=None)
def test_places_equal_a_sorted_list_with_ties_by_index_and_the_history_left_out(scores, history, target):
    order = sorted((i for i in range(6) if i not in history and np.isfinite(scores[i])), key=lambda i: (-scores[i], i))
    given_scores = np.array([scores], dtype=np.float32)
    found = places(given_scores, [np.array(history, dtype=np.int64)], np.array([target]))
    assert found.tolist() == [order.index(target) + 1 if target in order else 0]
    assert given_scores.tolist() == [scores], "scores belong to the caller"


def test_every_user_is_ranked_once_whatever_the_size_of_a_chunk(tmp_path, monkeypatch):
    bench = open_tiny(tmp_path)
    scorer = Always(np.random.default_rng(0).random(40))
    whole = bench.test_ranks(scorer)
    monkeypatch.setattr(module, "CHUNK", 7)
    assert bench.test_ranks(scorer).tolist() == whole.tolist()
    assert len(whole) == len(bench.split.users)


def test_a_scorer_cannot_win_or_lose_by_proposing_what_the_user_had(tmp_path):
    bench = open_tiny(tmp_path)
    plain = Always(np.random.default_rng(1).random(40))
    assert bench.test_ranks(Parrot(plain)).tolist() == bench.test_ranks(plain).tolist()


def test_histories_end_before_the_target_and_training_before_validation(tmp_path):
    bench = open_tiny(tmp_path)
    for user, history, target in zip(bench.split.users, bench.histories, bench.targets, strict=True):
        own = bench.log.items[bench.log.offsets[user] : bench.log.offsets[user + 1]]
        assert [*history, target] == own.tolist()
        assert bench.split.train_sequence(int(user)).tolist() == own[:-2].tolist()
    learned = bench.data.offsets[1:] - bench.data.offsets[:-1]
    everything = np.diff(bench.log.offsets)
    assert (learned[bench.split.users] == everything[bench.split.users] - 2).all()


def test_a_planted_leak_is_refused(tmp_path, monkeypatch):
    def leaky(log):
        split = leave_last_out(log)
        user = next(n for n, u in enumerate(split.users) if split.train_offsets[u + 1] > split.train_offsets[u])
        items = split.train_items.copy()
        items[split.train_offsets[split.users[user] + 1] - 1] = split.test_items[user]
        return dataclasses.replace(split, train_items=items)

    monkeypatch.setattr(module, "leave_last_out", leaky)
    with pytest.raises(DataError, match="leaked"):
        open_tiny(tmp_path)


def test_a_training_part_that_goes_too_far_is_refused(tmp_path, monkeypatch):
    def greedy(log):
        split = leave_last_out(log)
        offsets = split.train_offsets.copy()
        offsets[split.users[0] + 1 :] += 1
        items = np.insert(split.train_items, split.train_offsets[split.users[0] + 1], split.test_items[0])
        return dataclasses.replace(split, train_items=items, train_offsets=offsets)

    monkeypatch.setattr(module, "leave_last_out", greedy)
    with pytest.raises(DataError, match="target leaks"):
        open_tiny(tmp_path)


@pytest.mark.parametrize("length", [1, 2])
def test_people_with_too_few_interactions_give_nobody_to_test(tmp_path, length):
    with pytest.raises(DataError, match="three interactions"):
        open_tiny(tmp_path, log_of([list(range(length))] * 5, 40))


def test_a_target_that_the_user_had_before_is_a_sure_miss(tmp_path):
    bench = open_tiny(tmp_path, log_of([[3, 1, 3], [1, 1, 1, 1], [4, 5, 6]], 40))
    favourites = np.linspace(0.1, 0.2, 40)
    favourites[[3, 1, 6]] = 1.0
    assert bench.test_ranks(Always(favourites)).tolist() == [0, 0, 3]


def test_a_log_that_tells_only_order_is_taken(tmp_path):
    bench = open_tiny(tmp_path, log_of([[0, 1, 2, 3], [5, 4, 3]], 40))
    assert bench.targets.tolist() == [3, 3]
    assert [h.tolist() for h in bench.histories] == [[0, 1, 2], [5, 4]]


def test_items_without_words_are_described_by_tags(tmp_path):
    bench = open_tiny(tmp_path)
    assert bench.content.shape[0] == 40
    lengths = np.linalg.norm(bench.content, axis=1)
    assert ((np.abs(lengths - 1) < 1e-5) | (lengths == 0)).all()
    assert (lengths > 0).mean() > 0.5
    assert len({tuple(row) for row in bench.pure_sids.tolist()}) == 40
    assert bench.data.content is bench.content


def test_a_data_set_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(DataError, match="sidra import"):
        Bench.open("nothing", tmp_path, None, TextEncoderConfig())
