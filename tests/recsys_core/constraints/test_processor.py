"""The logits processor does what transformers' own does, within ``generate``'s call."""

import numpy as np
import pytest
import torch

from recsys_core.constraints import ConstraintIndex
from recsys_core.constraints.masking import Masker
from recsys_core.constraints.processor import SidLogitsProcessor
from recsys_core.constraints.reference.prefix_function import PrefixFunction
from recsys_core.constraints.rules import LiveMasker, Rule

SIDS = np.random.default_rng(0).permutation(np.unique(np.random.default_rng(1).integers(0, 12, (200, 3)), axis=0))


def test_is_what_a_prefix_function_does():
    index = ConstraintIndex.build(SIDS)
    allowed = np.random.default_rng(2).random(len(SIDS)) < 0.3
    masker = LiveMasker(Masker(index.arrays, len(index)), Rule.of_items(index.arrays, len(index), allowed))
    processor, function = SidLogitsProcessor(masker, prompt=2), PrefixFunction(SIDS[allowed])
    for level in range(3):
        prefixes = SIDS[allowed][:9, :level]
        tokens = torch.from_numpy(np.concatenate([np.full((9, 2), 11), prefixes], axis=1))
        scores = torch.randn(9, 15)
        expected = function.mask(prefixes, scores.numpy().copy())
        assert processor(tokens, scores) is scores, "in place"
        assert (scores.numpy() == expected).all()


def test_levels_may_have_columns_of_their_own_and_an_end_follows():
    index = ConstraintIndex.build([[0, 1], [1, 0]])
    processor = SidLogitsProcessor(Masker(index.arrays, 2), prompt=0, offsets=[3, 5], end=0)
    first = processor(torch.zeros(1, 0, dtype=torch.int64), torch.zeros(1, 8))
    assert torch.isfinite(first).nonzero()[:, 1].tolist() == [3, 4]
    second = processor(torch.tensor([[3], [4]]), torch.zeros(2, 8))
    assert torch.isfinite(second).nonzero().tolist() == [[0, 6], [1, 5]]
    last = processor(torch.tensor([[3, 6]]), torch.ones(1, 8))
    assert torch.isfinite(last).nonzero()[:, 1].tolist() == [0]
    with pytest.raises(ValueError, match="1 offsets for 2 levels"):
        SidLogitsProcessor(Masker(index.arrays, 2), prompt=0, offsets=[3])


def test_goes_into_a_list_of_processors():
    from transformers import LogitsProcessorList

    index = ConstraintIndex.build([[0, 1], [1, 0]])
    processors = LogitsProcessorList([SidLogitsProcessor(Masker(index.arrays, 2), prompt=1)])
    found = processors(torch.tensor([[7]]), torch.zeros(1, 4))
    assert torch.isfinite(found).nonzero()[:, 1].tolist() == [0, 1]


def test_beams_that_change_places_are_found_again_and_other_requests_anew():
    index = ConstraintIndex.build(SIDS)
    masker = Masker(index.arrays, len(index))
    processor, rng = SidLogitsProcessor(masker, prompt=0), np.random.default_rng(3)
    for _ in range(3):
        beams = SIDS[rng.integers(0, len(SIDS), 8)]
        for level in range(3):
            beams = beams[rng.integers(0, 8, 8)]
            given = rng.random((8, 12)).astype(np.float32)
            scores = torch.from_numpy(given.copy())
            processor(torch.from_numpy(beams[:, :level]), scores)
            expected = given.copy()
            masker.mask_(level, masker.locate(beams[:, :level]), expected)
            assert (scores.numpy() == expected).all()
