"""Training checkpoints as safetensors and JSON: no pickles, written aside and renamed."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file, save_file

from recsys_core.generator.model import CompactModel

NEARLY_BEST = 0.99
"""An epoch with at least this share of the best validation NDCG counts as good as the best."""


class Progress(BaseModel):
    """How far training has come."""

    model_config = ConfigDict(extra="forbid")

    epoch: int = 0
    """Finished epochs."""
    kept_epoch: int = 0
    """Epoch (from 1) whose weights are kept; 0 before the first."""
    best_ndcg: float = -1.0
    """Highest validation NDCG so far."""
    reports: list[dict[str, float | int | bool]] = Field(default_factory=list)
    """One record an epoch."""

    def finish_epoch(self, ndcg: float) -> bool:
        """Count an epoch, and whether its weights are kept: those of the latest that is as good as the best.

        Validation is a sample, so the highest of a dozen values is high by luck as well; later epochs have the lower
        learning rate, and an annealed model generalises better than one caught at a lucky moment.
        """
        self.epoch += 1
        self.best_ndcg = max(self.best_ndcg, ndcg)
        keep = ndcg >= NEARLY_BEST * self.best_ndcg
        if keep:
            self.kept_epoch = self.epoch
        return keep


class CheckpointFiles:
    """The files of one training run.

    ``progress.json`` is renamed last and names the epoch whose ``state-<epoch>.safetensors`` belongs to it, so a kill
    at any moment leaves a consistent pair.

    Args:
        folder: is made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, model: CompactModel, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Write weights, optimizer moments and progress; the previous epoch's state is removed afterwards."""
        tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
        for number, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": t for name, t in state.items()}
        state_file = self.folder / f"state-{progress.epoch}.safetensors"
        _write(tensors, state_file)
        temporary = self.folder / "progress.json.part"
        temporary.write_text(progress.model_dump_json(), encoding="utf-8")
        os.replace(temporary, self.folder / "progress.json")
        for old in self.folder.glob("state-*.safetensors"):
            if old != state_file:
                old.unlink()

    def resume(self, model: CompactModel, optimizer: torch.optim.Optimizer) -> Progress | None:
        """Load the last consistent checkpoint into model and optimizer; None when there is none."""
        path = self.folder / "progress.json"
        if not path.exists():
            return None
        progress = Progress.model_validate_json(path.read_text(encoding="utf-8"))
        tensors = load_file(self.folder / f"state-{progress.epoch}.safetensors")
        model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, number, key = name.split(".", 2)
                moments.setdefault(int(number), {})[key] = tensor
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        return progress

    def save_best(self, model: CompactModel) -> None:
        """Keep these weights as the best so far."""
        _write(model.state_dict(), self.folder / "best.safetensors")

    def load_best(self, model: CompactModel) -> None:
        """Put the best weights back into the model."""
        model.load_state_dict(load_file(self.folder / "best.safetensors"))


def _write(tensors: dict[str, torch.Tensor], path: Path) -> None:
    temporary = path.with_suffix(".part")
    save_file({n: t.contiguous() for n, t in tensors.items()}, temporary)
    os.replace(temporary, path)
