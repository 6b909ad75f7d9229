"""Both layouts keep the tokenizer's contract and their own shape."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from recsys_core.errors import BuildError, ReleaseError
from recsys_core.sids import (
    CapsIDConfig,
    HybridTokenizer,
    PureTokenizer,
    ResidualKMeans,
    ResidualKMeansConfig,
    SidConfig,
    SidThresholds,
    load_tokenizer,
    make_tokenizer,
)
from tests.contracts.tokenizer import TokenizerContract, clustered


class TestHybrid(TokenizerContract):
    def make(self):
        return make_tokenizer(SidConfig(layout="hybrid"))

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


class TestPure(TokenizerContract):
    def make(self):
        return make_tokenizer(SidConfig(layout="pure"))

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
        tokenizer = HybridTokenizer(ResidualKMeans(ResidualKMeansConfig(items_per_code=16, iterations=1)))
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
        with pytest.raises(ValidationError):
            SidConfig(quantizer="published")
        with pytest.raises(ValidationError, match=r"`sids.capsid` is set, but `sids.quantizer` is 'rq_vae'"):
            SidConfig(quantizer="rq_vae", capsid=CapsIDConfig())

    @pytest.mark.parametrize("levels", [1, 2, 3])
    @pytest.mark.parametrize("quantizer", ["residual_kmeans", "balanced_kmeans"])
    def test_the_hybrid_prefix_has_the_length_that_is_set(self, quantizer, levels):
        shape = {"levels": levels, "items_per_code": 8, "iterations": 2}
        name = "codes" if quantizer == "residual_kmeans" else "balanced"
        config = SidConfig.model_validate({"quantizer": quantizer, name: shape})
        sids = make_tokenizer(config).fit(clustered(100))
        assert sids.shape == (100, levels + 1)
        assert sids[:, -1].tolist() == list(range(100))

    def test_every_quantizer_takes_the_shape_of_the_layout(self):
        levels = {}
        for quantizer in ("residual_kmeans", "balanced_kmeans", "rq_vae", "capsid"):
            for layout in ("hybrid", "pure"):
                made = make_tokenizer(SidConfig(layout=layout, quantizer=quantizer)).quantizer
                assert made.name == quantizer
                levels[quantizer, layout] = (made.levels, made.config.items_per_code)
        assert {shape for (_, layout), shape in levels.items() if layout == "hybrid"} == {(1, 16)}
        assert levels["capsid", "pure"] == (6, 4)
        assert levels["rq_vae", "pure"] == levels["balanced_kmeans", "pure"] == (3, 4)

    def test_thresholds_follow_the_quantizer_unless_set(self):
        assert SidConfig().thresholds == SidThresholds()
        assert SidConfig(quantizer="capsid").thresholds.min_utilisation < SidThresholds().min_utilisation
        own = SidThresholds(min_utilisation=0.7)
        assert SidConfig(quantizer="capsid", thresholds=own).thresholds == own
        again = SidConfig.model_validate(SidConfig(quantizer="rq_vae").model_dump())
        assert again == SidConfig(quantizer="rq_vae")


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

    @pytest.mark.parametrize("wrong", [{"layout": "?"}, {"quantizer": "?"}, {"config": {"levels": "many"}}])
    def test_an_unknown_layout_quantizer_or_setting_is_refused(self, tmp_path, wrong):
        tokenizer = HybridTokenizer()
        tokenizer.fit(clustered(40))
        tokenizer.save(tmp_path)
        header = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
        (tmp_path / "tokenizer.json").write_text(json.dumps(header | wrong), encoding="utf-8")
        with pytest.raises(ReleaseError, match="damaged"):
            load_tokenizer(tmp_path)
