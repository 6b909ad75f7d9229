"""SASRec: the contract, what it may see, its two softmaxes, and the faults it refuses."""

import dataclasses

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from recsys_core.baselines.fitting import centred_content, learning_rate, length_batches, validation_sample
from recsys_core.baselines.protocol import FitData, ndcg, target_rank, validation_ranks
from recsys_core.baselines.sasrec.config import SasRecConfig
from recsys_core.baselines.sasrec.model import SasRecModel
from recsys_core.baselines.sasrec.train import SASRec
from recsys_core.errors import BuildError, ConfigError, DataError
from tests.contracts.fit_data import small_fit_data
from tests.contracts.sequence_scorer import SequenceScorerContract

SMALL = SasRecConfig(width=16, epochs=5, dropout=0.1, learning_rate=1e-2, window=12, batch_positions=256)


def ragged(sequences):
    """Offsets and items of a list of histories."""
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in sequences])]).astype(np.int64)
    return offsets, np.concatenate([np.asarray(s, dtype=np.int64) for s in sequences])


def circle(n_items=20, users=40, length=8):
    """Everyone walks the same circle of items from somewhere: the next item is certain."""
    offsets, items = ragged([np.arange(u, u + length) % n_items for u in range(users)])
    return FitData(offsets, items, n_items, np.empty((n_items, 0), np.float32))


def a_model(n_items=30, content=6, **changes):
    torch.manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(n_items, content), dim=-1)
    return SasRecModel(SMALL.model_copy(update=changes), n_items, rows).eval()


class TestSASRec(SequenceScorerContract):
    @pytest.fixture
    def fit(self):
        return lambda data: SASRec.fit(data, SMALL)


class TestSASRecWithSampledNegatives(SequenceScorerContract):
    @pytest.fixture
    def fit(self):
        return lambda data: SASRec.fit(data, SMALL.model_copy(update={"full_softmax_items": 10, "sampled_items": 20}))


class TestPlainSASRec(SequenceScorerContract):
    @pytest.fixture
    def fit(self):
        plain = {"cosine": False, "use_content": False, "epochs": 16}
        return lambda data: SASRec.fit(data, SMALL.model_copy(update=plain))


@pytest.mark.parametrize("changes", [{}, {"cosine": False}, {"full_softmax_items": 0, "sampled_items": 15}])
def test_a_pattern_without_chance_is_learned_exactly(changes):
    data = circle()
    model = SASRec.fit(data, SMALL.model_copy(update={"epochs": 40, **changes}))
    histories = [np.arange(start, start + 5) % 20 for start in range(20)]
    targets = np.array([(start + 5) % 20 for start in range(20)])
    assert (target_rank(model.scores(histories), histories, targets) == 0).all()


def test_later_items_do_not_change_earlier_states():
    model = a_model()
    vectors = model.item_vectors()
    history = torch.tensor([[3, 7, 1, 9, 4]])
    changed = torch.tensor([[3, 7, 1, 22, 13]])
    with torch.no_grad():
        first, second = model(vectors[history]), model(vectors[changed])
    torch.testing.assert_close(first[:, :4], second[:, :4])
    assert (first[:, 4] - second[:, 4]).abs().max() > 1e-3


def test_padding_changes_no_score():
    scorer = SASRec(a_model())
    rows = [np.array([5]), np.arange(11), np.array([], np.int64), np.array([8, 2, 8])]
    alone = np.concatenate([scorer.scores([row]) for row in rows])
    np.testing.assert_allclose(scorer.scores(rows), alone, atol=1e-5)


def test_only_the_newest_items_within_the_window_count():
    scorer = SASRec(a_model())
    long = np.arange(25)
    np.testing.assert_allclose(scorer.scores([long]), scorer.scores([long[-12:]]), atol=1e-5)
    assert np.abs(scorer.scores([long]) - scorer.scores([long[-11:]])).max() > 1e-3


