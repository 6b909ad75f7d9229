"""Compiled steps against eager ones, run as a program by the tests."""

from __future__ import annotations

import sys

import numpy as np
import torch

from recsys_core.constraints import ConstraintIndex
from recsys_core.constraints.reference.padded_csr import PaddedCsr
from recsys_core.constraints.rules import Rule
from recsys_core.constraints.torch_masking import TorchMasker


def check_levels() -> None:
    """A dense and a narrow level, under a rule; ``compiled`` refuses graphs that break."""
    rng = np.random.default_rng(0)
    index = ConstraintIndex.build(np.unique(rng.integers(0, 30, (400, 3)), axis=0))
    rule = Rule.of_items(index.arrays, len(index), rng.random(len(index)) < 0.5)
    masker = TorchMasker(index.arrays, rule=rule, dense_from=25)
    assert [table is not None for table in masker.dense] == [True, False, False]
    nodes = torch.zeros(6, dtype=torch.int64)
    for level in range(2):
        scores = torch.randn(6, 30)
        eager, compiled = masker.step(level, nodes, scores), masker.compiled(level)(nodes, scores)
        assert all(torch.equal(a, b) for a, b in zip(eager, compiled, strict=True)), level
        nodes = eager.nodes[eager.nodes >= 0][:6]


def check_padded() -> None:
    """The reference after STATIC."""
    csr = PaddedCsr([[0, 1], [0, 2], [0, 5], [3, 7]], 8)
    states, scores = csr.states([[0], [3]]), torch.randn(2, 8)
    found = zip(csr.step(1, states, scores), csr.compiled(1)(states, scores), strict=True)
    assert all(torch.equal(a, b) for a, b in found)


if __name__ == "__main__":
    check_levels()
    sys.stdout.write("levels\n")
    check_padded()
    sys.stdout.write("padded\n")
