"""TIGER: the contract, the beam against exact scores, what a position may see, and the faults it refuses."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.baselines.fitting import pad_newest
from recsys_core.baselines.protocol import FitData, target_rank
from recsys_core.baselines.tiger.config import TigerConfig
from recsys_core.baselines.tiger.model import TigerModel
from recsys_core.baselines.tiger.search import beam_search, exact_log_probabilities
from recsys_core.baselines.tiger.train import Tiger
from recsys_core.constraints import ConstraintIndex
from recsys_core.errors import BuildError, ConfigError, DataError
from tests.contracts.fit_data import small_fit_data
from tests.contracts.sequence_scorer import SequenceScorerContract

SMALL = TigerConfig(
    width=16,
    encoder_layers=1,
    decoder_layers=1,
    heads=2,
    window=8,
    dropout=0.1,
    epochs=12,
    learning_rate=1e-2,
    batch_positions=256,
    validation_users=30,
)


def random_sids(n_items, levels, vocabulary, seed):
    """Unique semantic IDs in no order; uneven fan-out."""
    rng = np.random.default_rng(seed)
    table = np.indices((vocabulary,) * levels).reshape(levels, -1).T
    return rng.permutation(table)[:n_items].astype(np.int64)


def a_model(n_items=25, levels=3, vocabulary=4, seed=0, **changes):
    torch.manual_seed(seed)
    sids = random_sids(n_items, levels, vocabulary, seed)
    model = TigerModel(SMALL.model_copy(update=changes), torch.from_numpy(sids)).eval()
    with torch.no_grad():  # far from even, so that codes compete
        model.codes.weight.normal_()
        model.positions.weight.normal_()
        model.slots.weight.normal_()
        model.recency.weight.normal_()
    return model, ConstraintIndex.build(sids)


HISTORIES = [np.array([4, 1, 9]), np.array([], np.int64), np.array([7]), np.arange(20)]


class TestTiger(SequenceScorerContract):
    @pytest.fixture
    def fit(self):
        return lambda data: Tiger.fit(data, SMALL)


class TestBeam:
    @settings(max_examples=10, deadline=None)
    @given(st.integers(1, 27), st.integers(1, 3), st.integers(0, 100), st.booleans(), st.integers(0, 3))
    def test_a_beam_as_wide_as_the_catalogue_gives_the_exact_scores(self, n_items, levels, seed, cosine, extra):
        model, index = a_model(min(n_items, 3**levels), levels, 3, seed, cosine=cosine, decoder_layers=2)
        histories = [h % len(index) for h in HISTORIES]
        history, lengths = pad_newest(histories, SMALL.window)
        items, found = beam_search(model, index, history, lengths, len(index) + extra)
        assert (items[:, len(index) :] == -1).all()
        assert (found[:, len(index) :] == -torch.inf).all()
        items, found = items[:, : len(index)], found[:, : len(index)]
        exact = exact_log_probabilities(model, history, lengths)
        assert (items.sort(dim=1).values == torch.arange(len(index))).all()
        torch.testing.assert_close(found, exact.gather(1, items), atol=1e-4, rtol=1e-4)
        assert (found.diff(dim=1) <= 0).all()

    @pytest.mark.parametrize("width", [1, 2, 5])
    def test_a_narrow_beam_follows_the_best_prefixes(self, width):
        model, index = a_model()
        history, lengths = pad_newest(HISTORIES, SMALL.window)
        items, found = beam_search(model, index, history, lengths, width)
        # an oracle in plain loops: probability of each prefix from the exact scores is not known, so walk the tree
        for row in range(len(HISTORIES)):
            kept = [((), 0.0)]
            for level in range(model.levels):
                grown = []
                for prefix, total in kept:
                    below = {tuple(s[: level + 1]) for s in index.sids().tolist() if tuple(s[:level]) == prefix}
                    codes = self.next_codes(model, prefix, history[row : row + 1], lengths[row : row + 1])
                    grown += [(child, total + codes[child[-1]]) for child in below]
                kept = sorted(grown, key=lambda pair: -pair[1])[:width]
            expected = [int(index.lookup(np.array(prefix))) for prefix, _ in kept]
            assert items[row, : len(expected)].tolist() == expected
            np.testing.assert_allclose(found[row, : len(expected)], [total for _, total in kept], atol=1e-4)

    @staticmethod
    @torch.no_grad()
    def next_codes(model, prefix, history, lengths):
        memory = model.encode(history)
        slots = [None, *(torch.tensor([[code]]) for code in prefix)]
        x = torch.stack([model.decoder_input(n, code, lengths[:, None]) for n, code in enumerate(slots)], dim=2)
        states, _ = model.decode(x, memory, model.sight(memory, lengths[:, None]))
        return torch.log_softmax(model.logits(len(prefix), states[0, 0, -1]), dim=-1).tolist()

    def test_items_out_of_reach_are_never_proposed_and_all_others_exist(self):
        model, index = a_model(beam=4)
        scores = Tiger(model, index).scores(HISTORIES)
        assert (np.isfinite(scores).sum(axis=1) == 4).all()
        assert np.isneginf(scores[~np.isfinite(scores)]).all()

    def test_a_dead_end_in_the_catalogue_takes_no_place_in_the_beam(self):
        # one item under code 0, four under code 1: a beam of 5 reaches all of them though code 0 has one child only
        sids = np.array([[0, 0], [1, 0], [1, 1], [1, 2], [1, 3]])
        torch.manual_seed(0)
        model = Tiger(
            TigerModel(SMALL.model_copy(update={"beam": 5}), torch.from_numpy(sids)), ConstraintIndex.build(sids)
        )
        assert np.isfinite(model.scores([np.array([2])])).all()


class TestSight:
    def test_the_loss_at_a_position_is_that_of_the_history_before_it(self):
        model, _ = a_model()
        sequence = torch.tensor([[3, 8, 1, 20]])
        nothing = torch.full((1, 4), -1)
        for position in range(4):
            only = nothing.clone()
            only[0, position] = sequence[0, position]
            later_changed = torch.cat([sequence[:, :position], torch.tensor([[11, 12, 13]])], dim=1)[:, :3]
            history = sequence[:, :position]
            alone = exact_log_probabilities(model, history, torch.tensor([position]))[0, sequence[0, position]]
            for whole in (sequence[:, :3], later_changed):
                torch.testing.assert_close(-model.loss(whole, only) * model.levels, alone)

    def test_padding_changes_no_score(self):
        model, index = a_model(beam=25)
        scorer = Tiger(model, index)
        alone = np.concatenate([scorer.scores([row]) for row in HISTORIES])
        np.testing.assert_allclose(scorer.scores(HISTORIES), alone, atol=1e-4)
        assert np.abs(alone[0] - alone[2]).max() > 0.01

    def test_only_the_newest_items_within_the_window_count(self):
        model, index = a_model(beam=25)
        scorer = Tiger(model, index)
        long = np.arange(20)
        np.testing.assert_allclose(scorer.scores([long]), scorer.scores([long[-8:]]), atol=1e-5)

    def test_more_rows_than_are_decoded_at_once_come_back_in_their_order(self):
        model, index = a_model(beam=25)
        scorer = Tiger(model, index)
        rng = np.random.default_rng(0)
        rows = [rng.integers(0, 25, rng.integers(0, 9)) for _ in range(150)]
        together = scorer.scores(rows)
        for row in (0, 70, 149):
            np.testing.assert_allclose(together[row], scorer.scores([rows[row]])[0], atol=1e-4)


@pytest.mark.parametrize("cosine", [True, False])
def test_a_pattern_without_chance_is_learned_exactly(cosine):
    # everyone walks the same circle of items from somewhere; neighbours share no code
    n_items, users, length = 12, 36, 6
    items = np.concatenate([np.arange(u, u + length) % n_items for u in range(users)])
    data = FitData(
        np.arange(users + 1) * length,
        items,
        n_items,
        np.empty((n_items, 0), np.float32),
        np.stack([np.arange(n_items) % 4, np.arange(n_items) // 4], axis=1).astype(np.int32),
    )
    model = Tiger.fit(
        data, SMALL.model_copy(update={"epochs": 40, "cosine": cosine, "dropout": 0.0, "batch_positions": 48})
    )
    histories = [np.arange(start, start + 4) % n_items for start in range(n_items)]
    targets = np.array([(start + 4) % n_items for start in range(n_items)])
    assert (target_rank(model.scores(histories), histories, targets) == 0).all()


class TestFaults:
    def test_semantic_ids_must_be_there_for_every_item_and_unique(self):
        data = small_fit_data(0)
        with pytest.raises(DataError, match="60 items and got none"):
            Tiger.fit(dataclasses.replace(data, sids=None), SMALL)
        with pytest.raises(DataError, match="got 59"):
            Tiger.fit(dataclasses.replace(data, sids=data.sids[1:]), SMALL)
        with pytest.raises(BuildError, match="share the SID"):
            Tiger.fit(dataclasses.replace(data, sids=np.zeros((60, 2), np.int32)), SMALL)

    def test_content_that_is_not_finite_is_refused(self):
        data = small_fit_data(0)
        content = data.content.copy()
        content[5, 0] = np.inf
        with pytest.raises(DataError, match="content of item 5"):
            Tiger.fit(dataclasses.replace(data, content=content), SMALL)

    def test_a_loss_that_is_no_number_names_the_setting_to_lower(self):
        with pytest.raises(BuildError, match="learning_rate"):
            Tiger.fit(small_fit_data(0), SMALL.model_copy(update={"learning_rate": 1e38, "cosine": False}))

    def test_heads_must_divide_the_width(self):
        with pytest.raises(ConfigError, match="heads=3"):
            Tiger.fit(small_fit_data(0), SMALL.model_copy(update={"heads": 3}))
