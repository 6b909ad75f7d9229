"""An open release with further items in it, made in memory: what is served until they are merged into a release."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.errors import ReleaseError
from recsys_core.generator.cold import ColdConfig
from recsys_core.generator.compact import CompactGenerator
from recsys_core.generator.fits import WordFits
from recsys_core.releases.grow import check_words, grown_item_cf, grown_model, grown_text, grown_vectors
from recsys_core.serving.recommender import Recommender
from recsys_core.serving.scoring import Scorer
from recsys_core.serving.vector_store import ExactStore, VectorStore, allowed_mask, ranked_hits


def grown(base: Recommender, catalogue: Catalogue, config: ColdConfig | None = None) -> Recommender:
    """A recommender that knows new items as an extended release would.

    Args:
        base: an open release, left as it is.
        catalogue: its items and new ones after them.
        config: how new items are taken in.

    Raises:
        ReleaseError: the items have no words, or the release is served by a generator that can't take new items in.
    """
    config = config or ColdConfig()
    release, old = base.release, len(base.catalogue)
    check_words(release, base.catalogue)
    family = base.scorer.family
    if not isinstance(family, CompactGenerator):
        raise ReleaseError(
            f"release {release.id} is served by a generator that can't take in new items while it runs; use the "
            "compact one, or add them with `sidra releases extend` and restart"
        )
    text = grown_text(release, catalogue, np.load(release.text_vectors), base.text)
    vectors = grown_vectors(release, text, base.scorer.item_vectors, config)
    known = grown_model(release, family.model, family.index, vectors, base.log, config)
    popularity = np.load(release.popularity)
    scorer = Scorer(
        family=CompactGenerator(known.model, known.index, family.encode_texts),
        fits=WordFits(known.model.meaning, vectors.content, family.encode_texts),
        item_cf=grown_item_cf(base.scorer.item_cf, len(catalogue)),
        popularity=np.pad(popularity, (0, len(catalogue) - old)),
        item_vectors=vectors.items,
        sids=known.index.sids(),
        serving=base.scorer.serving,
        beam=base.scorer.beam,
        plan=base.scorer.plan,
    )
    log = dataclasses.replace(base.log, n_items=len(catalogue))
    store: VectorStore
    if isinstance(base.store, ExactStore):
        store = ExactStore(catalogue, text)
    else:
        store = GrownStore(base.store, old, catalogue, text[old:])
    return Recommender(release, catalogue, log, base.text, scorer, store, batching=base.batching)


class GrownStore:
    """A release's own store, and beside it the vectors of new items in memory.

    Args:
        base: of the release; belongs to it and isn't closed here.
        old: how many items it knows.
        catalogue: those and the new ones.
        vectors: ``float32[m, d]`` of the new ones.
    """

    def __init__(self, base: VectorStore, old: int, catalogue: Catalogue, vectors: NDArray[np.float32]) -> None:
        self._base, self._old, self._catalogue = base, old, catalogue
        self._new = ExactStore(catalogue)
        self._new.add(catalogue.ids[old:], vectors)

    def add(self, ids: Sequence[str], vectors: NDArray[np.float32], metadatas: Any = None) -> None:
        """See :class:`VectorStore`; only new items may be stored again."""
        self._new.add(ids, vectors, metadatas)

    def search(self, vector: ArrayLike, k: int, where: Any = None) -> list[tuple[str, float]]:
        """See :class:`VectorStore`."""
        allowed = allowed_mask(where, self._catalogue)
        found = self._base.search(vector, k, None if allowed is None else allowed[: self._old])
        found = found + self._new.search(vector, k, allowed)
        rows = self._catalogue.indices([item_id for item_id, _ in found])
        return ranked_hits(rows, np.array([near for _, near in found], dtype=np.float32), k, self._catalogue)

    def close(self) -> None:
        """See :class:`VectorStore`; the base belongs to the release."""
