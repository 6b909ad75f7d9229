"""Training of the ``lm`` generator: epochs, validation of what would be saved, early stop, kill-safe checkpoints.

Every random choice of an epoch follows from (seed, epoch), so a resumed run goes on exactly as the unbroken one would.
Several GPUs: start the build with ``torchrun --nproc-per-node N`` or ``accelerate launch --num-processes N``; both set
the variables that :func:`train` reads, and each process then takes every N-th batch.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import nn

from recsys_core.baselines.protocol import ndcg, target_rank
from recsys_core.errors import BuildError
from recsys_core.generator.checkpoint import CheckpointFiles, Progress
from recsys_core.generator.lm.base import base_from_pretrained, base_from_scratch
from recsys_core.generator.lm.config import LmConfig, LmTrainConfig
from recsys_core.generator.lm.data import LmData, epoch_documents
from recsys_core.generator.lm.documents import Rows, pack
from recsys_core.generator.lm.engine import LmEngine
from recsys_core.generator.lm.losses import LmLoss, parameter_groups
from recsys_core.generator.lm.model import LmModel
from recsys_core.generator.lm.vocabulary import TokenLayout
from recsys_core.generator.lm.words import word_content
from recsys_core.generator.trie import TrieTensors


class LmEpochReport(BaseModel):
    """What one epoch came to."""

    model_config = ConfigDict(extra="forbid")

    epoch: int
    """Counted from 1."""
    epochs: int
    """Planned epochs."""
    loss: float
    """Mean training loss."""
    recall: float
    """Validation Recall@10, full ranking, history masked, no instruction."""
    ndcg: float
    """Validation NDCG@10."""
    kept: bool
    """Whether its weights are those to keep so far: of the latest epoch that is as good as the best."""
    tokens_per_second: float
    """Tokens trained on a second of training, padding left out, all processes together."""
    seconds: float
    """Seconds of training, validation left out."""


def make_lm(
    config: LmConfig,
    layout: TokenLayout,
    sids: NDArray[np.int32],
    content: NDArray[np.float32],
    *,
    seed: int,
    words: Sequence[Sequence[int]] | None = None,
) -> LmModel:
    """A model to be trained, from scratch or from the pretrained one that the configuration names.

    Args:
        config: shape.
        layout: of the tokens.
        sids: int32[n_items, L].
        content: float32[n_items, d], centred unit rows (:func:`recsys_core.generator.prepare.centred`).
        seed: of the initial weights.
        words: token numbers of all that is said of each item, so that a model from scratch begins with an idea of what
            words mean; a pretrained one has its own.

    Raises:
        ConfigError: the pretrained model can't be loaded or used.
    """
    torch.manual_seed(seed)
    if config.pretrained:
        base = base_from_pretrained(config.pretrained, layout)
    else:
        base = base_from_scratch(config, layout, sids.shape[1])
    codes = torch.from_numpy(sids.astype(np.int64))
    about = None
    if words is not None and not config.pretrained and content.shape[1]:
        about = torch.from_numpy(word_content(words, content, layout.text_tokens))
    return LmModel(config, layout, base, codes, torch.from_numpy(np.ascontiguousarray(content)), about)


def train(
    model: LmModel,
    trie: TrieTensors,
    data: LmData,
    config: LmTrainConfig,
    folder: Path,
    report: Callable[[LmEpochReport], None] | None = None,
) -> list[LmEpochReport]:
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
    runner = _Runner(model, trie, data, config)
    # the files only read and write state dicts, so they serve any module
    files: Any = CheckpointFiles(folder)
    progress = files.resume(model, runner.optimizer) or Progress()
    reports = [LmEpochReport.model_validate(r) for r in progress.reports]
    while progress.epoch < config.epochs and progress.epoch - progress.kept_epoch < config.patience:
        loss, tokens, seconds = runner.epoch(progress.epoch)
        recall, gain = validate(model, trie, data.validation_histories, data.validation_targets)
        keep = progress.finish_epoch(gain)
        reports.append(
            LmEpochReport(
                epoch=progress.epoch,
                epochs=config.epochs,
                loss=loss,
                recall=recall,
                ndcg=gain,
                kept=keep,
                tokens_per_second=round(tokens / max(seconds, 1e-9), 1),
                seconds=round(seconds, 2),
            )
        )
        progress.reports = [r.model_dump() for r in reports]
        if runner.rank == 0:
            if keep:
                files.save_best(model)
            files.save(model, runner.optimizer, progress)
        if report:
            report(reports[-1])
    runner.wait()
    files.load_best(model)
    model.eval()
    return reports


class _Runner:
    """One process's share of an epoch.

    Args:
        model: trained in place.
        trie: of the semantic IDs.
        data: histories and instructions.
        config: the recipe.
    """

    def __init__(self, model: LmModel, trie: TrieTensors, data: LmData, config: LmTrainConfig) -> None:
        self.world, self.rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
        self.device = torch.device("cpu")
        if torch.cuda.is_available():
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        self.model, self.data, self.config = model.to(self.device), data, config
        self.loss = LmLoss(model, trie, config).to(self.device)
        self.wrapped: nn.Module = self.loss
        if self.world > 1:
            if not torch.distributed.is_initialized():
                torch.distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
            self.wrapped = nn.parallel.DistributedDataParallel(
                self.loss, find_unused_parameters=True, broadcast_buffers=False
            )
        groups: Any = parameter_groups(model, config)
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
        half = config.precision == "bfloat16" or (config.precision == "auto" and self.device.type == "cuda")
        self.autocast = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half)
        self.sids = model.sids.cpu().numpy()

    def epoch(self, epoch: int) -> tuple[float, int, float]:
        """Train one epoch: mean loss, tokens, seconds.

        Raises:
            BuildError: the loss is not a number.
        """
        config = self.config
        rng = np.random.default_rng([config.seed, epoch])
        torch.manual_seed(int(rng.integers(2**31)) + self.rank)
        negatives = torch.Generator().manual_seed(int(rng.integers(2**31)) + self.rank)
        batches = list(epoch_documents(self.data, self.model.layout, self.sids, config, rng))
        # all processes make as many steps, or they would wait for one another for ever
        steps = -(-len(batches) // self.world)
        share = [batches[(self.rank + n * self.world) % len(batches)] for n in range(steps)]
        started, losses, tokens = time.perf_counter(), [], 0
        self.model.train()
        for number, documents in enumerate(share):
            for group in self.optimizer.param_groups:
                group["lr"] = rate(config, epoch + number / len(share)) * group["factor"]
            rows = pack(documents, self.model.layout.pad, config.row_tokens)
            losses.append(self._backward(rows, negatives, epoch))
            tokens += rows.real * self.world
            if (number + 1) % config.accumulate == 0 or number + 1 == len(share):
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optimizer.step()
                self.optimizer.zero_grad(set_to_none=True)
        return float(np.mean(losses)) if losses else 0.0, tokens, time.perf_counter() - started

    def _backward(self, rows: Rows, negatives: torch.Generator, epoch: int) -> float:
        with self.autocast:
            value = self.wrapped(rows.to(self.device), negatives)
        loss = float(value.item())
        if not math.isfinite(loss):
            raise BuildError(
                f"stage lm: the training loss became {loss} in epoch {epoch + 1}; lower "
                "`lm.train.learning_rate`. The last good checkpoint is kept"
            )
        (value / self.config.accumulate).backward()
        return loss

    def wait(self) -> None:
        """Until all processes are here, so that the best weights are on disk."""
        if self.world > 1:
            torch.distributed.barrier()


def rate(config: LmTrainConfig, epoch: float) -> float:
    """Learning rate: up over the first epoch, then a cosine down to 5 %."""
    if epoch < 1:
        return config.learning_rate * max(0.02, epoch)
    done = (epoch - 1) / max(1, config.epochs - 1)
    return config.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def validate(
    model: LmModel, trie: TrieTensors, histories: list[NDArray[np.int64]], targets: NDArray[np.int64], k: int = 10
) -> tuple[float, float]:
    """Recall@k and NDCG@k of the next item by the folded model, full ranking, history masked, ties by item index."""
    if not len(targets):
        return 0.0, 0.0
    engine = LmEngine(model.fold().to(model.text_in.device), model.layout)
    ranks = []
    for start in range(0, len(targets), 256):
        part = histories[start : start + 256]
        scores = engine.all_log_probabilities(engine.read([[]] * len(part), part), trie).cpu().numpy()
        ranks.append(target_rank(scores, part, targets[start : start + 256]))
    every = np.concatenate(ranks)
    return float((every < k).mean()), ndcg(every, k)
