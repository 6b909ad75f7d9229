"""Training of the ``compact`` generator: epochs, validation, early stop, checkpoints that survive kill -9.

Every random choice of an epoch follows from (seed, epoch), so a resumed run goes on exactly as the unbroken one would.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from recsys_core.errors import BuildError
from recsys_core.generator.checkpoint import CheckpointFiles, Progress
from recsys_core.generator.config import TrainConfig
from recsys_core.generator.data import InstructionSampler, Ints, Sequences, epoch_batches
from recsys_core.generator.losses import SidLoss, parameter_groups
from recsys_core.generator.meaning import train_meaning
from recsys_core.generator.model import CompactModel, Instruction
from recsys_core.generator.step import training_loss
from recsys_core.generator.trie import TrieTensors, all_log_probabilities

NO_GROUND = (np.empty(0, np.int64), np.empty((0, 0), bool))


@dataclass(frozen=True)
class TrainingData:
    """All that training reads.

    Attributes:
        sequences: each user's items before the last two.
        sampler: chooses instructions.
        wordings: float32[n_wordings, d_text], sentence vectors of the instructions.
        text: float32[n_items, d_text], item text vectors in the same space (not centred).
        top_attribute: int64[n_items], a broad class of each item; -1 = unknown.
        validation_histories: item indices per validated user, newest last.
        validation_targets: int64[n_validated].
    """

    sequences: Sequences
    sampler: InstructionSampler
    wordings: NDArray[np.float32]
    text: NDArray[np.float32]
    top_attribute: Ints
    validation_histories: list[Ints]
    validation_targets: Ints


class EpochReport(BaseModel):
    """What one epoch came to."""

    model_config = ConfigDict(extra="forbid")

    epoch: int
    """Counted from 1."""
    epochs: int
    """Planned epochs."""
    loss: float
    """Mean training loss."""
    recall: float
    """Validation Recall@10, full ranking, history masked."""
    ndcg: float
    """Validation NDCG@10."""
    kept: bool
    """Whether its weights are those to keep so far: of the latest epoch that is as good as the best."""


def pad_histories(histories: list[Ints], window: int) -> torch.Tensor:
    """The newest ``window`` items of each history: int64[B, T], right-padded with -1 (T at least 1)."""
    newest = [h[-window:] for h in histories]
    longest = max([1, *(len(h) for h in newest)])
    padded = np.full((len(newest), longest), -1, dtype=np.int64)
    for row, history in enumerate(newest):
        padded[row, : len(history)] = history
    return torch.from_numpy(padded)


def last_states(
    model: CompactModel, histories: list[Ints], instruction: Instruction, item_vectors: torch.Tensor | None = None
) -> torch.Tensor:
    """State after the newest item of each history: float32[B, d].

    Args:
        model: in evaluation mode.
        histories: item indices, newest last; an empty one gives the state of the instruction alone.
        instruction: from :meth:`CompactModel.instruct`.
        item_vectors: float32[n_items, d] from :meth:`CompactModel.item_vectors`, when at hand.
    """
    padded = pad_histories(histories, model.config.window)
    states: torch.Tensor = model(padded, instruction, item_vectors)
    lengths = torch.tensor([min(len(h), model.config.window) for h in histories], dtype=torch.long)
    return states[torch.arange(len(histories)), lengths]


def train(
    model: CompactModel,
    trie: TrieTensors,
    data: TrainingData,
    config: TrainConfig,
    folder: Path,
    report: Callable[[EpochReport], None] | None = None,
) -> list[EpochReport]:
    """Train in place and leave the weights of the latest epoch that is as good as the best in the model.

    Args:
        model: freshly made under ``config.seed``.
        trie: of the same semantic IDs.
        data: histories, instructions, validation.
        config: the recipe.
        folder: for checkpoints; one that is there already is resumed.
        report: called after each epoch.

    Raises:
        BuildError: the loss is not a number; the last good checkpoint stays in ``folder``.
    """
    torch.set_num_threads(config.threads)
    n_items = len(data.text)
    loss = SidLoss(
        model,
        trie,
        full=n_items <= config.full_softmax_items,
        sampled_items=config.sampled_items,
        auxiliary_weight=config.auxiliary_weight,
        correction=config.sampling_correction,
    )
    optimizer = torch.optim.AdamW(
        parameter_groups(model, config.weight_decay), lr=config.learning_rate, betas=(0.9, 0.98), fused=True
    )
    files = CheckpointFiles(folder)
    progress = files.resume(model, optimizer) or Progress()
    texts = torch.from_numpy(data.text)
    wordings = torch.from_numpy(data.wordings)
    reports = [EpochReport.model_validate(r) for r in progress.reports]
    while progress.epoch < config.epochs and progress.epoch - progress.kept_epoch < config.patience:
        mean = _epoch(model, optimizer, loss, data, config, progress.epoch, wordings, texts)
        recall, ndcg = validate(model, trie, data.validation_histories, data.validation_targets)
        keep = progress.finish_epoch(ndcg)
        if keep:
            files.save_best(model)
        reports.append(
            EpochReport(epoch=progress.epoch, epochs=config.epochs, loss=mean, recall=recall, ndcg=ndcg, kept=keep)
        )
        progress.reports = [r.model_dump() for r in reports]
        files.save(model, optimizer, progress)
        if report:
            report(reports[-1])
    files.load_best(model)
    if config.meaning_steps:
        train_meaning(
            model.meaning,
            model.text,
            data.sampler,
            wordings,
            texts,
            steps=config.meaning_steps,
            batch=config.meaning_batch,
            noise=config.sentence_noise,
            seed=config.seed,
        )
    model.eval()
    return reports


def _epoch(
    model: CompactModel,
    optimizer: torch.optim.Optimizer,
    loss: SidLoss,
    data: TrainingData,
    config: TrainConfig,
    epoch: int,
    wordings: torch.Tensor,
    texts: torch.Tensor,
) -> float:
    rng = np.random.default_rng([config.seed, epoch])
    torch.manual_seed(int(rng.integers(2**31)))
    negatives = torch.Generator().manual_seed(int(rng.integers(2**31)))
    batches = list(
        epoch_batches(
            data.sequences,
            data.sampler,
            data.top_attribute,
            window=model.config.window,
            batch_positions=config.batch_positions,
            instruction_share=config.instruction_share,
            rng=rng,
            silent_share=config.silent_share,
        )
    )
    model.train()
    losses = []
    for number, batch in enumerate(batches):
        rate = _rate(config, epoch + number / len(batches))
        for group in optimizer.param_groups:
            group["lr"] = rate
        ground = data.sampler.grounding(config.grounding_batch, rng) if config.grounding_weight else NO_GROUND
        value = training_loss(model, loss, batch, ground, config, wordings, texts, negatives)
        if value is None:
            continue
        if not math.isfinite(value.item()):
            raise BuildError(
                f"stage generator: the training loss became {value.item()} in epoch {epoch + 1}; lower "
                "`generator.train.learning_rate`. The last good checkpoint is kept"
            )
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(value.item())
    return float(np.mean(losses)) if losses else 0.0


def _rate(config: TrainConfig, epoch: float) -> float:
    """Learning rate: up over the first epoch, then a cosine down to 5 %."""
    if epoch < 1:
        return config.learning_rate * max(0.02, epoch)
    done = (epoch - 1) / max(1, config.epochs - 1)
    return config.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


@torch.inference_mode()
def validate(
    model: CompactModel, trie: TrieTensors, histories: list[Ints], targets: Ints, k: int = 10
) -> tuple[float, float]:
    """Recall@k and NDCG@k of the next item, full ranking, history masked, ties by item index."""
    if not len(targets):
        return 0.0, 0.0
    model.eval()
    nothing = torch.zeros(len(histories), model.text.shape[1])
    silence = model.instruct(nothing, torch.zeros(len(histories), dtype=torch.bool))
    states = last_states(model, histories, silence)
    scores = all_log_probabilities(model, trie, states, silence.wish).numpy()
    for row, history in enumerate(histories):
        scores[row, history] = -np.inf
    own = scores[np.arange(len(targets)), targets][:, None]
    earlier = np.arange(scores.shape[1])[None, :] < targets[:, None]
    ranks = (scores > own).sum(axis=1) + ((scores == own) & earlier).sum(axis=1)
    hits = ranks < k
    return float(hits.mean()), float((hits / np.log2(ranks + 2)).mean())
