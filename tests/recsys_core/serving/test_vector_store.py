"""Both stores keep the contract and agree with each other."""

import numpy as np
import pytest

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.errors import ReleaseError
from recsys_core.serving import vector_store
from recsys_core.serving.vector_store import ChromaStore, ExactStore
from tests.contracts.vector_store import VectorStoreContract


class TestExactStore(VectorStoreContract):
    def make_store(self, catalogue, tmp_path):
        return ExactStore(catalogue)


class TestChromaStore(VectorStoreContract):
    def make_store(self, catalogue, tmp_path):
        return ChromaStore(catalogue, tmp_path / "collection")


class TestChromaStoreByWhere(VectorStoreContract):
    """The way that large allowed sets take: Chroma filters by rule, and the mask has the last word."""

    @pytest.fixture(autouse=True)
    def _every_set_is_large(self, monkeypatch):
        monkeypatch.setattr(vector_store, "FEW_ALLOWED", 0)

    def make_store(self, catalogue, tmp_path):
        return ChromaStore(catalogue, tmp_path / "collection")


class TestChromaStoreFolder:
    def test_survives_closing_and_moving(self, tmp_path):
        import polars as pl

        catalogue = Catalogue(pl.DataFrame({"id": ["a", "b"], "title": ["A", "B"]}))
        vectors = np.eye(2, dtype=np.float32)
        store = ChromaStore(catalogue, tmp_path / "building")
        store.add(catalogue.ids, vectors)
        store.close()
        (tmp_path / "building").rename(tmp_path / "final")
        again = ChromaStore(catalogue, tmp_path / "final")
        assert len(again) == 2
        assert again.search(vectors[1], 1) == [("b", 1.0)]
        again.close()

    def test_batches_larger_than_chroma_takes(self, tmp_path, monkeypatch):
        import polars as pl

        catalogue = Catalogue(pl.DataFrame({"id": [str(i) for i in range(40)], "title": ["x"] * 40}))
        store = ChromaStore(catalogue, tmp_path)
        monkeypatch.setattr(store._client, "get_max_batch_size", lambda: 7)
        store.add(catalogue.ids, np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32))
        assert len(store) == 40
        store.close()

    def test_a_damaged_folder_is_a_sentence(self, tmp_path):
        import polars as pl

        (tmp_path / "chroma.sqlite3").write_bytes(b"this is no database" * 100)
        with pytest.raises(ReleaseError, match=r"can't be opened.*SIDRA_VECTOR_STORE=exact"):
            ChromaStore(Catalogue(pl.DataFrame({"id": ["a"], "title": ["A"]})), tmp_path)
