"""Both layouts keep the tokenizer's contract and their own shape."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from recsys_core.errors import BuildError, ReleaseError
from recsys_core.sids import (
    HybridTokenizer,
    PureTokenizer,
    ResidualKMeansConfig,
    SidConfig,
    load_tokenizer,
    make_tokenizer,
)
from tests.contracts.tokenizer import TokenizerContract, clustered


class TestHybrid(TokenizerContract):
    def make(self):
        return make_tokenizer(SidConfig(layout="hybrid"))

    def load(self, folder):
        return load_tokenizer(folder)

    def test_the_item_token_is_the_item_index(self):
        tokenizer = self.make()
        sids = tokenizer.fit(clustered(200))
        assert sids.shape == (200, 2)
        assert sids[:, 1].tolist() == list(range(200))
        assert tokenizer.encode(clustered(3, seed=4))[:, 1].tolist() == [200, 201, 202]

    def test_movielens_size_gets_64_codes(self):
        assert HybridTokenizer().fit(clustered(1682, 8))[:, 0].max() == 63


class TestTwoLevelHybrid(TokenizerContract):
    def make(self):
        return make_tokenizer(SidConfig(layout="hybrid", codes=ResidualKMeansConfig(levels=2)))

    def load(self, folder):
        return load_tokenizer(folder)


class TestPure(TokenizerContract):
    def make(self):
        return make_tokenizer(SidConfig(layout="pure"))

    def load(self, folder):
        return load_tokenizer(folder)

    def test_the_last_level_counts_the_items_on_the_same_codes(self):
        vectors = clustered(60, 6, 4, noise=0.0)  # 4 distinct vectors, so most items collide
        sids = self.make().fit(vectors)
        assert sids.shape == (60, 4)
        seen = {}
        for *codes, rank in sids.tolist():
            assert rank == seen.get(tuple(codes), 0)
            seen[tuple(codes)] = rank + 1

    def test_defaults_are_three_levels_of_256_where_the_catalogue_allows_it(self):
        tokenizer = PureTokenizer()
        tokenizer.fit(clustered(1100, 8, 200, 1.0))
        assert [len(book) for book in tokenizer.quantizer.codebooks] == [256, 256, 256]


class TestCodesAndItems:
    def test_fewer_items_than_codes_names_the_setting_and_the_limit(self):
        config = SidConfig(codes=ResidualKMeansConfig(codes=64))
        with pytest.raises(BuildError, match=r"fewer items than codes.*`codes` is 64.*20 distinct.*at most 20"):
            make_tokenizer(config).fit(clustered(20))

    def test_equal_vectors_count_once(self):
        vectors = np.repeat(clustered(10), 10, axis=0)
        with pytest.raises(BuildError, match=r"10 distinct item vectors \(100 items\)"):
            make_tokenizer(SidConfig(codes=ResidualKMeansConfig(codes=32))).fit(vectors)

    @pytest.mark.parametrize(("items", "codes"), [(1, 1), (15, 1), (32, 2), (100, 4), (1682, 64), (5000, 256)])
    def test_auto_follows_the_catalogue(self, items, codes):
        tokenizer = HybridTokenizer(ResidualKMeansConfig(iterations=1))
        tokenizer.fit(np.random.default_rng(0).standard_normal((items, 4)).astype(np.float32))
        assert len(tokenizer.quantizer.codebooks[0]) == codes

    def test_settings_are_checked(self):
        with pytest.raises(ValidationError):
            SidConfig(layout="flat")
        with pytest.raises(ValidationError):
            ResidualKMeansConfig(codes="many")
        with pytest.raises(ValidationError):
            ResidualKMeansConfig(codes=0)
        with pytest.raises(ValidationError):
            SidConfig(colour="red")


class TestFiles:
    def test_damaged_or_missing_files_say_what_to_run(self, tmp_path):
        with pytest.raises(ReleaseError, match="sidra build"):
            load_tokenizer(tmp_path)
        tokenizer = HybridTokenizer()
        tokenizer.fit(clustered(40))
        tokenizer.save(tmp_path)
        (tmp_path / "codebooks.npz").write_bytes(b"PK not really")
        with pytest.raises(ReleaseError, match="damaged"):
            load_tokenizer(tmp_path)

    def test_an_unknown_layout_is_refused(self, tmp_path):
        tokenizer = HybridTokenizer()
        tokenizer.fit(clustered(40))
        tokenizer.save(tmp_path)
        header = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
        (tmp_path / "tokenizer.json").write_text(json.dumps(header | {"layout": "?"}), encoding="utf-8")
        with pytest.raises(ReleaseError, match="damaged"):
            load_tokenizer(tmp_path)
