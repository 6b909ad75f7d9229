"""Both parts count by their weight, and nothing that isn't a number gets through."""

import numpy as np
import pytest

from recsys_core.catalog.splits import leave_last_out
from recsys_core.catalog.synth import synthetic
from recsys_core.encoders import (
    CollaborativeEncoder,
    FusedConfig,
    FusedEncoder,
    TextEncoder,
    TrainSequences,
    fuse,
)
from recsys_core.errors import BuildError

RNG = np.random.default_rng(0)
TEXT = RNG.standard_normal((50, 20)).astype(np.float32)
BEHAVIOUR = RNG.standard_normal((50, 8)).astype(np.float32)


def similarity(vectors):
    vectors = vectors - vectors.mean(0)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


def test_shape_type_and_length():
    vectors = fuse(TEXT, BEHAVIOUR, FusedConfig(dimensions=12))
    assert vectors.shape == (50, 12)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_full_width_keeps_the_angles_of_the_weighted_parts():
    unit_text = TEXT / np.linalg.norm(TEXT, axis=1, keepdims=True)
    unit_behaviour = BEHAVIOUR / np.linalg.norm(BEHAVIOUR, axis=1, keepdims=True)
    expected = similarity(np.hstack([2 * unit_text, 0.5 * unit_behaviour]))
    fused = fuse(TEXT, BEHAVIOUR, FusedConfig(text_weight=2, collaborative_weight=0.5, dimensions=28))
    np.testing.assert_allclose(fused @ fused.T, expected, atol=1e-4)


def test_a_part_of_weight_zero_is_left_out():
    only = fuse(TEXT, BEHAVIOUR, FusedConfig(collaborative_weight=0, dimensions=20))
    other = fuse(TEXT, -7 * BEHAVIOUR[::-1], FusedConfig(collaborative_weight=0, dimensions=20))
    np.testing.assert_allclose(only, other, atol=1e-5)


def test_more_dimensions_than_there_are_come_out_as_zeros():
    vectors = fuse(TEXT, BEHAVIOUR, FusedConfig(dimensions=64))
    assert vectors.shape == (50, 64)
    assert (vectors[:, 28:] == 0).all()


def test_an_item_nobody_chose_lies_where_its_text_says():
    behaviour = BEHAVIOUR.copy()
    behaviour[3] = 0
    fused = fuse(TEXT, behaviour, FusedConfig(dimensions=28))
    alone = fuse(TEXT, behaviour, FusedConfig(collaborative_weight=0, dimensions=28))
    assert np.corrcoef(fused[3] @ fused.T, alone[3] @ alone.T)[0, 1] > 0.8


def test_the_same_input_gives_the_same_bytes():
    assert fuse(TEXT, BEHAVIOUR).tobytes() == fuse(TEXT.copy(order="F"), BEHAVIOUR.copy()).tobytes()


def test_one_item_and_no_behaviour_at_all():
    one = fuse(TEXT[:1], BEHAVIOUR[:1])
    np.testing.assert_allclose(np.linalg.norm(one), 1, atol=1e-5)
    assert np.isfinite(fuse(TEXT, np.zeros((50, 8), np.float32))).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("which", ["text", "collaborative"])
def test_nan_names_the_part_and_the_item(value, which):
    parts = {"text": TEXT.copy(), "collaborative": BEHAVIOUR.copy()}
    parts[which][9, 2] = value
    with pytest.raises(BuildError, match=rf"the {which} part has NaN.*1 of 50 items.*item 9"):
        fuse(parts["text"], parts["collaborative"])


def test_parts_that_don_t_fit_and_weights_that_say_nothing():
    with pytest.raises(BuildError, match="50 text and 49 collaborative"):
        fuse(TEXT, BEHAVIOUR[1:])
    with pytest.raises(BuildError, match="both 0"):
        fuse(TEXT, BEHAVIOUR, FusedConfig(text_weight=0, collaborative_weight=0))


def test_from_catalogue_and_sequences():
    catalogue, log = synthetic(40, 30, seed=1)
    split = leave_last_out(log)
    train = TrainSequences(split.train_offsets, split.train_items)
    text, behaviour = TextEncoder(), CollaborativeEncoder()
    vectors = FusedEncoder(text, behaviour).encode(catalogue, train)
    np.testing.assert_array_equal(vectors, fuse(text.encode(catalogue), behaviour.encode(catalogue, train)))
