"""Item-CF on a pattern whose answer is known, and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.baselines import item_cf
from recsys_core.baselines.item_cf import ItemCF, ItemCFConfig, tuned_item_cf
from recsys_core.baselines.protocol import ndcg, validation_ranks
from recsys_core.errors import DataError
from tests.contracts.fit_data import small_fit_data
from tests.contracts.sequence_scorer import SequenceScorerContract


class TestItemCF(SequenceScorerContract):
    @pytest.fixture
    def fit(self):
        return ItemCF.fit_data


def test_two_worlds_that_never_meet():
    # even users take even items, odd users odd ones: nothing may cross
    sequences = [np.arange(u % 2, 20, 2) for u in range(30)]
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in sequences])])
    model = ItemCF.fit(offsets, np.concatenate(sequences), 20)
    scores = model.scores([np.array([2, 4]), np.array([3])])
    assert (scores[0, 1::2] == 0).all()
    assert (scores[0, 0::2] > 0).sum() >= 8
    assert (scores[1, 0::2] == 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=9), min_size=1, max_size=6),
    st.integers(1, 5),
    st.floats(0.3, 1.0),
    st.sampled_from([(1.0, 0.5), (0.4, 0.2), (0.0, 0.0)]),
)
def test_scores_equal_plain_loops(sequences, reach, decay, shape):
    backward, normalisation = shape
    n_items = 8
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in sequences])])
    items = np.concatenate([np.array(s) for s in sequences])
    config = ItemCFConfig(
        reach=reach, reach_decay=decay, neighbours=100, backward=backward, normalisation=normalisation
    )
    together = np.zeros((n_items, n_items))
    for sequence in sequences:
        for i, a in enumerate(sequence):
            for j in range(i + 1, min(len(sequence), i + reach + 1)):
                together[a, sequence[j]] += decay ** (j - i - 1)
                together[sequence[j], a] += backward * decay ** (j - i - 1)
    counts = np.bincount(items, minlength=n_items)
    history = np.array(sequences[0])
    expected = np.zeros(n_items)
    for age, item in enumerate(history[::-1]):
        for other in range(n_items):
            if other != item and together[item, other] > 0:
                expected[other] += together[item, other] / (counts[item] * counts[other]) ** normalisation / (age + 1)
    if expected.sum() > 0:
        expected /= expected.sum()
    scores = ItemCF.fit(offsets, items, n_items, config).scores([history])
    np.testing.assert_allclose(scores[0], expected, atol=1e-5)


def test_no_history_gives_no_votes_and_a_file_survives_saving(tmp_path):
    model = ItemCF.fit(np.array([0, 3]), np.array([0, 1, 2]), 4)
    assert model.scores([np.array([], dtype=np.int64)]).sum() == 0
    model.save(tmp_path / "cf.npz")
    history = [np.array([1])]
    np.testing.assert_array_equal(ItemCF.load(tmp_path / "cf.npz").scores(history), model.scores(history))
    (tmp_path / "cf.npz").write_bytes(b"broken")
    with pytest.raises(DataError, match="sidra build"):
        ItemCF.load(tmp_path / "cf.npz")


def test_the_chosen_settings_are_the_best_of_those_tried(monkeypatch):
    small = dict(NORMALISATION=(0.3,), BACKWARD=(0.5, 1.0), REACH=(2, 10), REACH_DECAY=(0.9,), NEIGHBOURS=(3, 50))
    for name, grid in (small | {"RECENCY": (0.5, 1.5)}).items():
        monkeypatch.setattr(item_cf, f"GRID_{name}", grid)
    data, told = small_fit_data(2), []
    choice = tuned_item_cf(data, lambda *event: told.append(event))
    assert len(choice.tried) == 2 + 2 + 4
    assert told[-1] == ("item-CF: choosing settings", 8, 8)
    assert choice.ndcg == max(value for _, value in choice.tried[4:])
    # a file of neighbours keeps no settings: those chosen must give the same result when it is fitted afresh
    again = ItemCF.fit_data(data, choice.config)
    assert ndcg(validation_ranks(again, data)) == pytest.approx(choice.ndcg)
