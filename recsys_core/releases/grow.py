"""A release with further items, in memory: what extending a release writes and what a live catalogue serves meanwhile.

Both come through here, so that an item is found the same way before and after it is merged into a release.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_core.baselines.item_cf import ItemCF
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.splits import leave_last_out
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.encoders.content import has_words
from recsys_core.encoders.text import TextEncoder, item_description
from recsys_core.errors import ReleaseError
from recsys_core.generator.cold import ColdConfig, Extended, add_items
from recsys_core.generator.model import CompactModel
from recsys_core.releases.added import release_content, trained_items
from recsys_core.releases.release import Release

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors of all items, old ones first.

    Attributes:
        text: float32[n, d_text], rows of length 1.
        content: float32[n, d_text], as the release's generator knows them.
        items: float32[n, d], fused vectors; those of new items are lent by the nearest by text.
    """

    text: Floats
    content: Floats
    items: Floats


def check_words(release: Release, catalogue: Catalogue) -> None:
    """Refuse a catalogue without words: nothing would say what new items are like.

    Raises:
        ReleaseError: neither titles nor texts.
    """
    if not has_words(catalogue):
        raise ReleaseError(
            f"the items of release {release.id} have neither titles nor texts, so nothing says what new ones are "
            "like; import them with their interactions and run `sidra build`"
        )


def grown_text(release: Release, catalogue: Catalogue, old: Floats, encoder: TextEncoder) -> Floats:
    """Text vectors of a release's items and of those that its catalogue got since: float32[n, d_text].

    Args:
        release: that is extended.
        catalogue: its items, new ones last.
        old: float32[n_old, d_text], its text vectors.
        encoder: the one that it was built with.

    Raises:
        ReleaseError: the encoder gives vectors of another width.
    """
    added = range(len(old), len(catalogue))
    if not added:
        return old
    described = encoder.encode_texts([item_description(catalogue, row) for row in added])
    entitled = encoder.encode_texts(catalogue.titles[len(old) :])
    vectors = described + encoder.config.title_weight * entitled
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    if old.shape[1] != vectors.shape[1]:
        raise ReleaseError(
            f"{release.path}: text vectors have {old.shape[1]} dimensions, this encoder gives "
            f"{vectors.shape[1]}; set `text.model` to the one that the release was built with"
        )
    return np.concatenate([old, vectors.astype(np.float32)])


def grown_vectors(release: Release, text: Floats, old: Floats, config: ColdConfig) -> Vectors:
    """Vectors of all items; behaviour of a new one is unknown, and so is its fused vector.

    Args:
        release: that is extended.
        text: float32[n, d_text], from :func:`grown_text`.
        old: float32[n_old, d], its item vectors.
        config: how many neighbours lend theirs, and how the nearer ones count more.
    """
    content = release_content(release, text)
    if len(text) == len(old):
        return Vectors(text, content, old)
    similarity = content[len(old) :] @ content[: trained_items(release)].T
    near = np.argsort(-similarity, axis=1, kind="stable")[:, : config.neighbours]
    weight = np.exp(config.sharpness * np.take_along_axis(similarity, near, axis=1))
    lent = np.einsum("mk,mkd->md", weight, old[near])
    lent /= np.maximum(np.linalg.norm(lent, axis=1, keepdims=True), 1e-12)
    return Vectors(text, content, np.concatenate([old, lent.astype(np.float32)]))


def grown_model(
    release: Release,
    model: CompactModel,
    index: ConstraintIndex,
    vectors: Vectors,
    log: InteractionLog,
    config: ColdConfig,
) -> Extended:
    """The generator and the index with rows and semantic IDs for new items.

    Args:
        release: that is extended.
        model: its generator's, in evaluation mode.
        index: its constraint index.
        vectors: of all items; at least one is new.
        log: its interactions.
        config: what to do.
    """
    from recsys_core.sids.layouts import load_tokenizer

    tokenizer = load_tokenizer(release.path / "tokenizer")
    by_text = release.manifest.config.get("sid_source", "text") == "text"
    split = leave_last_out(log)
    first = len(index)
    return add_items(
        model,
        index,
        vectors.content[first:],
        tokenizer.quantizer,
        (vectors.content if by_text else vectors.items)[first:],
        (split.train_offsets, split.train_items),
        config,
    )


def grown_item_cf(known: ItemCF, items: int) -> ItemCF:
    """Item-CF that has heard of new items and nothing about them."""
    similarity = known.similarity.copy()
    similarity.resize((items, items))
    return ItemCF(similarity, known.config)
