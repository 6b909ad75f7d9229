"""Codebooks: what they minimise, how dead codes come back to life, and that threads don't matter."""

import numpy as np
import pytest

from recsys_core.sids.residual_kmeans import ResidualKMeans, ResidualKMeansConfig, _reseed_dead
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
    book, codes = _reseed_dead(vectors, book)
    assert sorted(set(codes.tolist())) == [0, 1, 2]
    assert book[1].tolist() == [9, 9]
    assert book[2].tolist() == [-7, 3]


def test_dead_codes_stay_when_there_is_nothing_left_to_describe():
    vectors = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    book = np.concatenate([np.eye(2, dtype=np.float32), np.full((1, 2), 50, dtype=np.float32)])
    _, codes = _reseed_dead(vectors, book)
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
