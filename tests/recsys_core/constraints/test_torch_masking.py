"""The torch masker is the NumPy masker in fixed shapes, eager and compiled."""

import shutil

import numpy as np
import pytest
import torch
from hypothesis import given

from recsys_core.constraints import ConstraintIndex
from recsys_core.constraints.masking import Masker
from recsys_core.constraints.prepared import CachedMasker
from recsys_core.constraints.reference.padded_csr import PaddedCsr
from recsys_core.constraints.rules import Rule
from recsys_core.constraints.torch_masking import TorchMasker
from tests.contracts.masker import bounded, worlds

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="torch.compile on a CPU needs a C++ compiler"
)


def listed(found):
    """Open continuations of padded tensors: state, token, node, score."""
    state, place = torch.nonzero(found.nodes >= 0, as_tuple=True)
    return [a.tolist() for a in (state, found.tokens[state, place], found.nodes[state, place])], found.scores[
        state, place
    ].tolist()


@bounded
@given(worlds())
@pytest.mark.parametrize("dense", [False, True])
def test_steps_are_those_of_the_numpy_masker(dense, world):
    arrays, items = world.index.arrays, len(world.index)
    rule = Rule.of_items(arrays, items, world.allowed)
    plain = Masker(arrays, items)
    pairs = [(plain, None), (CachedMasker(plain, rule), rule)]
    for masker, given_rule in pairs:
        tensors = TorchMasker(arrays, rule=given_rule, dense_from=1 if dense else 10_000)
        nodes = np.array([0, -1])
        for level in range(masker.levels):
            scores = world.scores(len(nodes))
            state, token, child, kept = masker.step(level, nodes, scores).each()
            found = tensors.step(level, torch.from_numpy(nodes), torch.from_numpy(scores))
            names, values = listed(found)
            assert names == [state.tolist(), token.tolist(), child.tolist()]
            assert values == kept.tolist()
            assert ((found.nodes < 0) == (found.scores == -torch.inf)).all()
            nodes = np.concatenate([child[:30], [-1]])
        assert (tensors.items(torch.from_numpy(nodes)).numpy() == masker.items(nodes)).all()


@needs_compiler
def test_every_level_compiles_without_a_graph_break():
    rng = np.random.default_rng(0)
    index = ConstraintIndex.build(np.unique(rng.integers(0, 30, (400, 3)), axis=0))
    rule = Rule.of_items(index.arrays, len(index), rng.random(len(index)) < 0.5)
    masker = TorchMasker(index.arrays, rule=rule, dense_from=25)
    assert [table is not None for table in masker.dense] == [True, False, False]
    nodes = torch.zeros(6, dtype=torch.int64)
    for level in range(3):
        scores = torch.randn(6, 30)
        eager, compiled = masker.step(level, nodes, scores), masker.compiled(level)(nodes, scores)
        for a, b in zip(eager, compiled, strict=True):
            assert torch.equal(a, b)
        nodes = eager.nodes[eager.nodes >= 0][:6]


@needs_compiler
def test_the_padded_csr_compiles_to_the_same():
    csr = PaddedCsr([[0, 1], [0, 2], [0, 5], [3, 7]], 8)
    states, scores = csr.states([[0], [3]]), torch.randn(2, 8)
    for a, b in zip(csr.step(1, states, scores), csr.compiled(1)(states, scores), strict=True):
        assert torch.equal(a, b)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gives_the_same():
    rng = np.random.default_rng(0)
    index = ConstraintIndex.build(np.unique(rng.integers(0, 30, (400, 3)), axis=0))
    here, there = TorchMasker(index.arrays), TorchMasker(index.arrays, "cuda")
    nodes = torch.arange(10)
    scores = torch.randn(10, 30)
    for a, b in zip(here.step(1, nodes, scores), there.step(1, nodes.cuda(), scores.cuda()), strict=True):
        assert torch.equal(a, b.cpu())