def test_cosine_scores_do_not_depend_on_the_length_of_item_vectors():
    states, vectors = torch.randn(4, 16), torch.randn(9, 16)
    longer = vectors * torch.rand(9, 1).add(0.5) * 7
    cosine, dot = a_model(), a_model(cosine=False)
    torch.testing.assert_close(cosine.logits(states, cosine.keys(vectors)), cosine.logits(states, cosine.keys(longer)))
    assert not torch.allclose(dot.logits(states, dot.keys(vectors)), dot.logits(states, dot.keys(longer)))


class TestSoftmax:
    history = torch.tensor([[3, 7, 1], [4, -1, -1]])
    targets = torch.tensor([[3, 7, 1, 9], [4, 5, -1, -1]])

    def test_with_every_item_drawn_the_sampled_one_is_the_full_one(self):
        model = a_model()
        full = model.loss(self.history, self.targets)
        drawn = torch.cat([torch.randperm(30), torch.tensor([2, 2])])  # drawn twice counts once
        sampled = model.loss(self.history, self.targets, drawn)
        torch.testing.assert_close(sampled, full)
        gradients = [
            torch.autograd.grad(value, list(model.parameters()), allow_unused=True) for value in (full, sampled)
        ]
        for a, b in zip(*gradients, strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)

    def test_fewer_negatives_are_an_easier_question(self):
        model = a_model()
        few = model.loss(self.history, self.targets, torch.arange(10, 13))
        assert few < model.loss(self.history, self.targets)

    def test_padded_targets_weigh_nothing(self):
        model = a_model()
        rows = [model.loss(self.history[:1], self.targets[:1]), model.loss(self.history[1:, :1], self.targets[1:, :2])]
        torch.testing.assert_close(model.loss(self.history, self.targets), (4 * rows[0] + 2 * rows[1]) / 6)


def test_content_makes_an_unseen_item_follow_its_kin():
    # items 0-9 and 10-19 are two kinds; item 9 is never chosen, and only its content says which kind it is
    rng = np.random.default_rng(0)
    sequences = [rng.permutation(np.arange(9) + 10 * (u % 2))[:6] for u in range(60)]
    offsets, items = ragged(sequences)
    content = np.repeat(np.eye(2, 4, dtype=np.float32), 10, axis=0)
    model = SASRec.fit(FitData(offsets, items, 20, content), SMALL.model_copy(update={"epochs": 15}))
    own, other = model.scores([np.array([1, 4]), np.array([11, 14])])[:, 9]
    assert own > other + 1
    without = SASRec.fit(FitData(offsets, items, 20, content), SMALL.model_copy(update={"use_content": False}))
    assert without.parameters == model.parameters - 4 * SMALL.width


def test_the_best_epoch_by_validation_is_kept():
    data, heard = small_fit_data(0), []
    # far too fast towards the end of memorising 200 users: some epoch before the last is the best
    config = SMALL.model_copy(update={"epochs": 16, "dropout": 0.0, "learning_rate": 2e-2})
    model = SASRec.fit(
        data, config, tell=lambda what, done, total: heard.append((float(what.split()[-1]), done, total))
    )
    assert [done for _, done, _ in heard] == list(range(1, 17))
    assert max(q for q, _, _ in heard) > heard[-1][0]
    assert ndcg(validation_ranks(model, data)) == pytest.approx(max(q for q, _, _ in heard), abs=1e-4)


def test_without_validation_the_last_epoch_is_kept_and_no_figure_is_told():
    heard, config = [], SMALL.model_copy(update={"epochs": 2})
    SASRec.fit(circle(), config, tell=lambda *told: heard.append(told))
    assert heard == [("training sasrec", 1, 2), ("training sasrec", 2, 2)]


def test_fitting_leaves_torchs_own_chance_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    SASRec.fit(circle(), SMALL.model_copy(update={"epochs": 1}))
    torch.testing.assert_close(torch.rand(3), expected)


