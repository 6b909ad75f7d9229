"""A running mean of the weights (Polyak and Juditsky 1992): steadier than the last step's, and it overfits later."""

from __future__ import annotations

import copy

import torch

from recsys_core.generator.model import CompactModel


class RunningMean:
    """An exponential running mean of a model's parameters.

    Args:
        model: whose parameters the mean begins with.
    """

    def __init__(self, model: CompactModel) -> None:
        self.model = copy.deepcopy(model).eval()
        self.steps = torch.zeros((), dtype=torch.int64)
        """Steps followed so far; a tensor, so that a checkpoint can hold it."""

    @torch.no_grad()
    def follow(self, model: CompactModel, horizon: float) -> None:
        """Take a step's weights in.

        Args:
            model: after the step.
            horizon: steps that the mean runs over; fewer at the start, where the first weights must soon be forgotten.
        """
        self.steps += 1
        share = max(1 / max(horizon, 1.0), 1 / (1 + int(self.steps) / STEPS_A_SHARE))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), share)


STEPS_A_SHARE = 4
"""The mean runs over about the newest quarter of the steps so far, until that reaches the horizon."""
