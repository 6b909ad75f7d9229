"""The report counts right, and the check stops what can't be generated from."""

import math

import numpy as np
import pytest

from recsys_core.errors import BuildError
from recsys_core.sids import (
    HybridTokenizer,
    PureTokenizer,
    ResidualKMeans,
    ResidualKMeansConfig,
    SidQuality,
    SidThresholds,
)
from recsys_core.sids.quality import measure_quality
from tests.contracts.tokenizer import clustered


def report(codes, sizes, vectors=None, by_design=False):
    codes = np.asarray(codes, dtype=np.int32)
    vectors = (
        np.random.default_rng(0).standard_normal((len(codes), 3)).astype(np.float32) if vectors is None else vectors
    )
    books = [np.zeros((size, vectors.shape[1]), dtype=np.float32) for size in sizes]
    return measure_quality("pure", vectors, codes, books, by_design)


def test_counts_by_hand():
    quality = report([[0, 0], [0, 0], [0, 1], [1, 1]], [4, 2])
    first, second = quality.levels
    assert (first.codes, first.used, first.utilisation, first.largest_share) == (4, 2, 0.5, 0.75)
    assert first.entropy == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(4))
    assert second.entropy == pytest.approx(1.0)
    assert (quality.colliding_items, quality.collision_share, quality.largest_collision) == (2, 0.5, 2)
    # three sequences of 2, 1 and 1 items; at most four could differ
    assert quality.sequence_entropy == pytest.approx(1.5 * math.log(2) / math.log(4))


def test_reconstruction_error_by_hand():
    vectors = np.array([[0.0], [2.0], [10.0], [12.0]], dtype=np.float32)
    books = [np.array([[1.0], [11.0]], dtype=np.float32), np.array([[-1.0], [1.0]], dtype=np.float32)]
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.int32)
    quality = measure_quality("pure", vectors, codes, books, False)
    assert [level.reconstruction_error for level in quality.levels] == pytest.approx([4 / 104, 0.0])
    assert quality.reconstruction_error == pytest.approx(0.0)


@pytest.mark.parametrize("tokenizer", [HybridTokenizer, PureTokenizer])
@pytest.mark.parametrize("items", [1, 2, 7, 40, 333, 1500])
def test_ordinary_catalogues_of_any_size_pass(tokenizer, items):
    made = tokenizer()
    made.fit(clustered(items, 16))
    quality = made.quality()
    quality.check()
    assert all(level.utilisation == 1 for level in quality.levels)
    assert SidQuality.model_validate_json(quality.model_dump_json()) == quality
    assert all(math.isfinite(value) for value in quality.figures().values())


def test_one_dominant_code_is_a_collapsed_codebook():
    codes = np.zeros((200, 1), dtype=np.int32)
    codes[:7, 0] = np.arange(1, 8)
    with pytest.raises(
        BuildError, match=r"collapsed codebook at level 0.*entropy 0\.\d\d.*96% of the items.*lower `codes`"
    ):
        report(codes, [8]).check()


def test_unused_codes_are_a_collapsed_codebook():
    with pytest.raises(BuildError, match=r"2 of 16 codes in use \(utilisation 0\.12, at least 0\.90 wanted\)"):
        report([[0], [1]] * 20, [16]).check()


def test_outliers_that_eat_the_codebook_stop_a_real_fit():
    vectors = np.zeros((500, 4), dtype=np.float32)
    vectors[:, 0] = 1e-3 * np.random.default_rng(0).standard_normal(500)
    vectors[:16] = 1000 * np.random.default_rng(1).standard_normal((16, 4))
    tokenizer = HybridTokenizer(ResidualKMeans(ResidualKMeansConfig(codes=8)))
    tokenizer.fit(vectors)
    with pytest.raises(BuildError, match="collapsed codebook"):
        tokenizer.quality().check()


def test_equal_sequences_are_caught_even_when_each_level_looks_fine():
    # both levels are used evenly, but always in step: 2 sequences where 4 could be
    quality = report([[0, 0], [1, 1]] * 30, [2, 2])
    quality.check(SidThresholds(max_reconstruction_error=2))
    with pytest.raises(BuildError, match=r"collapsed code sequences.*30 of 60 items share one"):
        quality.check(SidThresholds(max_reconstruction_error=2, min_sequence_entropy=0.6))


def test_collisions_stop_a_pure_build_only_when_asked_to():
    codes = [[0], [0], [0], [1], [2], [3]]
    limits = SidThresholds(max_collision_share=0.4, max_reconstruction_error=2)
    report(codes, [4]).check(SidThresholds(max_reconstruction_error=2))
    report(codes, [4], by_design=True).check(limits)
    with pytest.raises(BuildError, match=r"3 of 6 items share their codes.*share 0\.50, at most 0\.40.*hybrid"):
        report(codes, [4]).check(limits)


def test_codes_that_explain_nothing_stop_the_build():
    with pytest.raises(BuildError, match=r"leave 1\.\d\d of the variance unexplained.*check the item vectors"):
        report([[0], [1]] * 20, [2]).check()


def test_gini_by_hand():
    even, one, half = (
        report([[c] for c in column], [4]).levels[0].gini for column in ([0, 1, 2, 3], [2] * 4, [0, 0, 1, 1])
    )
    assert even == pytest.approx(0.0)
    assert one == pytest.approx(0.75)
    assert half == pytest.approx(0.5)


def test_codes_that_end_a_path_are_not_counted():
    vectors = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    books = [np.zeros((3, 3), dtype=np.float32), np.zeros((3, 3), dtype=np.float32)]
    codes = np.array([[0, 2], [1, 2], [0, 1], [0, 2]], dtype=np.int32)
    quality = measure_quality("pure", vectors, codes, books, False, terminal=True)
    first, second = quality.levels
    assert (first.codes, first.items, first.used) == (2, 4, 2)
    assert (second.codes, second.items, second.used, second.largest_share) == (2, 1, 1, 1.0)
    # one item at the second level is too few to judge its two codes by
    quality.check(SidThresholds(max_reconstruction_error=2))


def test_a_level_that_no_item_reaches_has_figures_all_the_same():
    vectors = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    books = [np.zeros((3, 3), dtype=np.float32)] * 2
    quality = measure_quality("pure", vectors, np.array([[0, 2], [1, 2]], dtype=np.int32), books, False, terminal=True)
    assert (quality.levels[1].items, quality.levels[1].used, quality.levels[1].gini) == (0, 0, 0.0)
    assert all(math.isfinite(value) for value in quality.figures().values())
