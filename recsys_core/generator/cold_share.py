"""How much probability new items take in all, and how to hold it to their share of the catalogue.

A new item's vectors were never pushed away from the states that they don't belong to, and every further path is one
more bucket in which it competes. Unchecked, a twentieth of the catalogue with four paths each took an eighth of all
probability, at the expense of items that people are known to want. An offset on their logits sets that right.
"""

from __future__ import annotations

import numpy as np
import torch

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.generator.data import Ints
from recsys_core.generator.model import CompactModel
from recsys_core.generator.train import last_states
from recsys_core.generator.trie import TrieTensors, all_log_probabilities

LOWEST = -8.0
"""Offset below which nothing is set, whatever the share: new items that are alone under their codes keep what their
codes get, however low they score."""

STEPS = 8
"""Halvings of the interval that the offset is searched in."""

_CHUNK = 16


@torch.inference_mode()
def share_of_probability(model: CompactModel, trie: TrieTensors, histories: list[Ints], first: int) -> float:
    """Mean probability of all items from ``first`` on after these histories, without an instruction.

    Args:
        model: in evaluation mode.
        trie: of its semantic IDs.
        histories: item indices, newest last.
        first: index of the first item that counts.
    """
    silence = model.instruct(
        torch.zeros(len(histories), model.text.shape[1]), torch.zeros(len(histories), dtype=torch.bool)
    )
    states = last_states(model, histories, silence)
    found = all_log_probabilities(model, trie, states, silence.wish, chunk=_CHUNK)
    return float(found[:, first:].exp().sum(dim=1).mean())


def settle_share(
    model: CompactModel, index: ConstraintIndex, offsets: Ints, items: Ints, *, first: int, share: float, contexts: int
) -> float:
    """Lower the logits of new items, all by the same, until they take no more than a share; in place.

    Only where the last level tells items apart by their own vectors (the hybrid layout); codes belong to other
    items too.

    Args:
        model: with the new items, in evaluation mode.
        index: of the same semantic IDs.
        offsets: int64[n_users + 1] of the training histories.
        items: int64[n], training items, oldest first within a user.
        first: index of the first new item.
        share: of all probability, 0 to 1.
        contexts: how many histories are asked, beginnings of training sequences chosen under a fixed seed.

    Returns:
        Share of probability that the new items have in the end.
    """
    histories = _beginnings(offsets, items, contexts)
    trie = TrieTensors.from_index(index, hybrid=model.hybrid)
    taken = share_of_probability(model, trie, histories, first)
    if taken <= share or not model.hybrid:
        return taken
    low, high = LOWEST, 0.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        model.item_offset[first:] = middle
        if share_of_probability(model, trie, histories, first) > share:
            high = middle
        else:
            low = middle
    model.item_offset[first:] = low
    return share_of_probability(model, trie, histories, first)


def _beginnings(offsets: Ints, items: Ints, count: int) -> list[Ints]:
    rng = np.random.default_rng(0)
    users = np.flatnonzero(np.diff(offsets) > 0)
    if not len(users):
        return [np.empty(0, dtype=np.int64)]
    chosen = np.sort(rng.choice(users, size=min(count, len(users)), replace=False))
    lengths = offsets[chosen + 1] - offsets[chosen]
    # not the whole sequence: the model was trained to say what comes next within it
    ends = offsets[chosen] + np.maximum(1, (rng.random(len(chosen)) * lengths).astype(np.int64))
    return [items[low:high] for low, high in zip(offsets[chosen], ends, strict=True)]
