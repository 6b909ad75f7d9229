"""Sorting, checking and laying out the semantic IDs of a catalogue.

Most of the time goes into the sort. As many upper levels as fit are packed into one 64-bit number a SID, those are
sorted as numbers, and only SIDs that tie there are compared on the lower levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys_core.constraints.arrays import IntArray, TokenArray, TrieArrays, token_type
from recsys_core.errors import BuildError

_LARGEST = np.iinfo(np.int32).max - 1
_KEY_BITS = 64


def build_arrays(
    sids: ArrayLike, item_ids: Sequence[str] | None = None, items: ArrayLike | None = None
) -> tuple[TrieArrays, int]:
    """Sort, check and lay out SIDs; arguments and errors as in :meth:`ConstraintIndex.build`.

    Returns:
        The arrays, and how many items there are.
    """
    table = _table(sids)
    owners = None if items is None else _owners(items, len(table))
    largest = _check_tokens(table, owners, item_ids)
    columns = [
        np.ascontiguousarray(table[:, level], dtype=token_type(int(top))) for level, top in enumerate(largest.tolist())
    ]
    ordered = _sort(columns, [max(1, int(top).bit_length()) for top in largest])
    if ordered.repeated is not None:
        _refuse_duplicates(ordered, owners, table, item_ids)
        # what is left are repetitions for one item; ties are in the order given, so the first row stays
        ordered = _without(ordered, ~ordered.repeated)
    order = ordered.order.astype(np.int32)
    leaf_item = order if owners is None else owners[order]
    tokens, child_start, leaf_start = _lay_out(ordered, columns)
    item_leaves = _grouped(leaf_item, order, owners is None)
    arrays = TrieArrays(leaf_item, item_leaves, tokens, child_start, leaf_start)
    return arrays, len(leaf_item) if owners is None else int(owners.max()) + 1


class _Sorted(NamedTuple):
    """Rows in the order of their SIDs.

    Attributes:
        order: int64[n], which row of the input stands at each place.
        depth: uint16[n], the first level at which the row differs from the one before; 0 for the first row.
        repeated: bool[n], rows that equal the one before; None when there are none.
    """

    order: NDArray[np.int64]
    depth: NDArray[np.uint16]
    repeated: NDArray[np.bool_] | None


def _sort(columns: Sequence[TokenArray], bits: Sequence[int]) -> _Sorted:
    levels = len(columns)
    key, upper, shifts = _packed(columns, bits)
    order: NDArray[np.int64] = np.argsort(key)
    key = key[order]
    # the highest bit in which neighbours differ names the level
    changed = key[1:] ^ key[:-1]
    depth = np.zeros(len(order), dtype=np.uint16)
    for shift in shifts[:-1]:
        depth[1:] += changed < (np.uint64(1) << np.uint64(shift))
    tied = np.flatnonzero(changed == 0) + 1
    if not len(tied):
        return _Sorted(order, depth, None)
    # members of tied runs, and the number of the run each belongs to
    member = np.zeros(len(order), dtype=bool)
    member[tied] = member[tied - 1] = True
    places = np.flatnonzero(member)
    run = np.cumsum(np.r_[True, changed != 0])[places]
    rows = order[places]
    rows = rows[np.lexsort((rows, *(column[rows] for column in reversed(columns[upper:])), run))]
    order[places] = rows
    before, after = order[tied - 1], order[tied]
    same = np.ones(len(tied), dtype=bool)
    own = np.full(len(tied), upper, dtype=np.uint16)
    for column in columns[upper:]:
        same &= column[before] == column[after]
        own += same
    depth[tied] = np.minimum(own, levels - 1)
    if not same.any():
        return _Sorted(order, depth, None)
    repeated = np.zeros(len(order), dtype=bool)
    repeated[tied[same]] = True
    return _Sorted(order, depth, repeated)


def _packed(columns: Sequence[TokenArray], bits: Sequence[int]) -> tuple[NDArray[np.uint64], int, list[int]]:
    """Upper levels as one number a row; how many went in; and where each ends in it, the highest first."""
    upper, used = 0, 0
    while upper < len(bits) and used + bits[upper] <= _KEY_BITS:
        used += bits[upper]
        upper += 1
    key = columns[0].astype(np.uint64)
    for column, width in zip(columns[1:upper], bits[1:upper], strict=True):
        key <<= np.uint64(width)
        key |= column.astype(np.uint64)
    return key, upper, [used - sum(bits[: level + 1]) for level in range(upper)]


def _without(ordered: _Sorted, kept: NDArray[np.bool_]) -> _Sorted:
    # a dropped row equals the one before it, so what follows differs from that one at the same level
    return _Sorted(ordered.order[kept], ordered.depth[kept], None)


def _lay_out(
    ordered: _Sorted, columns: Sequence[TokenArray]
) -> tuple[tuple[TokenArray, ...], tuple[IntArray | None, ...], tuple[IntArray | None, ...]]:
    """Number the nodes: tokens, first children and first leaves by depth."""
    order, leaves = ordered.order, len(ordered.order)
    end = np.array([leaves], dtype=np.int32)
    tokens: list[TokenArray] = []
    child_start: list[IntArray | None] = []
    leaf_start: list[IntArray | None] = [None if leaves == 1 else np.array([0, leaves], dtype=np.int32)]
    for level, column in enumerate(columns):
        above = leaf_start[level]
        if above is None:  # every node is one leaf already
            tokens.append(column[order])
            child_start.append(None)
            leaf_start.append(None)
            continue
        opens = ordered.depth <= level
        opens[0] = True
        first = np.flatnonzero(opens)
        tokens.append(column[order[first]])
        if len(first) == leaves:
            child_start.append(above)
            leaf_start.append(None)
        elif len(first) == len(above) - 1:
            child_start.append(None)
            leaf_start.append(above)
        else:
            number = np.cumsum(opens, dtype=np.int32)
            number -= 1
            child_start.append(np.concatenate([number[above[:-1]], np.array([len(first)], dtype=np.int32)]))
            leaf_start.append(np.concatenate([first.astype(np.int32), end]))
    return tuple(tokens), tuple(child_start), tuple(leaf_start)


def _grouped(leaf_item: IntArray, order: IntArray, single: bool) -> IntArray:
    """Leaf positions grouped by item, in the order in which the SIDs were given."""
    if not single:
        return np.lexsort((order, leaf_item)).astype(np.int32)
    place = np.empty_like(order)
    place[order] = np.arange(len(order), dtype=np.int32)
    return place


def _name(item: int, item_ids: Sequence[str] | None) -> str:
    return repr(item_ids[item]) if item_ids is not None else f"item {item}"


def _owners(items: ArrayLike, rows: int) -> IntArray:
    """The item of each SID as ``int32[rows]``, every item from 0 on with at least one."""
    owners = np.asarray(items)
    if owners.shape != (rows,) or owners.dtype.kind not in "iu":
        raise BuildError(
            f"constraint index: items is one whole number a SID, int[{rows}], got {owners.dtype}{list(owners.shape)}"
        )
    if owners.size and owners.min() < 0:
        raise BuildError(
            f"constraint index: SID {int(owners.argmin())} belongs to item {owners.min()}; items go from 0"
        )
    if owners.size and owners.max() >= rows:
        raise BuildError(f"constraint index: item {owners.max()} of {rows} SIDs; give every item at least one SID")
    bare = np.flatnonzero(np.bincount(owners) == 0) if owners.size else owners
    if len(bare):
        raise BuildError(
            f"constraint index: item {int(bare[0])} has no SID ({len(bare)} such items in all); give every item one"
        )
    return owners.astype(np.int32)


def _table(sids: ArrayLike) -> NDArray[np.integer[Any]]:
    try:
        table = np.asarray(sids)
    except ValueError as error:
        raise BuildError(
            "constraint index: the SIDs have different lengths; give every item the same levels"
        ) from error
    if table.size == 0:
        raise BuildError("constraint index: there are no SIDs; the catalogue needs at least one item")
    if table.ndim != 2 or table.dtype.kind not in "iu":
        raise BuildError(
            f"constraint index: SIDs are whole numbers [items, levels], got {table.dtype}{list(table.shape)}; "
            "give every item the same number of integer tokens"
        )
    if len(table) > _LARGEST:
        raise BuildError(f"constraint index: {len(table)} SIDs; at most {_LARGEST} fit, split the catalogue")
    return table


def _check_tokens(
    table: NDArray[np.integer[Any]], owners: IntArray | None, item_ids: Sequence[str] | None
) -> NDArray[np.integer[Any]]:
    """Largest token of each level."""
    largest: NDArray[np.integer[Any]] = table.max(axis=0)
    if table.min() >= 0 and largest.max() <= _LARGEST:
        return largest
    row, level = (int(x) for x in np.argwhere((table < 0) | (table > _LARGEST))[0])
    item = row if owners is None else int(owners[row])
    raise BuildError(
        f"constraint index: {_name(item, item_ids)} has token {table[row, level]} at level {level}; "
        f"tokens go from 0 to {_LARGEST}"
    )


def _refuse_duplicates(
    ordered: _Sorted, owners: IntArray | None, table: NDArray[np.integer[Any]], item_ids: Sequence[str] | None
) -> None:
    """Refuse equal neighbouring SIDs that belong to different items."""
    assert ordered.repeated is not None
    leaf_item = ordered.order if owners is None else owners[ordered.order]
    fresh = ~ordered.repeated
    first = np.flatnonzero(fresh)[np.cumsum(fresh) - 1]
    shared = np.flatnonzero(leaf_item != leaf_item[first])
    if not len(shared):
        return
    place = int(shared[0])
    names = [_name(int(leaf_item[p]), item_ids) for p in (int(first[place]), place)]
    raise BuildError(
        f"constraint index: {names[0]} and {names[1]} share the SID {table[ordered.order[place]].tolist()} "
        f"({len(shared)} duplicates in all); resolve collisions before indexing"
    )
