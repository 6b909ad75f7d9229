"""The running mean of weights: what it is of, and that it forgets where it began."""

import numpy as np
import pytest
import torch

from recsys_core.generator.averaging import RunningMean
from tests.recsys_core.generator.small import make_small


def test_the_mean_is_exponential_and_forgets_the_first_weights():
    model = make_small(0, 20, hybrid=True).generator.model
    mean = RunningMean(model)
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    for value in values:
        torch.nn.init.constant_(model.norm.bias, float(value))
        mean.follow(model, horizon=20)
    weights = 0.95 ** np.arange(len(values))[::-1]
    expected = (weights * values).sum() / weights.sum()
    assert mean.model.norm.bias[0].item() == pytest.approx(expected, abs=1e-3)


def test_a_constant_is_its_own_mean_from_the_first_step():
    model = make_small(1, 20, hybrid=True).generator.model
    mean = RunningMean(model)
    mean.follow(model, horizon=50)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(mean.model.get_parameter(name), parameter)


def test_the_model_that_learns_is_not_touched():
    model = make_small(2, 20, hybrid=True).generator.model
    mean = RunningMean(model)
    before = model.norm.bias.clone()
    torch.nn.init.constant_(mean.model.norm.bias, 9.0)
    mean.follow(model, horizon=10)
    assert torch.equal(model.norm.bias, before)
