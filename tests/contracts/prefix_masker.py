"""What every way of masking by prefix keeps; inherit and give ``build``. Approximate ones say so and are held to it."""

import numpy as np
import pytest
from hypothesis import given

from recsys_core.errors import BuildError
from tests.contracts.masker import bounded, worlds


class PrefixMaskerContract:
    complete = sound = True
    """What the implementation claims."""

    def build(self, sids):
        """Over allowed semantic IDs ``int[n, L]`` with tokens below 310."""
        raise AssertionError("a subclass builds the masker")

    @bounded
    @given(worlds(most=100))
    def test_what_stays_open_is_what_may_follow(self, world):
        sids = world.sids[world.allowed[world.owners]]
        if not len(sids):
            sids = world.sids[:1]
        masker = self.build(sids)
        assert (masker.complete, masker.sound) == (self.complete, self.sound)
        for level in range(sids.shape[1]):
            prefixes = np.unique(sids[:, :level], axis=0)
            scores = world.rng.standard_normal((len(prefixes), 310)).astype(np.float32)
            given_scores = scores.copy()
            masked = masker.mask(prefixes, scores)
            assert masked.shape == scores.shape
            assert (scores == given_scores).all(), "the input is left alone"
            opened = masked > -np.inf
            assert (masked[opened] == scores[opened]).all()
            for row, prefix in enumerate(prefixes):
                may = set(sids[(sids[:, :level] == prefix).all(axis=1), level].tolist())
                found = set(np.flatnonzero(opened[row]).tolist())
                if self.complete:
                    assert may <= found
                if self.sound:
                    assert found <= may

    def test_order_and_repetition_change_nothing(self):
        sids = np.array([[3, 1, 2], [0, 1, 2], [3, 0, 9], [3, 1, 4]])
        scores = np.zeros((2, 310), dtype=np.float32)
        first = self.build(sids).mask([[3], [0]], scores)
        again = self.build(np.concatenate([sids[::-1], sids])).mask([[3], [0]], scores)
        assert (first == again).all()

    def test_no_semantic_ids_are_refused(self):
        for given_sids in ([], np.empty((0, 3), dtype=int), [1, 2], [[0.5, 1.0]]):
            with pytest.raises(BuildError):
                self.build(given_sids)
