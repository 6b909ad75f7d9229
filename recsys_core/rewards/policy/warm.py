"""The supervised start: the policy learns to write what the rules write, so that reinforcement starts from sense."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from recsys_core.errors import BuildError
from recsys_core.rewards.policy.cases import Case
from recsys_core.rewards.policy.config import WarmConfig
from recsys_core.rewards.policy.grammar import Grammar
from recsys_core.rewards.policy.model import ProfilePolicy
from recsys_core.rewards.policy.sampling import Plans, given, log_probabilities
from recsys_core.rewards.policy.slots import Sheet, plan_of


def rule_plans(cases: Sequence[Case], grammar: Grammar) -> list[list[int]]:
    """Each case's rule-written profile as actions; empty where no line of it is recognised."""
    return [plan_of(case.rule, grammar, case.slots) for case in cases]


def warm_start(
    policy: ProfilePolicy,
    grammar: Grammar,
    sheet: Sheet,
    plans: Sequence[list[int]],
    config: WarmConfig,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Train in place on the plans; histories without one are left out.

    Args:
        policy: freshly made.
        grammar: of the plans.
        sheet: facts of each plan's history.
        plans: as of :func:`rule_plans`.
        config: the recipe.
        seed: of the order.
        progress: told (epochs done, epochs).

    Returns:
        Mean loss of each epoch.

    Raises:
        BuildError: nothing to learn from.
    """
    kept = np.flatnonzero([len(plan) > 0 for plan in plans])
    if config.epochs and not len(kept):
        raise BuildError(
            "none of the profiles written by rules could be read as sentences of the policy; "
            "the catalogue has no genres, makers, years or other tags to write of"
        )
    optimizer = torch.optim.AdamW(policy.parameters(), lr=config.learning_rate, weight_decay=0.01)
    losses = []
    total = config.epochs * -(-len(kept) // config.batch)
    step = 0
    for epoch in range(config.epochs):
        order = np.random.default_rng([seed, 2, epoch]).permutation(kept)
        sums: list[float] = []
        for start in range(0, len(order), config.batch):
            rows = order[start : start + config.batch]
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * step / total))
            part = sheet.rows(rows)
            written = given(grammar, part, [plans[row] for row in rows.tolist()], policy.config.longest)
            loss = imitation_loss(policy, part, written, config.smoothing)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
            optimizer.step()
            sums.append(loss.item())
            step += 1
        losses.append(float(np.mean(sums)))
        if progress:
            progress(epoch + 1, config.epochs)
    return losses


def imitation_loss(policy: ProfilePolicy, sheet: Sheet, plans: Plans, smoothing: float) -> Tensor:
    """Cross-entropy of the steps taken, ``smoothing`` of it spread evenly over all that was allowed."""
    every = log_probabilities(policy, sheet, plans)
    taken = every.gather(2, torch.from_numpy(plans.actions)[..., None])[..., 0]
    allowed = torch.from_numpy(plans.allowed)
    even = every.masked_fill(~allowed, 0.0).sum(2) / allowed.sum(2).clamp(min=1)
    real = torch.from_numpy(plans.real).float()
    return -(((1 - smoothing) * taken + smoothing * even) * real).sum() / real.sum()
