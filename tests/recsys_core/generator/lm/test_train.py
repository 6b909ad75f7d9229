"""Training learns words and taste, stops on nonsense, and a killed run ends where the unbroken one does."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from recsys_core.errors import BuildError
from recsys_core.generator.lm import train as train_module
from recsys_core.generator.lm.config import LmTrainConfig
from recsys_core.generator.lm.losses import LmLoss
from recsys_core.generator.lm.train import train
from tests.recsys_core.generator.lm.tiny import make_world

CONFIG = LmTrainConfig(epochs=2, batch_positions=256, row_tokens=64, learning_rate=5e-3, threads=1, patience=10)


def test_training_learns_what_words_mean_and_whom_they_are_said_to(tmp_path, monkeypatch):
    world = make_world(n_users=30, layers=1, width=32, dropout=0.0)
    # thirty people say little about the best epoch; the last one is kept
    monkeypatch.setattr(train_module, "validate", lambda *args, **kw: (0.0, 1 - 1 / time.monotonic()))
    config = CONFIG.model_copy(
        update={
            "epochs": 18,
            "learning_rate": 1e-2,
            "batch_positions": 128,
            "instruction_share": 0.7,
            "alignment_share": 0.8,
        }
    )
    reports = train(world.model, world.trie, world.data, config, tmp_path)
    assert reports[-1].loss < reports[0].loss - 1
    assert reports[0].tokens_per_second > 0
    generator = world.generator()
    genres = world.catalogue.tags("genre")
    histories = [world.split.validation_history(int(u)) for u in world.split.users[:20]]

    def top(words):
        return np.argsort(-generator.scores(histories, [words] * len(histories)), axis=1)[:, :5]

    def share(words, genre):
        return np.mean([[genre in genres[i] for i in row] for row in top(words)])

    names = sorted({genre for own in genres for genre in own})
    noun = world.catalogue.item_noun
    gains = [share(f"recommend {genre} {noun}", genre) - share("", genre) for genre in names]
    assert np.mean(gains) > 0.2
    # the same words still mean different items to different people
    assert len({tuple(row) for row in top(f"recommend {names[0]} {noun}").tolist()}) > 1


@pytest.mark.parametrize("layout", ["hybrid", "pure"])
@pytest.mark.parametrize("sampled", [False, True])
def test_the_loss_falls_in_both_layouts_also_with_sampled_negatives(layout, sampled, tmp_path):
    world = make_world(layout, shared_vectors=not sampled)
    few = {"full_softmax_items": 1, "sampled_items": 30, "sampled_siblings": 2} if sampled else {}
    reports = train(world.model, world.trie, world.data, CONFIG.model_copy(update={"accumulate": 2, **few}), tmp_path)
    assert reports[-1].loss < reports[0].loss - 0.05


def test_a_killed_run_resumes_to_the_same_weights(tmp_path, monkeypatch):
    unbroken = make_world()
    expected = train(unbroken.model, unbroken.trie, unbroken.data, CONFIG, tmp_path / "unbroken")

    class Killed(BaseException):
        """Stands for a kill in the middle of an epoch: nothing after it runs."""

    forward = LmLoss.forward
    first = []

    def killed(self, rows, generator):
        first.append(1)
        if len(first) > steps + 1:
            raise Killed
        return forward(self, rows, generator)

    broken = make_world()
    rng = np.random.default_rng([CONFIG.seed, 0])
    rng.integers(2**31), rng.integers(2**31)
    sids = broken.sids.astype(np.int64)
    steps = len(list(train_module.epoch_documents(broken.data, broken.vocabulary.layout, sids, CONFIG, rng)))
    monkeypatch.setattr(LmLoss, "forward", killed)
    with pytest.raises(Killed):
        train(broken.model, broken.trie, broken.data, CONFIG, tmp_path / "broken")
    monkeypatch.setattr(LmLoss, "forward", forward)
    fresh = make_world()
    resumed = train(fresh.model, fresh.trie, fresh.data, CONFIG, tmp_path / "broken")
    timeless = {"tokens_per_second", "seconds"}
    assert [r.model_dump(exclude=timeless) for r in resumed] == [r.model_dump(exclude=timeless) for r in expected]
    for name, weight in unbroken.model.state_dict().items():
        assert torch.equal(weight, fresh.model.state_dict()[name]), name


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    world = make_world()
    train(world.model, world.trie, world.data, CONFIG.model_copy(update={"epochs": 1}), tmp_path)
    good = (tmp_path / "best.safetensors").read_bytes()
    monkeypatch.setattr(LmLoss, "forward", lambda *args: torch.tensor(float("nan"), requires_grad=True))
    with pytest.raises(BuildError, match="learning_rate"):
        train(world.model, world.trie, world.data, CONFIG, tmp_path)
    assert (tmp_path / "best.safetensors").read_bytes() == good


def test_early_stop_keeps_the_best_epoch(tmp_path, monkeypatch):
    world = make_world()
    values = iter([0.3, 0.2, 0.1, 0.05])
    monkeypatch.setattr(train_module, "validate", lambda *args, **kw: (0.0, next(values)))
    config = CONFIG.model_copy(update={"epochs": 9, "patience": 2})
    reports = train(world.model, world.trie, world.data, config, tmp_path)
    assert [r.kept for r in reports] == [True, False, False]
