"""An open release under another plan, sharing everything that the plan doesn't change."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recsys_core.baselines.item_cf import ItemCF
from recsys_core.generator.family import AnyFamily
from recsys_core.releases.release import Release
from recsys_core.serving.plan import ServingPlan, collection_folder
from recsys_core.serving.recommender import Recommender
from recsys_core.serving.scoring import Scorer
from recsys_core.serving.vector_store import ChromaStore, VectorStore


def planned(
    base: Recommender,
    plan: ServingPlan,
    store: VectorStore,
    *,
    family: AnyFamily | None = None,
    item_cf: ItemCF | None = None,
) -> Recommender:
    """A recommender that answers as the release would, opened with a plan.

    Args:
        base: the release, opened without a plan; left as it is.
        plan: how to serve.
        store: what the plan's engine is; stays the caller's to close.
        family: generates instead of the base's own (one that counts, say).
        item_cf: instead of the base's own, all neighbours in it.
    """
    scorer = base.scorer
    partner = item_cf or scorer.item_cf
    narrow = plan.cf_neighbours is not None and plan.cf_neighbours < partner.config.neighbours
    return Recommender(
        base.release,
        base.catalogue,
        base.log,
        base.text,
        Scorer(
            family=family or scorer.family,
            fits=scorer.fits,
            item_cf=partner.narrowed(plan.cf_neighbours) if narrow and plan.cf_neighbours else partner,
            popularity=np.load(base.release.popularity),
            item_vectors=scorer.item_vectors,
            sids=scorer.sids,
            serving=plan.mixes(scorer.serving),
            beam=plan.widths(scorer.beam),
            plan=plan,
        ),
        store,
        base.generator,
        base.changes,
        plan.batching(base.batching),
        base.servers,
    )


def build_collection(base: Recommender, plan: ServingPlan, folder: Path | None = None) -> Path:
    """Build Chroma's collection of a plan, unless it is there; the release's own stays as it is.

    Args:
        base: the open release.
        plan: one with a graph, or the release's own collection is named.
        folder: where the shadow copy goes; where serving looks for it when None.

    Returns:
        The folder.
    """
    folder = folder or collection_folder(base.release, plan)
    if plan.graph is None or (folder / _DONE).exists():
        return folder
    store = ChromaStore(base.catalogue, folder, plan.graph)
    try:
        store.add(base.catalogue.ids, vectors_of(base.release))
    finally:
        store.close()
    (folder / _DONE).touch()
    return folder


def vectors_of(release: Release) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """What a release's item search compares with: float32[n_items, d]."""
    table: np.ndarray[tuple[int, int], np.dtype[np.float32]] = np.load(release.text_vectors)
    return table


_DONE = "complete"
"""Marks a collection that was filled to the end; a build that was cut off is filled again."""
