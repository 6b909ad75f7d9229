"""The softmax among siblings against the dense product under a mask."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from recsys_core.generator.siblings import sibling_cross_entropy


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    keys=st.integers(1, 60),
    targets=st.integers(1, 40),
    prefixes=st.integers(1, 20),
)
def test_equals_the_dense_product_under_a_mask(seed, keys, targets, prefixes):
    generator = torch.Generator().manual_seed(seed)
    key_prefix = torch.randint(prefixes, (keys,), generator=generator)
    wanted = torch.randint(keys, (targets,), generator=generator)
    prefix = key_prefix[wanted]
    query = torch.randn(targets, 7, generator=generator, requires_grad=True)
    table = torch.randn(keys, 7, generator=generator, requires_grad=True)
    bias = torch.randn(keys, generator=generator)
    found = sibling_cross_entropy(query, table, bias, prefix, key_prefix, wanted)
    dense = (query @ table.T + bias).masked_fill(key_prefix[None] != prefix[:, None], -torch.inf)
    expected = functional.cross_entropy(dense, wanted, reduction="none")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    if found.requires_grad:
        got = torch.autograd.grad(found.sum(), (query, table), allow_unused=True)
        want = torch.autograd.grad(expected.sum(), (query, table))
        for one, other in zip(got, want, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_an_only_child_costs_nothing():
    query, keys = torch.randn(2, 3), torch.randn(2, 3)
    apart = torch.tensor([4, 9])
    assert not sibling_cross_entropy(query, keys, torch.zeros(2), apart, apart, torch.tensor([0, 1])).any()
