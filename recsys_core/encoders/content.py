"""Content vectors: what is known of an item without watching anybody, in words or else by its tags."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import FieldKind
from recsys_core.encoders.protocol import Progress
from recsys_core.encoders.text import TextEncoder

TAG_WIDTH = 128
"""Size of vectors made of tags."""


def has_words(catalogue: Catalogue) -> bool:
    """Whether items have a title of their own or a text; an id that stands for a title says nothing."""
    return any(catalogue.texts) or any(t != i for t, i in zip(catalogue.titles, catalogue.ids, strict=True))


def content_vectors(
    catalogue: Catalogue, encoder: TextEncoder, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Sentence vectors of the items, or vectors of their tags where no item has words.

    Args:
        catalogue: the items.
        encoder: for words.
        progress: called with (done, total) texts.

    Returns:
        float32[n_items, d], rows of length 1 (0 for an item of which nothing is known); d is the encoder's width, or
        at most :data:`TAG_WIDTH`.
    """
    return encoder.encode(catalogue, progress=progress) if has_words(catalogue) else tag_vectors(catalogue)


def tag_vectors(catalogue: Catalogue, width: int = TAG_WIDTH, seed: int = 0) -> NDArray[np.float32]:
    """Latent semantic analysis of tags and strings: inverse document frequency, then a truncated SVD.

    Args:
        catalogue: the items.
        width: size of the vectors; fewer where there are fewer distinct values.
        seed: of the randomised SVD.

    Returns:
        float32[n_items, <= width], rows of length 1, or 0 for an item without any tag.
    """
    from scipy import sparse
    from sklearn.utils.extmath import randomized_svd

    rows, columns, values = [], [], []
    column = 0
    for name, spec in catalogue.fields.items():
        if spec.kind not in (FieldKind.tags, FieldKind.string):
            continue
        for items in catalogue.postings(name).rows.values():
            if 2 <= len(items) < len(catalogue):
                rows.append(items)
                columns.append(np.full(len(items), column))
                values.append(np.full(len(items), np.log(len(catalogue) / len(items))))
                column += 1
    if column < 2:
        return np.zeros((len(catalogue), 1), dtype=np.float32)
    shape = (len(catalogue), column)
    table = sparse.csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape, dtype=np.float32
    )
    left, strength, _ = randomized_svd(table, min(width, *(s - 1 for s in shape)), random_state=seed)
    vectors = left * np.sqrt(strength)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    # rounding leaves a little where there is nothing; scaled to length 1 it would be a direction made of noise
    told = (table.getnnz(axis=1)[:, None] > 0) & (norms > 1e-5 * norms.max())
    return np.asarray(np.divide(vectors, norms, where=told, out=np.zeros_like(vectors)), dtype=np.float32)
