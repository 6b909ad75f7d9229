"""Group-relative policy optimisation, the arithmetic only.

Shao et al., "DeepSeekMath" (2024), section 4.1: of each prompt G answers are sampled; an answer's advantage is its
reward against the group's mean, in units of the group's spread (their outcome supervision, 4.1.2), so no value model is
needed; the policy's ratio to the one that sampled is clipped as in PPO (Schulman et al. 2017, eq. 7); and a KL term to
a reference is part of the loss (their eq. 3), estimated by their eq. 4. Liu et al., "Understanding R1-Zero-like
training" (2025) show that dividing by the group's spread and by each answer's length biases towards easy prompts and
long bad answers; both divisions are settings here.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_TINY = 1e-6


def group_advantages(rewards: Tensor, *, by_spread: bool = True) -> Tensor:
    """A = r - mean(r), divided by std(r) where asked for.

    Args:
        rewards: float[n_groups, G].
        by_spread: divide by the group's standard deviation.

    Returns:
        float[n_groups, G]; exactly 0 in a group of equal rewards, which teaches nothing.
    """
    equal = rewards.amax(1, keepdim=True) == rewards.amin(1, keepdim=True)
    centred = rewards - rewards.mean(1, keepdim=True)
    if by_spread:
        centred = centred / (rewards.std(1, keepdim=True, correction=0) + _TINY)
    return torch.where(equal, torch.zeros_like(centred), centred)


class GrpoLoss(NamedTuple):
    """A loss and what it is made of."""

    loss: Tensor
    """Scalar to be minimised."""
    kl: Tensor
    """Scalar: estimated KL divergence from the reference, a step."""
    clipped: Tensor
    """Scalar: share of steps where the clipped ratio decided."""


def grpo_loss(
    new: Tensor,
    old: Tensor,
    reference: Tensor,
    advantages: Tensor,
    real: Tensor,
    *,
    clip: float = 0.2,
    kl_weight: float = 0.02,
    by_length: bool = True,
) -> GrpoLoss:
    """-mean over answers of [ sum over steps of min(rho A, clip(rho) A) - beta KL ], each answer divided by its length.

    Args:
        new: float[B, T], log-probabilities of the steps under the policy in training.
        old: float[B, T], under the policy that sampled them.
        reference: float[B, T], under the reference.
        advantages: float[B].
        real: bool[B, T], False for padding.
        clip: epsilon; the ratio's gain ends at 1 - epsilon and 1 + epsilon.
        kl_weight: beta.
        by_length: divide by each answer's own length; otherwise all by the longest possible one (T).
    """
    weight = real.float()
    ratio = (new - old).exp()
    gain = advantages[:, None]
    free, bound = ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain
    difference = reference - new
    kl = difference.exp() - difference - 1
    step = torch.minimum(free, bound) - kl_weight * kl
    lengths = weight.sum(1).clamp(min=1) if by_length else torch.full_like(weight[:, 0], weight.shape[1])
    total = weight.sum().clamp(min=1)
    return GrpoLoss(
        -((step * weight).sum(1) / lengths).mean(),
        ((kl * weight).sum() / total).detach(),
        (((bound < free) * weight).sum() / total).detach(),
    )
