"""Codebooks: what they minimise, how dead codes come back to life, and that threads don't matter."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.sids.codebooks import residual_candidates, residual_codes, smallest
from recsys_core.sids.kmeans import reseed_dead
from recsys_core.sids.residual_kmeans import ResidualKMeans, ResidualKMeansConfig
from tests.contracts.tokenizer import clustered


def test_two_separate_clusters_are_found_exactly():
    labels = np.arange(100) % 2
    vectors = 10 * np.eye(2, dtype=np.float32)[labels]
    vectors += 0.01 * np.random.default_rng(0).standard_normal((100, 2)).astype(np.float32)
    codes = ResidualKMeans(ResidualKMeansConfig(codes=2)).fit(vectors)[:, 0]
    assert (codes == labels).all() or (codes == 1 - labels).all()


def test_every_level_explains_more():
    vectors = clustered(400)
    quantizer = ResidualKMeans(ResidualKMeansConfig(levels=4, codes=16))
    codes = quantizer.fit(vectors)
    errors = []
    for level in range(1, 5):
        part = sum(quantizer.codebooks[i][codes[:, i]] for i in range(level))
        errors.append(float(((vectors - part) ** 2).sum()))
    assert errors == sorted(errors, reverse=True)
    np.testing.assert_allclose(quantizer.decode(codes), part, rtol=1e-5, atol=1e-6)


def test_codes_are_the_nearest_centroids():
    vectors = clustered(300)
    quantizer = ResidualKMeans(ResidualKMeansConfig(codes=16))
    codes = quantizer.fit(vectors)[:, 0]
    distance = ((vectors[:, None].astype(np.float64) - quantizer.codebooks[0][None]) ** 2).sum(-1)
    best = distance.min(axis=1)
    np.testing.assert_allclose(distance[np.arange(300), codes], best, rtol=1e-4, atol=1e-4)
    assert (quantizer.encode(vectors)[:, 0] == codes).all()


def test_dead_codes_move_to_the_worst_described_vectors():
    vectors = np.array([[0.0, 0], [0.1, 0], [0, 0.1], [9, 9], [-7, 3]], dtype=np.float32)
    book = np.array([[0, 0], [100, 100], [200, 200]], dtype=np.float32)
    book, codes = reseed_dead(vectors, book)
    assert sorted(set(codes.tolist())) == [0, 1, 2]
    assert book[1].tolist() == [9, 9]
    assert book[2].tolist() == [-7, 3]


def test_dead_codes_stay_when_there_is_nothing_left_to_describe():
    vectors = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    book = np.concatenate([np.eye(2, dtype=np.float32), np.full((1, 2), 50, dtype=np.float32)])
    _, codes = reseed_dead(vectors, book)
    assert set(codes.tolist()) == {0, 1}


def test_the_number_of_threads_changes_nothing():
    faiss = pytest.importorskip("faiss")
    vectors = clustered(3000, 32)
    before = faiss.omp_get_max_threads()
    books = []
    for threads in (1, 2, 4):
        faiss.omp_set_num_threads(threads)
        quantizer = ResidualKMeans(ResidualKMeansConfig(levels=2, codes=32))
        quantizer.fit(vectors)
        books.append([book.tobytes() for book in quantizer.codebooks])
        assert faiss.omp_get_max_threads() == threads, "the caller's setting is put back"
    faiss.omp_set_num_threads(before)
    assert books[0] == books[1] == books[2]


def test_another_seed_gives_another_codebook():
    vectors = clustered(300)
    books = []
    for seed in (0, 1):
        quantizer = ResidualKMeans(ResidualKMeansConfig(codes=16, seed=seed))
        quantizer.fit(vectors)
        books.append(quantizer.codebooks[0].tobytes())
    assert books[0] != books[1]


def test_the_input_is_left_alone():
    vectors = clustered(60)
    kept = vectors.copy()
    quantizer = ResidualKMeans(ResidualKMeansConfig(levels=2, codes=4))
    quantizer.fit(vectors)
    quantizer.encode(vectors)
    assert (vectors == kept).all()
    assert all(book.flags.c_contiguous and book.dtype == np.float32 for book in quantizer.codebooks)


def excess(vector, path, books):
    """How much farther the codes of a path lie than the nearest ones would at every step."""
    total, residual = 0.0, vector.astype(np.float64)
    for code, book in zip(path, books, strict=True):
        distance = ((residual - book) ** 2).sum(axis=1)
        total += distance[code] - distance.min()
        residual = residual - book[code]
    return total


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 5), st.integers(0, 10_000))
def test_the_full_beam_is_exhaustive(sizes, width, seed):
    rng = np.random.default_rng(seed)
    books = [rng.standard_normal((size, width)).astype(np.float32) for size in sizes]
    vectors = rng.standard_normal((4, width)).astype(np.float32)
    everything = list(itertools.product(*map(range, sizes)))
    codes, scores = residual_candidates(vectors, books, len(everything))
    for row, vector in enumerate(vectors):
        assert sorted(map(tuple, codes[row].tolist())) == everything
        cost = [excess(vector, path, books) for path in codes[row].tolist()]
        np.testing.assert_allclose(-scores[row], cost, rtol=1e-3, atol=1e-4)
        assert tuple(codes[row, 0]) == tuple(residual_codes(vectors[row : row + 1], books)[0])
        assert scores[row, 0] == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10_000))
def test_a_narrow_beam_gives_true_scores_in_order(count, seed):
    rng = np.random.default_rng(seed)
    books = [rng.standard_normal((4, 3)).astype(np.float32) for _ in range(2)]
    vectors = rng.standard_normal((3, 3)).astype(np.float32)
    codes, scores = residual_candidates(vectors, books, count)
    assert (np.diff(scores, axis=1) <= 0).all()
    for row, vector in enumerate(vectors):
        cost = [excess(vector, path, books) for path in codes[row].tolist()]
        np.testing.assert_allclose(-scores[row], cost, rtol=1e-3, atol=1e-4)
        # two levels: whatever the beam drops at the first is worse than all it keeps, and costs never fall
        best = sorted(excess(vector, path, books) for path in itertools.product(range(4), range(4)))[:count]
        np.testing.assert_allclose(cost, best, rtol=1e-3, atol=1e-4)


def test_equal_codes_give_distinct_paths_that_open_with_the_own_one():
    books = [np.zeros((3, 2), dtype=np.float32), np.ones((2, 2), dtype=np.float32)]
    codes, scores = residual_candidates(np.ones((1, 2), dtype=np.float32), books, 6)
    assert codes[0].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]
    assert scores.tolist() == [[0.0] * 6]


def test_smallest_settles_ties_by_column():
    table = np.array([[2, 1, 1, 0, 1], [5, 5, 5, 5, 5]], dtype=np.float32)
    assert smallest(table, 3).tolist() == [[3, 1, 2], [0, 1, 2]]
    assert smallest(table, 5).tolist() == [[3, 1, 2, 4, 0], [0, 1, 2, 3, 4]]
