"""Profiles drawn from the policy, and the log-probabilities of given ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys_core.rewards.policy.grammar import END, Grammar, Writing, replay
from recsys_core.rewards.policy.model import Facts, ProfilePolicy, Seen
from recsys_core.rewards.policy.slots import Sheet


class Plans(NamedTuple):
    """Profiles as actions.

    Attributes:
        actions: int64[B, T], padded with :data:`END`.
        allowed: bool[B, T, 1 + P + S], what could have been chosen.
        real: bool[B, T], steps up to and with the end.
    """

    actions: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    real: NDArray[np.bool_]


def tensors(sheet: Sheet) -> Facts:
    """The arrays as the policy takes them."""
    return Facts(torch.from_numpy(sheet.groups), torch.from_numpy(sheet.words), torch.from_numpy(sheet.figures))


@torch.no_grad()
def sample(
    policy: ProfilePolicy,
    grammar: Grammar,
    sheet: Sheet,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
) -> Plans:
    """One profile a row.

    Args:
        policy: what chooses.
        grammar: what may be chosen.
        sheet: facts of each row; repeat rows for several profiles of one user.
        generator: randomness; the likeliest step is taken each time when None.
        temperature: below 1 nearer to the likeliest, above 1 more varied.
    """
    read = policy.read(tensors(sheet))
    writing = Writing(grammar, sheet.groups, sheet.twins, policy.config.longest)
    actions = torch.zeros(len(sheet.groups), 0, dtype=torch.int64)
    masks, real = [], []
    before: list[Seen] = []
    while not writing.done.all():
        allowed = writing.allowed()
        masks.append(allowed)
        real.append(~writing.done)
        logits, before = policy.following(read, actions[:, -1] if actions.shape[1] else None, before)
        logits = (logits / temperature).masked_fill(~torch.from_numpy(allowed), -torch.inf)
        if generator is None:
            chosen = logits.argmax(1)
        else:
            chosen = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
        writing.step(chosen.numpy())
        actions = torch.cat([actions, chosen[:, None]], 1)
    if not masks:
        return Plans(np.zeros((0, 0), np.int64), np.zeros((0, 0, 0), np.bool_), np.zeros((0, 0), np.bool_))
    return Plans(actions.numpy(), np.stack(masks, 1), np.stack(real, 1))


def given(grammar: Grammar, sheet: Sheet, plans: list[list[int]], longest: int) -> Plans:
    """Plans written by somebody else, cut to what fits in ``longest`` steps and ended.

    Raises:
        ValueError: a plan takes a step that the grammar forbids.
    """
    kept = [plan[: longest - 1] for plan in plans]
    # a phrase without a fact can't end a plan
    kept = [plan[:-1] if plan and plan[-1] <= len(grammar.phrases) else plan for plan in kept]
    width = max((len(plan) for plan in kept), default=0) + 1
    actions = np.full((len(kept), width), END, dtype=np.int64)
    for row, plan in enumerate(kept):
        actions[row, : len(plan)] = plan
    allowed = replay(grammar, sheet.groups, sheet.twins, actions, longest)
    real = np.arange(width) <= np.array([len(plan) for plan in kept])[:, None]
    fine = np.take_along_axis(allowed, actions[..., None], axis=2)[..., 0]
    if not fine[real].all():
        row = int(np.flatnonzero((~fine & real).any(1))[0])
        raise ValueError(f"plan {row} takes a step that its grammar forbids: {kept[row]}")
    return Plans(actions, allowed, real)


def log_probabilities(policy: ProfilePolicy, sheet: Sheet, plans: Plans) -> Tensor:
    """Of every possible step before each action: float32[B, T, 1 + P + S], -inf for what isn't allowed."""
    actions = torch.from_numpy(plans.actions)
    logits = policy.steps(policy.read(tensors(sheet)), actions[:, :-1])
    return logits.masked_fill(~torch.from_numpy(plans.allowed), -torch.inf).log_softmax(2)


def chosen_log_probabilities(policy: ProfilePolicy, sheet: Sheet, plans: Plans) -> Tensor:
    """Of the actions taken: float32[B, T], 0 for padding."""
    every = log_probabilities(policy, sheet, plans)
    taken = every.gather(2, torch.from_numpy(plans.actions)[..., None])[..., 0]
    return torch.where(torch.from_numpy(plans.real), taken, torch.zeros_like(taken))
