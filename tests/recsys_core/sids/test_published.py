"""Published codes: unique SIDs and an honest report, but nothing for further items."""

import numpy as np
import pytest

from recsys_core.constraints import ConstraintIndex
from recsys_core.errors import BuildError, ConfigError
from recsys_core.sids import PublishedCodes, PublishedCodesConfig, SidConfig, load_tokenizer, make_tokenizer
from tests.contracts.tokenizer import clustered

CODES = np.array([[3, 1], [3, 1], [0, 2], [3, 1], [0, 0]], dtype=np.int32)


@pytest.mark.parametrize(("layout", "last"), [("pure", [0, 1, 0, 2, 0]), ("hybrid", [0, 1, 2, 3, 4])])
def test_the_last_level_tells_items_apart(layout, last):
    tokenizer = make_tokenizer(SidConfig(layout=layout), PublishedCodes(CODES))
    sids = tokenizer.fit(clustered(5))
    assert (sids[:, :-1] == CODES).all()
    assert sids[:, -1].tolist() == last
    assert len(ConstraintIndex.build(sids)) == 5


def test_the_report_counts_collisions_and_codes():
    tokenizer = make_tokenizer(SidConfig(layout="pure"), PublishedCodes(CODES))
    tokenizer.fit(clustered(5))
    quality = tokenizer.quality()
    assert (quality.colliding_items, quality.largest_collision) == (3, 3)
    assert [(level.used, level.codes) for level in quality.levels] == [(2, 4), (3, 3)]
    assert 0 < quality.reconstruction_error < 1


def test_codes_stand_for_the_mean_of_what_is_left():
    vectors = np.array([[0.0], [2.0], [9.0], [4.0], [11.0]], dtype=np.float32)
    quantizer = PublishedCodes(CODES)
    quantizer.fit(vectors)
    first, second = quantizer.codebooks
    assert first[[0, 3], 0].tolist() == [10.0, 2.0]
    assert second[:, 0].tolist() == [1.0, 0.0, -1.0]
    assert first[[1, 2], 0].tolist() == [0.0, 0.0]


def test_further_items_are_refused_with_the_reason():
    quantizer = PublishedCodes(CODES, PublishedCodesConfig(source="sid_letter.json.gz"))
    tokenizer = make_tokenizer(SidConfig(layout="pure"), quantizer)
    tokenizer.fit(clustered(5))
    with pytest.raises(ConfigError, match=r"sid_letter.json.gz.*not the model.*residual_kmeans"):
        tokenizer.encode(clustered(1))
    with pytest.raises(ConfigError, match="further items can't be encoded"):
        quantizer.candidates(clustered(1), 4)
    assert len(tokenizer.sids) == 5


def test_saved_and_loaded_are_alike(tmp_path):
    tokenizer = make_tokenizer(SidConfig(layout="pure"), PublishedCodes(CODES, PublishedCodesConfig(source="here")))
    tokenizer.fit(clustered(5))
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert (again.sids == tokenizer.sids).all()
    assert again.quality() == tokenizer.quality()
    assert again.quantizer.config.source == "here"
    with pytest.raises(ConfigError, match="here"):
        again.encode(clustered(1))


def test_codes_of_another_catalogue_are_refused():
    with pytest.raises(BuildError, match="5 items have codes, but there are 6 item vectors"):
        PublishedCodes(CODES).fit(clustered(6))


def test_nan_vectors_are_refused():
    vectors = clustered(5)
    vectors[2, 0] = np.nan
    with pytest.raises(BuildError, match=r"NaN.*item 2"):
        PublishedCodes(CODES).fit(vectors)


@pytest.mark.parametrize("codes", [CODES[0], CODES - 1, CODES.astype(np.float32), CODES[:0]])
def test_what_isnt_a_table_of_codes_is_refused(codes):
    with pytest.raises(BuildError, match="expected non-negative integers"):
        PublishedCodes(codes)
