"""What a constraint index consists of: flat arrays, with those left out that would only count upwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int32]
"""Node numbers, leaf positions and item indices."""

TokenArray = NDArray[np.integer[Any]]
"""Tokens, in the smallest of uint8, uint16 and int32 that holds a level's largest."""


def token_type(largest: int) -> type[np.integer[Any]]:
    """The smallest type for tokens up to ``largest``."""
    if largest <= np.iinfo(np.uint8).max:
        return np.uint8
    return np.uint16 if largest <= np.iinfo(np.uint16).max else np.int32


@dataclass(frozen=True)
class TrieArrays:
    """The arrays of an index of ``L`` levels.

    Nodes are numbered level by level, siblings in token order. On the lower levels of long SIDs almost every node has
    one child, so the array of first children would be 0, 1, 2 ... and isn't kept; the same goes for first leaves.

    Attributes:
        leaf_item: ``int32[n_leaves]`` item index of each leaf, in leaf order.
        item_leaves: ``int32[n_leaves]`` leaves grouped by item, the item's main one first.
        tokens: per level, ``uint8 | uint16 | int32[nodes at depth l + 1]``: token that leads to each node.
        child_start: per depth below L, ``int32[nodes + 1]``: first child of each node; None where each has one child.
        leaf_start: per depth up to L, ``int32[nodes + 1]``: first leaf under each node; None where each is one leaf.
            The very array of ``child_start`` where the children are one leaf each.
    """

    leaf_item: IntArray
    item_leaves: IntArray
    tokens: tuple[TokenArray, ...]
    child_start: tuple[IntArray | None, ...]
    leaf_start: tuple[IntArray | None, ...]

    @property
    def nodes(self) -> list[int]:
        """How many nodes there are at each depth, the root's first."""
        return [1, *(len(tokens) for tokens in self.tokens)]

    def files(self) -> dict[str, NDArray[Any]]:
        """The arrays by file name, each once."""
        found: dict[str, NDArray[Any]] = {"leaf_item": self.leaf_item, "item_leaves": self.item_leaves}
        found |= {f"child_token_{level}": array for level, array in enumerate(self.tokens)}
        for level, start in enumerate(self.child_start):
            if start is not None:
                found[f"child_start_{level}"] = start
        for depth, start in enumerate(self.leaf_start[:-1]):
            if start is not None and start is not self.child_start[depth]:
                found[f"leaf_start_{depth}"] = start
        return found


class PerDepth(Sequence[IntArray]):
    """Arrays by depth that may be made when asked for.

    Args:
        make: gives the array of a depth.
        depths: how many there are.
    """

    def __init__(self, make: Callable[[int], IntArray], depths: int) -> None:
        self._make = make
        self._depths = range(depths)

    def __len__(self) -> int:
        return len(self._depths)

    @overload
    def __getitem__(self, depth: int) -> IntArray: ...

    @overload
    def __getitem__(self, depth: slice) -> list[IntArray]: ...

    def __getitem__(self, depth: int | slice) -> IntArray | list[IntArray]:
        chosen = self._depths[depth]
        return self._make(chosen) if isinstance(chosen, int) else [self._make(each) for each in chosen]
