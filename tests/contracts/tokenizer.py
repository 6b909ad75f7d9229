"""What every SID tokenizer keeps; inherit and give ``make`` (unfitted)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.constraints import ConstraintIndex
from recsys_core.errors import BuildError, ConfigError
from recsys_core.sids import load_tokenizer


def clustered(items, width=24, clusters=12, noise=0.5, seed=0):
    """Vectors around a few centres, as item vectors are: ``float32[items, width]``."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, width))
    points = centres[rng.integers(0, clusters, items)] + noise * rng.standard_normal((items, width))
    return points.astype(np.float32)


class TokenizerContract:
    """One quantizer in one layout."""

    examples = 25
    """Random catalogues; fewer where training takes long."""

    def make(self):
        raise AssertionError("a subclass makes the tokenizer")

    def test_any_catalogue_gets_unique_sids_that_can_be_indexed(self):
        @settings(max_examples=self.examples, deadline=None)
        @given(st.integers(1, 150), st.integers(1, 30), st.sampled_from([0.0, 0.01, 1.0]), st.integers(0, 1000))
        def check(items, clusters, noise, seed):
            vectors = clustered(items, 6, clusters, noise, seed)
            if items > 1 and (vectors == vectors[0]).all():
                return
            tokenizer = self.make()
            sids = tokenizer.fit(vectors)
            assert sids.dtype == np.int32
            assert sids.shape == (items, tokenizer.quantizer.levels + 1)
            assert sids.min() >= 0
            assert (sids[:, :-1] < tokenizer.quantizer.code_sizes).all()
            assert len(ConstraintIndex.build(sids)) == items

        check()

    def test_the_same_seed_gives_the_same_bytes(self):
        vectors = clustered(300)
        first, second = self.make(), self.make()
        assert first.fit(vectors).tobytes() == second.fit(vectors.copy(order="F")).tobytes()
        learned, again = first.quantizer.arrays(), second.quantizer.arrays()
        assert learned.keys() == again.keys()
        assert all(learned[name].tobytes() == again[name].tobytes() for name in learned)

    def test_codebooks_lie_in_the_space_of_the_vectors(self):
        tokenizer = self.make()
        assert tokenizer.quantizer.codebooks == []
        tokenizer.fit(clustered(100))
        books = tokenizer.quantizer.codebooks
        assert [len(book) for book in books] == tokenizer.quantizer.code_sizes
        assert len(books) == tokenizer.quantizer.levels
        assert all(book.shape[1] == 24 and book.dtype == np.float32 for book in books)

    def test_codes_explain_part_of_the_vectors(self):
        tokenizer = self.make()
        tokenizer.fit(clustered(300))
        assert tokenizer.quality().reconstruction_error < 0.9

    def test_new_items_get_new_sids_and_old_ones_stay(self):
        vectors = clustered(300)
        tokenizer = self.make()
        old = tokenizer.fit(vectors).copy()
        for new in (vectors[:20], clustered(15, seed=9), vectors[:1]):
            before = tokenizer.sids.copy()
            fresh = tokenizer.encode(new)
            assert fresh.dtype == np.int32
            assert (tokenizer.sids[: len(before)] == before).all()
            assert (tokenizer.sids[len(before) :] == fresh).all()
        assert (tokenizer.sids[:300] == old).all()
        assert len(ConstraintIndex.build(tokenizer.sids)) == 336

    def test_a_new_item_shares_the_codes_of_its_twin(self):
        vectors = clustered(300)
        tokenizer = self.make()
        old = tokenizer.fit(vectors)
        fresh = tokenizer.encode(vectors)
        if tokenizer.quantizer.keeps_own_paths:
            assert (fresh[:, :-1] == old[:, :-1]).all()
            assert (tokenizer.encode(vectors[10:14])[:, :-1] == old[10:14, :-1]).all()
        else:
            again = tokenizer.encode(vectors)
            assert (again[:, :-1] == fresh[:, :-1]).all()

    def test_a_new_item_gets_the_same_codes_in_any_company(self):
        tokenizer = self.make()
        tokenizer.fit(clustered(200))
        new = clustered(30, seed=3)
        together = tokenizer.quantizer.encode(new)
        alone = np.concatenate([tokenizer.quantizer.encode(new[i : i + 1]) for i in range(30)])
        assert (together == alone).all()

    def test_candidates_are_distinct_sorted_and_open_with_the_own_path(self):
        tokenizer = self.make()
        tokenizer.fit(clustered(300))
        new = clustered(40, seed=3)
        count = min(8, int(np.prod([size - tokenizer.quantizer.terminal for size in tokenizer.quantizer.code_sizes])))
        codes, scores = tokenizer.quantizer.candidates(new, count)
        assert codes.shape == (40, count, tokenizer.quantizer.levels)
        assert scores.shape == (40, count)
        assert (codes.dtype, scores.dtype) == (np.int32, np.float32)
        assert (codes >= 0).all()
        assert (codes < tokenizer.quantizer.code_sizes).all()
        assert (codes[:, 0] == tokenizer.quantizer.encode(new)).all()
        assert (np.diff(scores, axis=1) <= 0).all()
        assert all(len({tuple(path) for path in paths}) == count for paths in codes.tolist())
        assert np.isfinite(scores).all()

    def test_asking_for_more_candidates_keeps_the_best_one_first(self):
        quantizer = self.make().quantizer
        quantizer.fit(clustered(300))
        codes, scores = quantizer.candidates(clustered(10, seed=3), 1)
        assert (codes[:, 0] == quantizer.encode(clustered(10, seed=3))).all()
        assert scores.shape == (10, 1)

    @pytest.mark.parametrize("count", [0, 10**15])
    def test_more_candidates_than_paths_are_refused(self, count):
        quantizer = self.make().quantizer
        quantizer.fit(clustered(100))
        with pytest.raises(ConfigError, match=r"ask for 1 to \d+"):
            quantizer.candidates(clustered(3), count)

    def test_saved_and_loaded_go_on_alike(self, tmp_path):
        tokenizer = self.make()
        tokenizer.fit(clustered(120))
        tokenizer.encode(clustered(3, seed=5))
        tokenizer.save(tmp_path)
        again = load_tokenizer(tmp_path)
        assert type(again) is type(tokenizer)
        assert again.quality() == tokenizer.quality()
        assert again.quantizer.config == tokenizer.quantizer.config
        new = clustered(10, seed=7)
        assert (again.encode(new) == tokenizer.encode(new)).all()
        assert (again.sids == tokenizer.sids).all()
        for ours, theirs in zip(
            again.quantizer.candidates(new, 2), tokenizer.quantizer.candidates(new, 2), strict=True
        ):
            assert (ours == theirs).all()

    def test_fitting_again_starts_afresh(self):
        tokenizer = self.make()
        tokenizer.fit(clustered(80, seed=1))
        again = tokenizer.fit(clustered(120))
        assert (again == self.make().fit(clustered(120))).all()

    def test_the_input_is_left_alone(self):
        vectors = clustered(60)
        kept = vectors.copy()
        tokenizer = self.make()
        tokenizer.fit(vectors)
        tokenizer.encode(vectors)
        tokenizer.quantizer.candidates(vectors, 2)
        assert (vectors == kept).all()

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
        with pytest.raises(BuildError, match="NaN"):
            tokenizer.quantizer.candidates(np.full((2, 24), np.nan, dtype=np.float32), 2)
        assert len(tokenizer.sids) == 50

    def test_constant_vectors_stop_the_build(self):
        with pytest.raises(BuildError, match="all 40 item vectors are equal"):
            self.make().fit(np.ones((40, 8), dtype=np.float32))

    def test_no_vectors_stop_the_build(self):
        with pytest.raises(BuildError, match="no item vectors"):
            self.make().fit(np.empty((0, 8), dtype=np.float32))

    def test_fewer_vectors_than_codes_stop_the_build(self):
        quantizer = self.make().quantizer
        config = type(quantizer.config).model_validate(quantizer.config.model_dump() | {"codes": 64})
        with pytest.raises(BuildError, match=r"fewer items than codes.*`codes` is 64.*20 distinct.*at most 20"):
            type(quantizer)(config).fit(clustered(20))

    def test_another_width_is_refused(self):
        tokenizer = self.make()
        tokenizer.fit(clustered(50))
        with pytest.raises(BuildError, match="7 dimensions"):
            tokenizer.encode(np.ones((1, 7), dtype=np.float32))

    def test_use_before_fit_is_refused(self, tmp_path):
        with pytest.raises(BuildError, match="call fit first"):
            self.make().encode(clustered(3))
        with pytest.raises(BuildError, match="call fit first"):
            self.make().quantizer.candidates(clustered(3), 1)
        with pytest.raises(BuildError, match="before fit"):
            self.make().quality()
        with pytest.raises(BuildError, match="before fit"):
            self.make().save(tmp_path)

    def test_one_item_is_enough(self):
        tokenizer = self.make()
        sids = tokenizer.fit(np.ones((1, 8), dtype=np.float32))
        tokens = sids[:, :-1] < np.array(tokenizer.quantizer.code_sizes) - tokenizer.quantizer.terminal
        assert sids.shape[0] == 1
        assert (sids[:, :-1][tokens] == 0).all()
        assert sids[0, -1] == 0
        tokenizer.quality().check()
