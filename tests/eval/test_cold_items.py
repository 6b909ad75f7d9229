"""Withheld items: kept out of everything learned from, then added in several ways and asked for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from eval.cold_items import ColdItemsConfig, Trained, cold_items, withhold
from eval.cold_training import compact_trainer
from recsys_core.catalog.splits import leave_last_out
from recsys_core.catalog.synth import synthetic
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import DataError
from recsys_core.generator.compact import make_model
from recsys_core.generator.config import CompactConfig, TrainConfig
from recsys_core.generator.prepare import centred
from recsys_core.sids.layouts import SidConfig, make_tokenizer

CONFIG = ColdItemsConfig(share=0.2, beam=20)


@pytest.fixture(scope="module")
def split():
    return leave_last_out(synthetic(n_items=60, n_users=80, seed=4)[1])


@pytest.fixture(scope="module")
def text():
    rows = np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def untrained(warm, layout):
    """Stands for training: what is measured here is the bookkeeping, not the model."""
    content = centred(warm.text)
    tokenizer = make_tokenizer(SidConfig(layout=layout))
    sids = tokenizer.fit(content)
    shape = CompactConfig(width=16, wish_width=8, window=6)
    model = make_model(shape, sids, content, hybrid=layout == "hybrid", seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return Trained(model, ConstraintIndex.build(sids), tokenizer.quantizer)


def test_withheld_items_are_in_nothing_that_is_learned_from(split, text):
    warm, cold, place = withhold(split, text, CONFIG)
    assert len(cold) == 12
    assert len(warm.items) == 48
    assert sorted([*warm.items.tolist(), *cold.tolist()]) == list(range(60))
    assert (place[warm.items] == np.arange(48)).all()
    assert (place[cold] >= 48).all()
    assert warm.train_items.max() < 48
    assert warm.validation_targets.max() < 48
    assert all(h.max(initial=0) < 48 for h in warm.validation_histories)
    assert (warm.text == text[warm.items]).all()


def test_warm_histories_keep_users_and_order(split, text):
    warm, cold, place = withhold(split, text, CONFIG)
    assert len(warm.offsets) == len(split.train_offsets)
    for user in range(len(warm.offsets) - 1):
        kept = [place[i] for i in split.train_sequence(user) if i not in cold]
        assert warm.train_items[warm.offsets[user] : warm.offsets[user + 1]].tolist() == kept


def test_the_same_seed_withholds_the_same_items(split, text):
    first, again = (withhold(split, text, CONFIG)[1] for _ in range(2))
    other = withhold(split, text, CONFIG.model_copy(update={"seed": 1}))[1]
    assert first.tolist() == again.tolist() != other.tolist()


def test_every_way_is_measured_against_the_same_users(split, text):
    asked = []

    def train(warm, layout):
        asked.append(layout)
        return untrained(warm, layout)

    report = cold_items(split, text, train, CONFIG)
    assert asked == ["hybrid", "pure"]
    _, cold, _ = withhold(split, text, CONFIG)
    assert report.cold_items == 12
    assert report.cold_users == int(np.isin(split.test_items, cold).sum())
    assert report.warm_users == int((~np.isin(split.test_items, cold)).sum())
    assert set(report.results) == {
        "not_registered",
        "static",
        "paths",
        "paths_selected",
        "static_pure",
        "pure_paths_selected",
    }
    leaves = {name: result.leaves for name, result in report.results.items()}
    assert leaves["not_registered"] == 0
    assert leaves["static"] == leaves["static_pure"] == 12
    assert leaves["paths"] > 12
    assert report.results["not_registered"].recall.value == 0
    for result in report.results.values():
        assert result.recall.low <= result.recall.value <= result.recall.high
        assert result.ndcg.value <= result.recall.value
    figures = report.figures()
    assert figures["cold.recall@10.paths"] == report.results["paths"].recall.value
    assert figures["cold.warm_loss.not_registered"] == 0


def test_warm_loss_is_the_share_of_recall_that_is_lost(split, text):
    report = cold_items(split, text, untrained, CONFIG)
    for name, layout in (("paths", "hybrid"), ("static_pure", "pure")):
        result = report.results[name]
        assert result.warm_loss == pytest.approx(1 - result.warm_recall / report.warm_recall[layout])


def test_a_share_that_nobody_asks_for_is_refused(split, text):
    changed = dataclasses.replace(split, test_items=np.full_like(split.test_items, 7))
    configs = (CONFIG.model_copy(update={"share": 0.02, "seed": seed}) for seed in range(20))
    config = next(c for c in configs if 7 not in withhold(changed, text, c)[1])
    with pytest.raises(DataError, match="withhold a larger share"):
        cold_items(changed, text, untrained, config)


def test_too_few_items_are_refused(split, text):
    with pytest.raises(DataError, match="too few to learn from"):
        withhold(split, text[:2], ColdItemsConfig(share=0.5))


def test_training_as_a_build_does_it_learns_from_warm_items_alone(text, tmp_path):
    catalogue, log = synthetic(n_items=60, n_users=80, seed=4)

    def encode(texts):
        rows = [np.random.default_rng(sum(map(ord, t))).normal(size=12) for t in texts]
        return np.asarray(rows, dtype=np.float32)

    settings = TrainConfig(epochs=1, batch_positions=256, threads=1, grounding_batch=8, validate_users=10)
    shape = CompactConfig(width=16, wish_width=8, window=6)
    heard = []
    trainer = compact_trainer(
        catalogue, encode, tmp_path, shape=shape, settings=settings, tell=lambda layout, _: heard.append(layout)
    )
    warm, cold, _ = withhold(leave_last_out(log), text, CONFIG)
    trained = trainer(warm, "hybrid")
    assert heard == ["hybrid"]
    assert len(trained.index) == len(trained.model.text) == 60 - len(cold)
    assert len(warm.timestamps) == len(warm.train_items)
