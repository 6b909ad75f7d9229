"""Nearest items to a vector, under a rule.

Two stores with the same answers: :class:`ExactStore` compares with every item in NumPy (the right choice below about
50,000 items), :class:`ChromaStore` keeps a Chroma collection on disk. Whatever an index returns is checked against the
rule's mask before it leaves this module.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.chroma_where import metadata_of
from recsys_core.catalog.filters import ItemFilter
from recsys_core.errors import BuildError, ReleaseError
from recsys_core.serving.graph import Graph

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

COLLECTION = "items"
"""Name of the one collection in a store's folder."""

HNSW = {"space": "cosine", "ef_construction": 200, "ef_search": 512, "max_neighbors": 32}
"""Graph settings; on 20,000 random vectors of 128 dimensions they find all of the top 10 and .99 of the top 200."""

FEW_ALLOWED = 2_000
"""Up to so many allowed items Chroma is handed their ids instead of the rule."""

Rule = ItemFilter | NDArray[np.bool_]
"""A filter, or an allowed mask ``bool[n_items]`` that was made from one."""


class VectorStore(Protocol):
    """Vectors of catalogue items that can be searched."""

    def add(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        metadatas: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> None:
        """Store or replace the vectors of items.

        Args:
            ids: catalogue ids.
            vectors: ``float32[len(ids), d]``, finite.
            metadatas: what rules are checked on inside an index; the items' attributes when left out.

        Raises:
            UnknownItemError: an id that the catalogue doesn't have.
            BuildError: NaN or infinite values, or shapes that don't fit.
        """
        ...

    def search(self, vector: ArrayLike, k: int, where: Rule | None = None) -> list[tuple[str, float]]:
        """The ``k`` most similar items that the rule allows.

        Args:
            vector: ``float[d]``, finite.
            k: at least 1.
            where: filter or mask; None allows everything.

        Returns:
            ``(item id, cosine similarity)``, best first, ties in catalogue order; shorter when fewer are allowed.

        Raises:
            FilterError: the filter can't be answered from the catalogue.
            ValueError: a vector of another width or with NaN, or k < 1.
        """
        ...

    def close(self) -> None:
        """Let go of files; the store can't be used afterwards."""
        ...


class ExactStore:
    """All vectors in memory, every one compared.

    Args:
        catalogue: what ids and rules refer to.
        vectors: ``float32[n_items, d]`` in catalogue order; left out, the store starts empty.
    """

    def __init__(self, catalogue: Catalogue, vectors: NDArray[np.float32] | None = None) -> None:
        self._catalogue = catalogue
        self._vectors: NDArray[np.float32] = np.empty((len(catalogue), 0), dtype=np.float32)
        self._present = np.zeros(len(catalogue), dtype=np.bool_)
        if vectors is not None:
            self.add(catalogue.ids, vectors)

    def add(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        metadatas: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> None:
        """See :class:`VectorStore`."""
        rows = self._catalogue.indices(ids)
        table = _checked(ids, vectors)
        if not self._present.any():
            self._vectors = np.zeros((len(self._catalogue), table.shape[1]), dtype=np.float32)
        if table.shape[1] != self._vectors.shape[1]:
            raise BuildError(f"vector store: width {table.shape[1]}, the store holds width {self._vectors.shape[1]}")
        self._vectors[rows] = _unit(table)
        self._present[rows] = True

    def search(self, vector: ArrayLike, k: int, where: Rule | None = None) -> list[tuple[str, float]]:
        """See :class:`VectorStore`."""
        allowed = allowed_mask(where, self._catalogue)
        rows = np.flatnonzero(self._present if allowed is None else self._present & allowed)
        if not len(rows):
            return []
        query = _query(vector, k, self._vectors.shape[1])
        similarity = self._vectors @ query if allowed is None else self._vectors[rows] @ query
        if allowed is None:
            similarity = similarity[rows]
        return ranked_hits(rows, similarity, k, self._catalogue)

    def close(self) -> None:
        """See :class:`VectorStore`; there is nothing to let go of."""


class ChromaStore:
    """A Chroma collection in a folder that this process owns. No telemetry, no embedder: vectors come from us.

    Args:
        catalogue: what ids and rules refer to.
        folder: where the collection is or will be.

        graph: what the graph is or was built with and is searched with; the settings of a build when None.
        over_fetch: so many times what is wanted is asked for.

    Raises:
        ReleaseError: the folder holds something that Chroma can't open.
    """

    def __init__(self, catalogue: Catalogue, folder: Path, graph: Graph | None = None, over_fetch: float = 1.0) -> None:
        self._catalogue = catalogue
        self.folder = folder
        self.over_fetch = over_fetch
        wanted = {**HNSW, **(graph.model_dump() if graph else {})}
        self._client, self._collection = _open(folder, wanted)
        if graph is not None and _ef_search(self._collection) != graph.ef_search:
            # stored at once, and applied only by a handle that is opened afterwards
            self._collection.modify(configuration={"hnsw": {"ef_search": graph.ef_search}})
            self._client.close()
            self._client, self._collection = _open(folder, wanted)

    def __len__(self) -> int:
        return int(self._collection.count())

    def add(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        metadatas: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> None:
        """See :class:`VectorStore`."""
        rows = self._catalogue.indices(ids)
        table = _checked(ids, vectors)
        facts = metadatas or [metadata_of(self._catalogue, int(row)) for row in rows]
        size = self._client.get_max_batch_size()
        for low in range(0, len(ids), size):
            part = slice(low, low + size)
            self._collection.upsert(
                ids=list(ids[part]),
                embeddings=table[part],
                metadatas=[_metadata(row, given) for row, given in zip(rows[part], facts[part], strict=True)],
            )

    def search(self, vector: ArrayLike, k: int, where: Rule | None = None) -> list[tuple[str, float]]:
        """See :class:`VectorStore`."""
        allowed = allowed_mask(where, self._catalogue)
        stored = len(self)
        possible = stored if allowed is None else min(stored, int(allowed.sum()))
        if not possible:
            return []
        query = _query(vector, k, None)
        narrowing = self._narrowing(where, allowed)
        wanted = min(k, possible)
        fetch = min(
            stored, math.ceil(wanted * self.over_fetch) + 8
        )  # a few more, so that ties at the end are broken by us
        while True:
            rows, similarity = self._query(query, fetch, narrowing)
            if allowed is not None:
                similarity, rows = similarity[allowed[rows]], rows[allowed[rows]]
            if len(rows) >= wanted or fetch >= stored:
                return ranked_hits(rows, similarity, k, self._catalogue)
            fetch = min(stored, fetch * 4)

    def close(self) -> None:
        """See :class:`VectorStore`."""
        self._client.close()

    def _narrowing(self, where: Rule | None, allowed: NDArray[np.bool_] | None) -> dict[str, Any]:
        if allowed is None:
            return {}
        if int(allowed.sum()) <= FEW_ALLOWED:
            return {"ids": [self._catalogue.ids[row] for row in np.flatnonzero(allowed)]}
        rule = where.to_chroma(self._catalogue) if isinstance(where, ItemFilter) else None
        return {"where": rule} if rule else {}

    def _query(
        self, query: NDArray[np.float32], fetch: int, narrowing: dict[str, Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        try:
            found = self._collection.query(
                query_embeddings=query[None], n_results=fetch, include=["distances"], **narrowing
            )
        except _chroma_errors() as error:
            if "dimension" in str(error):
                raise ValueError(f"the vector doesn't fit the store: {error}") from error
            raise ReleaseError(f"{self.folder}: the vector collection can't be read ({error}); build again") from error
        distances = found["distances"]
        rows = self._catalogue.indices(found["ids"][0])
        return rows, 1.0 - np.asarray(distances[0] if distances else [], dtype=np.float32)


def _open(folder: Path, hnsw: Mapping[str, Any]) -> tuple[ClientAPI, Collection]:
    import chromadb
    from chromadb.config import Settings

    try:
        client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
        collection = client.get_or_create_collection(
            COLLECTION, embedding_function=None, configuration={"hnsw": dict(hnsw)}
        )
    except _chroma_errors() as error:
        raise ReleaseError(
            f"{folder}: the vector collection can't be opened ({error}); run `sidra build` again, or set "
            "SIDRA_VECTOR_STORE=exact, which doesn't need it"
        ) from error
    return client, collection


def _ef_search(collection: Collection) -> int | None:
    stored = (collection.configuration_json.get("hnsw") or {}).get("ef_search")
    return None if stored is None else int(stored)


def _chroma_errors() -> tuple[type[Exception], ...]:
    from chromadb.errors import ChromaError

    return (ChromaError, ValueError, RuntimeError, OSError, sqlite3.Error)


def _metadata(row: np.int64, facts: Mapping[str, Any] | None) -> dict[str, Any]:
    # Chroma keeps whole and decimal numbers in different columns and compares within one only; rules use decimals
    values = {
        name: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in (facts or {}).items()
    }
    return values or {"sidra:row": float(row)}  # an item without attributes: Chroma refuses empty metadata


def allowed_mask(where: Rule | None, catalogue: Catalogue) -> NDArray[np.bool_] | None:
    """What a rule allows, ``bool[n_items]``; None where there is none.

    Raises:
        ValueError: a mask of another catalogue.
    """
    if where is None:
        return None
    allowed = where.mask(catalogue) if isinstance(where, ItemFilter) else where
    if allowed.dtype != np.bool_ or allowed.shape != (len(catalogue),):
        raise ValueError(f"a mask is bool[{len(catalogue)}], got {allowed.dtype}{list(allowed.shape)}")
    return allowed


def _query(vector: ArrayLike, k: int, width: int | None) -> NDArray[np.float32]:
    query = np.asarray(vector, dtype=np.float32).reshape(-1)
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if width is not None and len(query) != width:
        raise ValueError(f"the vector has {len(query)} values, the store holds vectors of {width}")
    if not np.isfinite(query).all():
        raise ValueError("the vector has NaN or infinite values")
    unit: NDArray[np.float32] = _unit(query[None])[0]
    return unit


def _checked(ids: Sequence[str], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    table = np.ascontiguousarray(vectors, dtype=np.float32)
    if table.ndim != 2 or len(table) != len(ids):
        raise BuildError(f"vector store: {len(ids)} ids with vectors of shape {list(table.shape)}; give one row an id")
    bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if len(bad):
        raise BuildError(
            f"vector store: the vector of item {ids[int(bad[0])]!r} has NaN or infinite values ({len(bad)} in all); "
            "delete the vector cache and build again"
        )
    return table


def _unit(table: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(table, axis=1, keepdims=True)
    length[length == 0] = 1.0
    unit: NDArray[np.float32] = table / length
    return unit


def ranked_hits(
    rows: NDArray[np.int64], similarity: NDArray[np.float32], k: int, catalogue: Catalogue
) -> list[tuple[str, float]]:
    """The ``k`` best of some items as ids and similarities, ties in catalogue order.

    Args:
        rows: ``int64[m]``, item indices.
        similarity: ``float32[m]``.
        k: how many.
        catalogue: of the items.
    """
    # below a millionth the two stores' arithmetic differs, so there catalogue order decides
    rounded = similarity.round(6)
    if len(rows) > 8 * k:
        kept = np.flatnonzero(rounded >= -np.partition(-rounded, k - 1)[k - 1])
        rows, rounded = rows[kept], rounded[kept]
    order = np.lexsort((rows, -rounded))[:k]
    return [(catalogue.ids[int(rows[place])], float(rounded[place])) for place in order]
