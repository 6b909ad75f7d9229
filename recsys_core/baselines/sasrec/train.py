"""SASRec as a recommender of the comparison: fitting and scoring."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recsys_core.baselines.fitting import (
    Batch,
    centred_content,
    check_data,
    check_histories,
    fit_epochs,
    pad_newest,
)
from recsys_core.baselines.protocol import FitData, Floats, Ints, Tell
from recsys_core.baselines.sasrec.config import SasRecConfig
from recsys_core.baselines.sasrec.model import SasRecModel

SCORE_CHUNK = 256
"""Histories that are read at once."""


class SASRec:
    """A fitted SASRec; implements :class:`~recsys_core.baselines.protocol.SequenceScorer`.

    Args:
        model: is put into evaluation mode and must not be changed afterwards.
    """

    @torch.inference_mode()
    def __init__(self, model: SasRecModel) -> None:
        self.model = model.eval()
        self._vectors = model.item_vectors().clone()
        self._keys = model.keys(self._vectors)

    @classmethod
    def fit(
        cls, data: FitData, config: SasRecConfig | None = None, *, seed: int = 0, tell: Tell | None = None
    ) -> SASRec:
        """Learn from training histories; validation decides only which epoch is kept.

        Args:
            data: content is used where its width isn't 0 and ``use_content`` is on.
            config: left out, :meth:`SasRecConfig.for_size`.
            seed: decides everything random; torch's own generator is left as it was.
            tell: hears of every epoch.

        Raises:
            DataError: the data can't be learned from.
            ConfigError: ``heads`` does not divide ``width``.
            BuildError: the loss is not a number.
        """
        check_data(data)
        config = config or SasRecConfig.for_size(data.n_items, len(data.items))
        with_content = config.use_content and data.content.size > 0
        content = centred_content(data) if with_content else np.empty((data.n_items, 0), np.float32)
        negatives = torch.Generator().manual_seed(seed)
        sampled = data.n_items > config.full_softmax_items
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = SasRecModel(config, data.n_items, torch.from_numpy(content))

            def loss(batch: Batch) -> Tensor:
                drawn = None
                if sampled:
                    drawn = torch.randint(data.n_items, (config.sampled_items,), generator=negatives)
                return model.loss(batch.history, batch.targets, drawn)

            fit_epochs(
                "sasrec",
                model,
                data,
                config,
                window=config.window,
                loss=loss,
                scorer=lambda: cls(model),
                seed=seed,
                tell=tell,
            )
        return cls(model)

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    @torch.inference_mode()
    def scores(self, histories: list[Ints]) -> Floats:
        """Logits of all items, see :class:`~recsys_core.baselines.protocol.SequenceScorer`.

        Raises:
            DataError: an item outside the catalogue.
        """
        check_histories(histories, self.model.n_items)
        scores = np.empty((len(histories), self.model.n_items), dtype=np.float32)
        for low in range(0, len(histories), SCORE_CHUNK):
            history, lengths = pad_newest(histories[low : low + SCORE_CHUNK], self.model.config.window)
            states = self.model(self._vectors[history.clamp(min=0)])[torch.arange(len(history)), lengths]
            scores[low : low + SCORE_CHUNK] = self.model.logits(states, self._keys).numpy()
        return scores