class TestFaults:
    def test_content_that_is_not_finite_is_refused_by_item(self):
        data = small_fit_data(0)
        content = data.content.copy()
        content[17, 3] = np.nan
        with pytest.raises(DataError, match="content of item 17"):
            SASRec.fit(dataclasses.replace(data, content=content), SMALL)

    def test_content_of_another_catalogue_is_refused(self):
        data = small_fit_data(0)
        with pytest.raises(DataError, match="59 rows for 60 items"):
            SASRec.fit(dataclasses.replace(data, content=data.content[1:]), SMALL)

    def test_no_items_and_items_outside_the_catalogue_are_refused(self):
        empty = FitData(np.array([0]), np.empty(0, np.int64), 5, np.empty((5, 0), np.float32))
        with pytest.raises(DataError, match="no training items"):
            SASRec.fit(empty, SMALL)
        outside = FitData(np.array([0, 2]), np.array([1, 5]), 5, np.empty((5, 0), np.float32))
        with pytest.raises(DataError, match="holds item 5"):
            SASRec.fit(outside, SMALL)

    def test_a_loss_that_is_no_number_names_the_setting_to_lower(self):
        with pytest.raises(BuildError, match="learning_rate"):
            SASRec.fit(circle(), SMALL.model_copy(update={"learning_rate": 1e38, "epochs": 5, "cosine": False}))

    def test_settings_that_cannot_be_are_refused(self):
        with pytest.raises(ConfigError, match="heads=3"):
            SASRec.fit(circle(), SMALL.model_copy(update={"heads": 3}))
        with pytest.raises(ValidationError):
            SasRecConfig(dropout=1.0)


class TestRecipe:
    def test_the_size_of_the_log_chooses_the_recipe(self):
        scientific = SasRecConfig.for_size(4344, 41_858)
        beauty = SasRecConfig.for_size(12_101, 153_776)
        movielens = SasRecConfig.for_size(1682, 98_114)
        assert (scientific.epochs, beauty.epochs, movielens.epochs) == (10, 12, 15)
        assert movielens.dropout < scientific.dropout < beauty.dropout

    def test_the_learning_rate_rises_for_an_epoch_and_falls_to_a_twentieth(self):
        rates = [learning_rate(SMALL, e / 10) for e in range(10 * SMALL.epochs + 1)]
        assert rates[10] == max(rates) == SMALL.learning_rate
        assert rates[-1] == pytest.approx(0.05 * SMALL.learning_rate)
        assert (np.diff(rates[2:10]) > 0).all()
        assert (np.diff(rates[10:]) < 0).all()

    def test_every_training_item_is_a_target_once_an_epoch_after_the_items_before_it(self):
        data = small_fit_data(0)
        before = {}
        for sequence in data.histories():
            for position, item in enumerate(sequence.tolist()):
                before.setdefault(item, []).append(sequence[:position].tolist())
        seen = 0
        for batch in length_batches(data, 5, 64, np.random.default_rng(0)):
            assert batch.history.shape[1] + 1 == batch.targets.shape[1] <= 6
            assert batch.targets.shape[1] * len(batch.targets) <= 64
            for history, targets in zip(batch.history.tolist(), batch.targets.tolist(), strict=True):
                for position, target in enumerate(targets):
                    if target < 0:
                        continue
                    seen += 1
                    known = history[:position]
                    assert any(full[len(full) - len(known) :] == known for full in before[target])
        assert seen == len(data.items)

    def test_the_validation_sample_keeps_histories_with_their_targets(self):
        data = small_fit_data(0)
        pairs = {
            (tuple(h.tolist()), t)
            for h, t in zip(data.validation_histories, data.validation_targets.tolist(), strict=True)
        }
        sample = validation_sample(data, 20, 0)
        assert len(sample.validation_targets) == len(sample.validation_histories) == 20
        for history, target in zip(sample.validation_histories, sample.validation_targets.tolist(), strict=True):
            assert (tuple(history.tolist()), target) in pairs

    def test_content_is_centred_and_of_unit_length_also_where_all_items_are_alike(self):
        rows = centred_content(small_fit_data(0))
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
        data = FitData(np.array([0, 1]), np.array([0]), 3, np.ones((3, 4), np.float32))
        assert (centred_content(data) == 0).all()
