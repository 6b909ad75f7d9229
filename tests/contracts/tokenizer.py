"""What every SID tokenizer keeps; inherit and give ``make`` (unfitted) and ``load``."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_core.constraints import ConstraintIndex
from recsys_core.errors import BuildError


def clustered(items, width=24, clusters=12, noise=0.5, seed=0):
    """Vectors around a few centres, as item vectors are: ``float32[items, width]``."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, width))
    points = centres[rng.integers(0, clusters, items)] + noise * rng.standard_normal((items, width))
    return points.astype(np.float32)


class TokenizerContract:
    def make(self):
        raise AssertionError("a subclass makes the tokenizer")

    def load(self, folder):
        raise AssertionError("a subclass loads the tokenizer")

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.integers(1, 150), st.integers(1, 30), st.sampled_from([0.0, 0.01, 1.0]), st.integers(0, 1000))
    def test_any_catalogue_gets_unique_sids_that_can_be_indexed(self, items, clusters, noise, seed):
        vectors = clustered(items, 6, clusters, noise, seed)
        if items > 1 and (vectors == vectors[0]).all():
            return
        sids = self.make().fit(vectors)
        assert sids.dtype == np.int32
        assert sids.shape[0] == items
        assert sids.min() >= 0
        assert len(ConstraintIndex.build(sids)) == items

    def test_the_same_seed_gives_the_same_bytes(self):
        vectors = clustered(300)
        first, second = self.make(), self.make()
        assert first.fit(vectors).tobytes() == second.fit(vectors.copy(order="F")).tobytes()
        assert [b.tobytes() for b in first.quantizer.codebooks] == [b.tobytes() for b in second.quantizer.codebooks]

    def test_new_items_get_new_sids_and_old_ones_stay(self):
        vectors = clustered(300)
        tokenizer = self.make()
        old = tokenizer.fit(vectors).copy()
        for new in (vectors[:20], clustered(15, seed=9), vectors[:1]):
            before = tokenizer.sids.copy()
            fresh = tokenizer.encode(new)
            assert (tokenizer.sids[: len(before)] == before).all()
            assert (tokenizer.sids[len(before) :] == fresh).all()
        assert (tokenizer.sids[:300] == old).all()
        assert len(ConstraintIndex.build(tokenizer.sids)) == 336

    def test_a_new_item_shares_the_codes_of_its_twin(self):
        vectors = clustered(300)
        tokenizer = self.make()
        old = tokenizer.fit(vectors)
        assert (tokenizer.encode(vectors[10:14])[:, :-1] == old[10:14, :-1]).all()

    def test_saved_and_loaded_go_on_alike(self, tmp_path):
        tokenizer = self.make()
        tokenizer.fit(clustered(120))
        tokenizer.encode(clustered(3, seed=5))
        tokenizer.save(tmp_path)
        again = self.load(tmp_path)
        assert again.quality() == tokenizer.quality()
        new = clustered(10, seed=7)
        assert (again.encode(new) == tokenizer.encode(new)).all()
        assert (again.sids == tokenizer.sids).all()

    def test_fitting_again_starts_afresh(self):
        tokenizer = self.make()
        tokenizer.fit(clustered(80, seed=1))
        again = tokenizer.fit(clustered(120))
        assert (again == self.make().fit(clustered(120))).all()

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_nan_vectors_stop_the_build_with_the_item(self, value):
        vectors = clustered(50)
        vectors[7, 3] = value
        with pytest.raises(BuildError, match=r"1 of 50 item vectors hold NaN.*item 7"):
            self.make().fit(vectors)

    def test_nan_in_new_items_leaves_the_tokenizer_as_it_was(self):
        tokenizer = self.make()
        tokenizer.fit(clustered(50))
        with pytest.raises(BuildError, match="NaN"):
            tokenizer.encode(np.full((2, 24), np.nan, dtype=np.float32))
        assert len(tokenizer.sids) == 50

    def test_constant_vectors_stop_the_build(self):
        with pytest.raises(BuildError, match="all 40 item vectors are equal"):
            self.make().fit(np.ones((40, 8), dtype=np.float32))

    def test_no_vectors_stop_the_build(self):
        with pytest.raises(BuildError, match="no item vectors"):
            self.make().fit(np.empty((0, 8), dtype=np.float32))

    def test_another_width_is_refused(self):
        tokenizer = self.make()
        tokenizer.fit(clustered(50))
        with pytest.raises(BuildError, match="7 dimensions"):
            tokenizer.encode(np.ones((1, 7), dtype=np.float32))

    def test_use_before_fit_is_refused(self):
        with pytest.raises(BuildError, match="call fit first"):
            self.make().encode(clustered(3))
        with pytest.raises(BuildError, match="before fit"):
            self.make().quality()

    def test_one_item_is_enough(self):
        tokenizer = self.make()
        sids = tokenizer.fit(np.ones((1, 8), dtype=np.float32))
        assert sids.tolist() == [[0] * sids.shape[1]]
        tokenizer.quality().check()
