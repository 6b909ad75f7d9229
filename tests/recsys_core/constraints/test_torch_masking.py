"""The torch masker is the NumPy masker in fixed shapes, eager and compiled."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given

from recsys_core.constraints import ConstraintIndex
from recsys_core.constraints.masking import Masker
from recsys_core.constraints.prepared import CachedMasker
from recsys_core.constraints.rules import Rule
from recsys_core.constraints.torch_masking import TorchMasker
from tests.contracts.masker import bounded, worlds

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++")))
    or not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="torch.compile on a CPU needs a C++ compiler and Python's headers",
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
def test_compiled_steps_are_the_eager_ones_without_a_graph_break():
    # in a process of its own: whoever imported distutils before decides whether the compiler can be found
    command = [sys.executable, "-m", "tests.recsys_core.constraints.compiled"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["levels", "padded"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gives_the_same():
    rng = np.random.default_rng(0)
    index = ConstraintIndex.build(np.unique(rng.integers(0, 30, (400, 3)), axis=0))
    here, there = TorchMasker(index.arrays), TorchMasker(index.arrays, "cuda")
    nodes = torch.arange(10)
    scores = torch.randn(10, 30)
    for a, b in zip(here.step(1, nodes, scores), there.step(1, nodes.cuda(), scores.cuda()), strict=True):
        assert torch.equal(a, b.cpu())
