"""Training learns, stops on nonsense, and a killed run ends where the unbroken one does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recsys_core.catalog.splits import leave_last_out
from recsys_core.catalog.synth import synthetic
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import BuildError
from recsys_core.generator import train as train_module
from recsys_core.generator.checkpoint import Progress
from recsys_core.generator.compact import make_model
from recsys_core.generator.config import CompactConfig, TrainConfig
from recsys_core.generator.prepare import centred, prepare_training
from recsys_core.generator.train import train
from recsys_core.generator.trie import TrieTensors
from recsys_core.sids.layouts import SidConfig, make_tokenizer

CONFIG = TrainConfig(epochs=3, batch_positions=256, learning_rate=5e-3, threads=1, patience=10, grounding_batch=8)
SHAPE = CompactConfig(width=16, wish_width=8, window=8, dropout=0.1)


def _encode(texts):
    return np.stack([np.random.default_rng(sum(map(ord, t))).normal(size=16) for t in texts]).astype(np.float32)


def _world(layout="hybrid"):
    catalogue, log = synthetic(n_items=60, n_users=80, seed=3)
    text = _encode(catalogue.texts)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    sids = make_tokenizer(SidConfig(layout=layout)).fit(centred(text))
    model = make_model(SHAPE, sids, centred(text), hybrid=layout == "hybrid", seed=0)
    trie = TrieTensors.from_index(ConstraintIndex.build(sids), hybrid=layout == "hybrid")
    data = prepare_training(catalogue, leave_last_out(log), text, _encode, seed=0, validate_users=50)
    return model, trie, data


@pytest.mark.parametrize("layout", ["hybrid", "pure"])
@pytest.mark.parametrize("full", [True, False])
def test_the_loss_falls(layout, full, tmp_path):
    model, trie, data = _world(layout)
    config = CONFIG.model_copy(update={"full_softmax_items": 4096 if full else 1, "sampled_items": 40})
    reports = train(model, trie, data, config, tmp_path)
    assert reports[-1].loss < reports[0].loss - 0.2


def test_a_killed_run_resumes_to_the_same_weights(tmp_path, monkeypatch):
    unbroken, trie, data = _world()
    expected = train(unbroken, trie, data, CONFIG, tmp_path / "unbroken")

    class Killed(BaseException):
        """Stands for a kill in the middle of an epoch: nothing after it runs."""

    steps = 0
    step = train_module.training_loss

    def killed_step(*args):
        nonlocal steps
        steps += 1
        if steps == 4:
            raise Killed
        return step(*args)

    broken, trie, data = _world()
    monkeypatch.setattr(train_module, "training_loss", killed_step)
    first_epoch = len(list(_batches(data)))
    steps = 4 - first_epoch - 2  # dies in the second epoch
    with pytest.raises(Killed):
        train(broken, trie, data, CONFIG, tmp_path / "broken")
    monkeypatch.setattr(train_module, "training_loss", step)
    fresh, trie, data = _world()
    resumed = train(fresh, trie, data, CONFIG, tmp_path / "broken")
    assert [r.model_dump() for r in resumed] == [r.model_dump() for r in expected]
    for name, weight in unbroken.state_dict().items():
        assert torch.equal(weight, fresh.state_dict()[name]), name


def _batches(data):
    return train_module.epoch_batches(
        data.sequences,
        data.sampler,
        data.top_attribute,
        window=SHAPE.window,
        batch_positions=CONFIG.batch_positions,
        instruction_share=CONFIG.instruction_share,
        rng=np.random.default_rng([CONFIG.seed, 0]),
    )


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    model, trie, data = _world()
    train(model, trie, data, CONFIG.model_copy(update={"epochs": 1}), tmp_path)
    good = (tmp_path / "best.safetensors").read_bytes()
    monkeypatch.setattr(train_module, "training_loss", lambda *args: torch.tensor(float("nan"), requires_grad=True))
    with pytest.raises(BuildError, match="learning_rate"):
        train(model, trie, data, CONFIG, tmp_path)
    assert (tmp_path / "best.safetensors").read_bytes() == good


def test_early_stop_keeps_the_best_epoch(tmp_path, monkeypatch):
    model, trie, data = _world()
    values = iter([0.3, 0.2, 0.1, 0.05])
    monkeypatch.setattr(train_module, "validate", lambda *args, **kw: (0.0, next(values)))
    reports = train(model, trie, data, CONFIG.model_copy(update={"epochs": 9, "patience": 2}), tmp_path)
    assert len(reports) == 3
    assert [r.kept for r in reports] == [True, False, False]


def test_of_epochs_as_good_as_the_best_the_latest_is_kept(tmp_path, monkeypatch):
    model, trie, data = _world()
    values = iter([0.2, 0.301, 0.3, 0.29, 0.299])
    monkeypatch.setattr(train_module, "validate", lambda *args, **kw: (0.0, next(values)))
    reports = train(model, trie, data, CONFIG.model_copy(update={"epochs": 5}), tmp_path)
    assert [r.kept for r in reports] == [True, True, True, False, True]


def test_with_nobody_to_validate_on_the_last_epoch_is_kept():
    progress = Progress()
    assert [progress.finish_epoch(0.0) for _ in range(3)] == [True] * 3
    assert progress.kept_epoch == 3
