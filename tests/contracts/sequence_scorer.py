"""What every recommender of the comparison keeps; inherit and give the fixture ``fit``.

    class TestEASE(SequenceScorerContract):
        @pytest.fixture
        def fit(self):
            return EASE.fit

``fit`` takes :class:`FitData` and returns a fitted scorer, the same one for the same data. It is called with
:func:`small_fit_data` once for the whole class and a few times more; settings must be small enough for that.
"""

import numpy as np
import pytest

from recsys_core.baselines.popularity import popularity
from recsys_core.baselines.protocol import ndcg, validation_ranks
from recsys_core.errors import SidraError
from tests.contracts.fit_data import one_user_fit_data, small_fit_data, unseen_item_fit_data

SHARED = "_fitted_scorer"


class _Popular:
    def __init__(self, data):
        self.counts = popularity(data.items, data.n_items)

    def scores(self, histories):
        return np.tile(self.counts.astype(np.float32), (len(histories), 1))


def histories(*rows):
    return [np.array(row, dtype=np.int64) for row in rows]


class SequenceScorerContract:
    beats_popularity = True
    """Whether it is expected to rank better than popularity on data with a structure."""

    @pytest.fixture
    def fit(self):
        raise AssertionError("a subclass says how to fit")

    @pytest.fixture
    def data(self):
        return small_fit_data(0)

    @pytest.fixture
    def scorer(self, fit, data):
        owner = type(self)
        if SHARED not in vars(owner):
            setattr(owner, SHARED, fit(data))
        return vars(owner)[SHARED]

    def test_every_item_of_the_catalogue_gets_a_score_and_nothing_else_does(self, scorer, data):
        scores = scorer.scores(histories([0, 1], [5], [7, 2, 9, 30]))
        assert scores.shape == (3, data.n_items)
        assert scores.dtype == np.float32

    def test_no_score_is_nan_or_plus_infinity_and_most_are_finite(self, scorer, data):
        scores = scorer.scores(data.validation_histories[:50])
        assert not np.isnan(scores).any()
        assert not np.isposinf(scores).any()
        assert np.isfinite(scores).mean() > 0.5

    def test_a_history_without_items_is_scored(self, scorer, data):
        scores = scorer.scores(histories([], [4], []))
        assert scores.shape == (3, data.n_items)
        assert not np.isnan(scores).any()
        np.testing.assert_allclose(scores[0], scores[2], rtol=1e-4, atol=1e-5)

    def test_no_histories_give_no_rows(self, scorer, data):
        assert scorer.scores([]).shape == (0, data.n_items)

    def test_a_history_may_repeat_an_item_and_be_long(self, scorer, data):
        scores = scorer.scores(histories([3, 3, 3], list(range(data.n_items)) * 5))
        assert not np.isnan(scores).any()

    def test_the_other_rows_of_a_batch_do_not_matter(self, scorer, data):
        rows = data.validation_histories[:9]
        together = scorer.scores(rows)
        alone = np.concatenate([scorer.scores([row]) for row in rows])
        np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4)

    def test_scores_may_be_changed_by_the_caller_and_histories_are_not(self, scorer, data):
        rows = [row.copy() for row in data.validation_histories[:3]]
        first = scorer.scores(rows)
        kept = first.copy()
        first[:] = -np.inf
        np.testing.assert_array_equal(scorer.scores(rows), kept)
        for row, original in zip(rows, data.validation_histories, strict=False):
            np.testing.assert_array_equal(row, original)

    @pytest.mark.parametrize("wrong", [-3, 67])
    def test_an_item_outside_the_catalogue_is_refused(self, scorer, wrong):
        with pytest.raises((SidraError, IndexError, ValueError)):
            scorer.scores(histories([1, wrong]))

    def test_the_same_data_and_seed_give_the_same_scores(self, fit, scorer, data):
        np.testing.assert_array_equal(
            fit(data).scores(data.validation_histories[:20]), scorer.scores(data.validation_histories[:20])
        )

    def test_it_ranks_better_than_popularity_where_there_is_a_structure(self, scorer, data):
        if not self.beats_popularity:
            pytest.skip("not expected of it")
        popular = ndcg(validation_ranks(_Popular(data), data))
        assert ndcg(validation_ranks(scorer, data)) > 1.05 * popular

    def test_it_counts_what_it_learned(self, scorer):
        assert isinstance(scorer.parameters, int)
        assert scorer.parameters > 0

    def test_one_user_with_repeated_items_and_no_validation_is_enough(self, fit):
        data = one_user_fit_data()
        scores = fit(data).scores(histories([3, 1], []))
        assert scores.shape == (2, data.n_items)
        assert not np.isnan(scores).any()

    def test_an_item_that_nobody_chose_is_scored_and_may_stand_in_a_history(self, fit):
        data, unseen = unseen_item_fit_data()
        scores = fit(data).scores(histories([2, 3], [unseen], [2, unseen]))
        assert not np.isnan(scores).any()
