"""TIGER as a recommender of the comparison: fitting and scoring."""

from __future__ import annotations

import numpy as np
import torch

from recsys_core.baselines.fitting import check_data, check_histories, fit_epochs, pad_newest
from recsys_core.baselines.protocol import FitData, Floats, Ints, Tell
from recsys_core.baselines.tiger.config import TigerConfig
from recsys_core.baselines.tiger.model import TigerModel
from recsys_core.baselines.tiger.search import beam_search
from recsys_core.constraints import ConstraintIndex
from recsys_core.errors import DataError

SCORE_CHUNK = 64
"""Histories that are decoded at once."""


class Tiger:
    """A fitted TIGER; implements :class:`~recsys_core.baselines.protocol.SequenceScorer`.

    Args:
        model: is put into evaluation mode and must not be changed afterwards.
        index: of the model's semantic IDs.
    """

    def __init__(self, model: TigerModel, index: ConstraintIndex) -> None:
        self.model = model.eval()
        self.index = index

    @classmethod
    def fit(cls, data: FitData, config: TigerConfig | None = None, *, seed: int = 0, tell: Tell | None = None) -> Tiger:
        """Learn from training histories; validation decides only which epoch is kept.

        Args:
            data: with semantic IDs; content is not used.
            config: settings.
            seed: decides everything random; torch's own generator is left as it was.
            tell: hears of every epoch.

        Raises:
            DataError: no semantic IDs, or data that can't be learned from.
            ConfigError: ``heads`` does not divide ``width``.
            BuildError: two items share a semantic ID, or the loss is not a number.
        """
        check_data(data)
        config = config or TigerConfig()
        if data.sids is None or len(data.sids) != data.n_items:
            found = "none" if data.sids is None else f"{len(data.sids)}"
            raise DataError(
                f"baseline tiger needs one semantic ID for each of {data.n_items} items and got {found}; "
                "make them with PureTokenizer"
            )
        index = ConstraintIndex.build(data.sids)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = TigerModel(config, torch.from_numpy(data.sids.astype(np.int64)))
            fit_epochs(
                "tiger",
                model,
                data,
                config,
                window=config.window,
                loss=lambda batch: model.loss(batch.history, batch.targets),
                scorer=lambda: cls(model, index),
                seed=seed,
                tell=tell,
            )
        return cls(model, index)

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    def scores(self, histories: list[Ints]) -> Floats:
        """Log-probabilities of the items that the beam reached, -inf for the others.

        See :class:`~recsys_core.baselines.protocol.SequenceScorer`.

        Raises:
            DataError: an item outside the catalogue.
        """
        check_histories(histories, len(self.index))
        scores = np.full((len(histories), len(self.index)), -np.inf, dtype=np.float32)
        # like lengths together, so that short histories aren't padded to the longest
        order = np.argsort([len(history) for history in histories], kind="stable")
        for low in range(0, len(order), SCORE_CHUNK):
            rows = order[low : low + SCORE_CHUNK]
            history, lengths = pad_newest([histories[row] for row in rows.tolist()], self.model.config.window)
            items, found = beam_search(self.model, self.index, history, lengths, self.model.config.beam)
            row, beam = np.nonzero(items.numpy() >= 0)
            scores[rows[row], items.numpy()[row, beam]] = found.numpy()[row, beam]
        return scores
