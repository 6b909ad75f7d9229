"""Content vectors: words where there are words, tags where there are none."""

import numpy as np
import polars as pl
import pytest

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.encoders.content import content_vectors, has_words, tag_vectors


def catalogue(tags, titles=None, texts=None):
    ids = [f"i{row}" for row in range(len(tags))]
    frame = {"id": ids, "title": titles or ids, "text": texts or [""] * len(ids)}
    return Catalogue(pl.DataFrame(frame | {"attr:tag": pl.Series(tags, dtype=pl.List(pl.String))}))


class OnlyCalls:
    def __init__(self):
        self.calls = 0

    def encode(self, items, train=None, progress=None):
        self.calls += 1
        return np.ones((len(items), 3), dtype=np.float32)


def random_tags(seed, n=80, distinct=30):
    rng = np.random.default_rng(seed)
    return [[f"t{t}" for t in rng.choice(distinct, size=rng.integers(0, 5), replace=False)] for _ in range(n)]


def test_an_id_that_stands_for_a_title_is_no_word():
    assert not has_words(catalogue([["a"], ["b"]]))
    assert has_words(catalogue([["a"], ["b"]], titles=["i0", "A title"]))
    assert has_words(catalogue([["a"], ["b"]], texts=["", "words"]))


@pytest.mark.parametrize(("titles", "calls"), [(None, 0), (["x", "y", "z"], 1)])
def test_the_sentence_model_is_asked_only_where_there_are_words(titles, calls):
    encoder = OnlyCalls()
    vectors = content_vectors(catalogue([["a", "b"], ["a", "b"], ["b"]], titles), encoder)
    assert encoder.calls == calls
    assert len(vectors) == 3


@pytest.mark.parametrize("seed", range(3))
def test_rows_are_unit_or_zero_for_items_without_a_usable_tag(seed):
    tags = random_tags(seed)
    tags[5], tags[6] = [], ["nobody else has this"]
    vectors = tag_vectors(catalogue(tags), width=16)
    assert vectors.dtype == np.float32
    assert vectors.shape == (80, 16)
    np.testing.assert_array_equal(vectors[[5, 6]], 0)
    lengths = np.linalg.norm(vectors, axis=1)
    assert ((np.abs(lengths - 1) < 1e-5) | (lengths == 0)).all()
    np.testing.assert_array_equal(vectors, tag_vectors(catalogue(tags), width=16))


def test_full_width_keeps_the_similarity_of_weighted_tags():
    tags = random_tags(4, n=60, distinct=12)
    names = sorted({tag for row in tags for tag in row})
    table = np.array([[tag in row for tag in names] for row in tags], dtype=float)
    table *= np.log(len(tags) / table.sum(axis=0))
    left, strength, _ = np.linalg.svd(table, full_matrices=False)
    full = left * np.sqrt(strength)
    full = full[:, :11]
    norms = np.linalg.norm(full, axis=1, keepdims=True)
    full = np.divide(full, norms, where=norms > 1e-8, out=np.zeros_like(full))
    vectors = tag_vectors(catalogue(tags), width=11)
    np.testing.assert_allclose(vectors @ vectors.T, full @ full.T, atol=5e-3)


def test_items_with_the_same_tags_are_the_same_and_strangers_are_not():
    vectors = tag_vectors(catalogue([["a", "b"], ["a", "b"], ["c", "d"], ["c", "d"], ["c"], ["a"]]))
    cosine = vectors @ vectors.T
    assert cosine[0, 1] == pytest.approx(1, abs=1e-5)
    assert abs(cosine[0, 2]) < 1e-4
    assert cosine[0, 5] > 0.3


@pytest.mark.parametrize(
    "tags",
    [
        [[], [], []],
        [["all"], ["all"], ["all"]],
        [["x"], ["y"], ["z"]],
        [["a"], ["a"], ["b"]],
        [["a", "b"]],
        [["a", "b"], ["a", "b"], ["b", "c"]],
    ],
)
def test_tags_that_tell_little_give_finite_vectors_of_some_width(tags):
    vectors = tag_vectors(catalogue(tags))
    assert vectors.shape[0] == len(tags)
    assert vectors.shape[1] >= 1
    assert np.isfinite(vectors).all()
