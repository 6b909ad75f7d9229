"""Training data with a structure that a model can find, small enough to be fitted in a second."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from recsys_core.baselines.protocol import FitData
from recsys_core.catalog.splits import leave_last_out
from recsys_core.catalog.synth import synthetic


@lru_cache(maxsize=8)
def small_fit_data(seed: int = 0, n_items: int = 60, n_users: int = 200) -> FitData:
    """People who stay with one or two genres, split leave-last-out; test targets are left out.

    Content is what genre and country say, with some noise; the semantic IDs are (genre, running number in the genre).

    Returns:
        Data with ``content`` float32[n_items, 16] of unit rows, two-level ``sids`` and validation for most users.
    """
    catalogue, log = synthetic(n_items, n_users, seed)
    split = leave_last_out(log)
    genres, _ = catalogue.tag_matrix("genre")
    countries, _ = catalogue.tag_matrix("country")
    rng = np.random.default_rng(seed)
    facts = np.concatenate([genres, 0.5 * countries], axis=1)
    content = facts @ rng.standard_normal((facts.shape[1], 16)) + 0.3 * rng.standard_normal((n_items, 16))
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    main = genres.argmax(axis=1)
    order = np.argsort(main, kind="stable")
    number = np.empty(n_items, dtype=np.int64)
    number[order] = np.arange(n_items) - np.searchsorted(main[order], main[order])
    return FitData(
        offsets=split.train_offsets,
        items=split.train_items,
        n_items=n_items,
        content=content.astype(np.float32),
        sids=np.stack([main, number], axis=1).astype(np.int32),
        validation_histories=[split.validation_history(int(user)) for user in split.users],
        validation_targets=split.validation_items,
    )


def one_user_fit_data(seed: int = 0) -> FitData:
    """A single user who comes back to the same items, and nothing to validate on."""
    full = small_fit_data(seed)
    items = np.array([3, 1, 3, 4, 1, 5, 9, 3], dtype=np.int64)
    return FitData(
        offsets=np.array([0, len(items)], dtype=np.int64),
        items=items,
        n_items=full.n_items,
        content=full.content,
        sids=full.sids,
    )


def unseen_item_fit_data(seed: int = 0) -> tuple[FitData, int]:
    """The usual data with one item taken out of every history, and that item: nobody ever chose it."""
    full = small_fit_data(seed)
    item = int(np.bincount(full.items, minlength=full.n_items).argmax())
    users = np.repeat(np.arange(len(full.offsets) - 1), np.diff(full.offsets))
    kept = full.items != item
    counts = np.bincount(users[kept], minlength=len(full.offsets) - 1)
    data = FitData(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        items=full.items[kept],
        n_items=full.n_items,
        content=full.content,
        sids=full.sids,
    )
    return data, item
