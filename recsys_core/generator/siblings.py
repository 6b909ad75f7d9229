"""Softmax of each target among the items that share its prefix, without looking at all the others.

Of a pool of two thousand items a handful share one of 256 codes, so the dense product of all targets with all items
would be almost all mask. Targets are put together by prefix and multiplied with that prefix's items only; prefixes of
about as many items go into one padded product.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


def sibling_cross_entropy(
    query: Tensor, keys: Tensor, bias: Tensor, prefix: Tensor, key_prefix: Tensor, wanted: Tensor
) -> Tensor:
    """Cross-entropy of each target among the keys of its prefix.

    Args:
        query: float32[N, d], one row a target.
        keys: float32[P, d].
        bias: float32[P], added to the logits of each key.
        prefix: int64[N], node of each target's prefix.
        key_prefix: int64[P], node of each key's prefix.
        wanted: int64[N], row of each target in ``keys``; its ``key_prefix`` is the target's.

    Returns:
        float32[N]; 0 where a target is the only one of its prefix.
    """
    key_order = torch.argsort(key_prefix, stable=True)
    target_order = torch.argsort(prefix, stable=True)
    nodes, targets_each = torch.unique_consecutive(prefix[target_order], return_counts=True)
    sorted_keys = key_prefix[key_order].contiguous()
    first_key = torch.searchsorted(sorted_keys, nodes)
    keys_each = torch.searchsorted(sorted_keys, nodes, right=True) - first_key
    first_target = targets_each.cumsum(0) - targets_each
    # where each key stands within its prefix's row of the padded product
    place = torch.empty_like(key_order)
    place[key_order] = torch.arange(len(key_order)) - torch.searchsorted(sorted_keys, sorted_keys)
    doubling = torch.ceil(torch.log2(keys_each.double())).long()
    groups = [
        _Group.make(rows, (first_target, targets_each, target_order), (first_key, keys_each, key_order))
        for size in range(1, int(doubling.max()) + 1)
        if len(rows := (doubling == size).nonzero()[:, 0])
    ]
    total = query.new_zeros(len(query))
    if not groups:
        return total
    # one gather for all groups: each has a gradient as long as the whole table
    queries = _gather(query, [group.target for group in groups])
    spread = _gather(keys, [group.key for group in groups])
    losses = []
    for group, left, right in zip(groups, queries, spread, strict=True):
        offset = bias[group.key].masked_fill(~group.is_key, -torch.inf)
        logits = torch.baddbmm(offset[:, None, :], left, right.transpose(1, 2))
        own = logits.gather(2, place[wanted[group.target]][:, :, None])[:, :, 0]
        losses.append((torch.logsumexp(logits, dim=-1) - own)[group.is_target])
    rows = torch.cat([group.target[group.is_target] for group in groups])
    return total.index_copy(0, rows, torch.cat(losses))


def _gather(vectors: Tensor, rows: list[Tensor]) -> list[Tensor]:
    """``vectors[r]`` for each r in ``rows``; split, not sliced, for the same reason."""
    every = vectors.index_select(0, torch.cat([r.flatten() for r in rows]))
    parts = torch.split(every, [r.numel() for r in rows])
    return [part.view(*r.shape, -1) for part, r in zip(parts, rows, strict=True)]


class _Group(NamedTuple):
    """Prefixes with about as many keys: rows of queries and keys, padded, and bool of what is no padding."""

    target: Tensor
    is_target: Tensor
    key: Tensor
    is_key: Tensor

    @classmethod
    def make(cls, rows: Tensor, targets: tuple[Tensor, ...], keys: tuple[Tensor, ...]) -> _Group:
        return cls(
            *_padded(targets[0][rows], targets[1][rows], targets[2]), *_padded(keys[0][rows], keys[1][rows], keys[2])
        )


def _padded(first: Tensor, count: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    """``order[first : first + count]`` of each row, padded: int64[R, longest], and bool of what is no padding."""
    steps = torch.arange(int(count.max()))
    inside = steps < count[:, None]
    return order[torch.where(inside, first[:, None] + steps, first[:, None])], inside
