"""Who is chosen together, without looking at held-out items."""

import numpy as np
import pytest

from recsys_core.catalog.splits import leave_last_out
from recsys_core.catalog.synth import synthetic
from recsys_core.encoders import CollaborativeConfig, CollaborativeEncoder, TrainSequences
from recsys_core.encoders.collaborative import _cooccurrence, _ppmi
from recsys_core.errors import BuildError


def sequences(*users):
    offsets = np.cumsum([0, *map(len, users)])
    return TrainSequences(offsets.astype(np.int64), np.array([i for user in users for i in user], dtype=np.int64))


def two_camps(n_users=40, seed=0):
    """Items 0-9 and 10-19 are never chosen by the same user; item 20 by nobody."""
    rng = np.random.default_rng(seed)
    return sequences(*[rng.permutation(10)[:6] + 10 * (u % 2) for u in range(n_users)])


def test_counts_equal_a_double_loop():
    users = [[0, 1, 2, 0], [3, 1], [2], []]
    expected = np.zeros((5, 5))
    for user in users:
        for i, a in enumerate(user):
            for j, b in enumerate(user):
                if a != b and 0 < abs(i - j) <= 2:
                    expected[a, b] += 1 / abs(i - j)
    np.testing.assert_allclose(_cooccurrence(sequences(*users), 5, 2).toarray(), expected)


def test_ppmi_without_smoothing_is_the_textbook_formula():
    counts = _cooccurrence(sequences([0, 1, 2], [0, 1], [2, 3], [0, 3]), 4, 5)
    dense = counts.toarray()
    margin = dense.sum(1)
    with np.errstate(divide="ignore"):
        expected = np.maximum(0, np.log(dense * margin.sum() / np.outer(margin, margin)))
    np.testing.assert_allclose(_ppmi(counts, 1.0).toarray(), expected, atol=1e-12)


def test_items_chosen_together_are_close_and_unchosen_items_are_zero():
    vectors = CollaborativeEncoder(CollaborativeConfig(dimensions=8)).encode_sequences(two_camps(), 21)
    assert vectors.shape == (21, 8)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors[:20], axis=1), 1, atol=1e-5)
    assert (vectors[20] == 0).all()
    similarity = vectors @ vectors.T
    assert similarity[:10, :10].mean() > similarity[:10, 10:20].mean() + 0.3


@pytest.mark.parametrize("n_items", [21, 600])
def test_the_same_input_gives_the_same_bytes(n_items):
    # 21 items take the dense way, 600 the iterative one
    train, encoder = two_camps(), CollaborativeEncoder(CollaborativeConfig(dimensions=8))
    assert encoder.encode_sequences(train, n_items).tobytes() == encoder.encode_sequences(train, n_items).tobytes()


def test_dense_and_iterative_ways_agree():
    train = two_camps(100)
    encoder = CollaborativeEncoder(CollaborativeConfig(dimensions=4))
    dense, sparse = encoder.encode_sequences(train, 16 + 5), encoder.encode_sequences(train, 400)
    np.testing.assert_allclose((dense @ dense.T)[:20, :20], (sparse @ sparse.T)[:20, :20], atol=1e-3)


@pytest.mark.parametrize(
    ("train", "n_items"),
    [
        (sequences(), 1),
        (sequences([0]), 1),
        (sequences([], []), 3),
        (sequences([0, 0, 0]), 2),
        (sequences([1, 0]), 900),
    ],
)
def test_next_to_no_data(train, n_items):
    vectors = CollaborativeEncoder().encode_sequences(train, n_items)
    assert vectors.shape == (n_items, 64)
    assert np.isfinite(vectors).all()


def test_held_out_items_don_t_matter():
    catalogue, log = synthetic(80, 60, seed=2)
    split = leave_last_out(log)
    train = TrainSequences(split.train_offsets, split.train_items)
    before = CollaborativeEncoder().encode(catalogue, train)
    held_out = set(zip(split.users.tolist(), split.test_items.tolist(), strict=True))
    assert held_out
    seen = {(u, int(i)) for u in range(log.n_users) for i in split.train_sequence(u)}
    assert not held_out & seen
    assert before.tobytes() == CollaborativeEncoder().encode_sequences(train, len(catalogue)).tobytes()


def test_an_item_outside_the_catalogue_is_a_sentence():
    with pytest.raises(BuildError, match="item 7, the catalogue has 3 items"):
        CollaborativeEncoder().encode_sequences(sequences([0, 7]), 3)
