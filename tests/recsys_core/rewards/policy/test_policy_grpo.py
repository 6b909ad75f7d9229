"""The arithmetic of group-relative policy optimisation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.rewards.policy.grpo import group_advantages, grpo_loss

rewards = st.lists(st.lists(st.floats(-2, 2, width=32), min_size=4, max_size=4), min_size=1, max_size=5)


def steps(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows)


def test_a_group_of_equal_rewards_teaches_nothing():
    found = group_advantages(torch.tensor([[0.7] * 4, [0.1, 0.2, 0.3, 0.4]]))
    assert found[0].eq(0).all()
    assert found[1].ne(0).all()


@settings(max_examples=40, deadline=None)
@given(rewards, st.booleans(), st.permutations(range(4)))
def test_advantages_follow_their_rewards_wherever_they_stand(table, by_spread, order):
    values = torch.tensor(table, dtype=torch.float64)
    found = group_advantages(values, by_spread=by_spread)
    assert torch.allclose(found.sum(1), torch.zeros(len(table), dtype=torch.float64), atol=1e-4)
    assert torch.allclose(group_advantages(values[:, list(order)], by_spread=by_spread), found[:, list(order)])
    # what everybody in a group has more of is nobody's merit
    assert torch.allclose(group_advantages(values + 3, by_spread=by_spread), found, atol=1e-3)
    above = (values > values.mean(1, keepdim=True) + 1e-6) & (
        values.amax(1, keepdim=True) > values.amin(1, keepdim=True)
    )
    assert (found[above] > 0).all()


@settings(max_examples=60, deadline=None)
@given(st.floats(-3, 3), st.one_of(st.floats(0.01, 2), st.floats(-2, -0.01)), st.floats(0.05, 0.5))
def test_the_gain_of_a_step_ends_at_the_clipped_ratio(log_ratio, advantage, clip):
    new = steps([log_ratio]).requires_grad_()
    real = torch.ones(1, 1, dtype=torch.bool)
    found = grpo_loss(new, steps([0.0]), new.detach(), torch.tensor([advantage]), real, clip=clip, kl_weight=0.0)
    ratio = float(torch.tensor(log_ratio).exp())
    bounded = min(ratio * advantage, min(max(ratio, 1 - clip), 1 + clip) * advantage)
    assert found.loss.item() == pytest.approx(-bounded, rel=1e-4, abs=1e-6)
    found.loss.backward()
    beyond = (ratio > 1 + clip + 1e-6 and advantage > 0) or (ratio < 1 - clip - 1e-6 and advantage < 0)
    if beyond:
        assert new.grad is not None
        assert float(new.grad) == 0
        assert float(found.clipped) == 1


def test_the_first_update_is_the_plain_policy_gradient():
    new = steps([-1.0, -2.0], [-0.5, -0.1]).requires_grad_()
    real = torch.tensor([[True, True], [True, False]])
    grpo_loss(new, new.detach(), new.detach(), torch.tensor([1.0, -2.0]), real, kl_weight=0.0).loss.backward()
    # each answer counts alike, shared by its own steps; padding learns nothing
    assert new.grad is not None
    assert torch.allclose(new.grad, steps([-0.25, -0.25], [1.0, 0.0]))


def test_divergence_from_the_reference_costs_and_is_never_negative():
    real = torch.ones(1, 3, dtype=torch.bool)
    new, away = steps([-1.0, -1.0, -1.0]), steps([-3.0, -1.0, -0.2])
    same = grpo_loss(new, new, new, torch.zeros(1), real, kl_weight=0.5)
    far = grpo_loss(new, new, away, torch.zeros(1), real, kl_weight=0.5)
    assert float(same.kl) == 0
    assert float(same.loss) == 0
    assert float(far.kl) > 0
    assert float(far.loss) == pytest.approx(0.5 * float(far.kl))
