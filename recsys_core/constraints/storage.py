"""The constraint index on disk: one ``.npy`` file an array, and a header that says what belongs together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_core.constraints.arrays import IntArray, TrieArrays
from recsys_core.errors import ReleaseError

LAYOUT_VERSION = 3
_HEADER = "index.json"


def save_arrays(folder: Path, arrays: TrieArrays, items: int) -> None:
    """Write the arrays; the header comes last, so that a half-written folder has none."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _HEADER).unlink(missing_ok=True)
    for name, array in arrays.files().items():
        np.save(folder / f"{name}.npy", array)
    header = {"layout": LAYOUT_VERSION, "levels": len(arrays.tokens), "items": items, "nodes": arrays.nodes}
    (folder / _HEADER).write_text(json.dumps(header), encoding="utf-8")


def load_arrays(folder: Path, mmap: bool) -> tuple[TrieArrays, int]:
    """Read what :func:`save_arrays` wrote: the arrays and how many items there are.

    Raises:
        ReleaseError: a file is missing or damaged, or the folder was written in another layout.
    """
    try:
        header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        if header["layout"] != LAYOUT_VERSION:
            raise ReleaseError(
                f"{folder}: constraint index layout {header['layout']}, this version reads layout {LAYOUT_VERSION}; "
                "run `sidra build` again"
            )
        return _read(folder, [int(count) for count in header["nodes"]], mmap), int(header["items"])
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ReleaseError(f"{folder}: damaged constraint index ({error}); run `sidra build` again") from error


def _read(folder: Path, nodes: list[int], mmap: bool) -> TrieArrays:
    leaves, levels = nodes[-1], len(nodes) - 1

    def array(name: str, length: int, end: int | None = None, kinds: tuple[Any, ...] = (np.int32,)) -> NDArray[Any]:
        read = np.load(folder / f"{name}.npy", mmap_mode="r" if mmap else None)
        if read.shape != (length,) or read.dtype not in kinds or (end is not None and int(read[-1]) != end):
            raise ReleaseError(
                f"{folder}: {name}.npy doesn't fit together with the constraint index's other arrays; "
                "run `sidra build` again"
            )
        # plain views: the memmap subclass costs microseconds on every small gather
        plain: NDArray[Any] = read.view(np.ndarray)
        return plain

    # which arrays were left out follows from the numbers of nodes alone
    child_start = [
        array(f"child_start_{level}", nodes[level] + 1, nodes[level + 1]) if nodes[level] < nodes[level + 1] else None
        for level in range(levels)
    ]
    leaf_start: list[IntArray | None] = []
    for depth in range(levels):
        if nodes[depth] == leaves:
            leaf_start.append(None)
        elif nodes[depth + 1] == leaves:
            leaf_start.append(child_start[depth])
        else:
            leaf_start.append(array(f"leaf_start_{depth}", nodes[depth] + 1, leaves))
    kinds = (np.uint8, np.uint16, np.int32)
    return TrieArrays(
        leaf_item=array("leaf_item", leaves),
        item_leaves=array("item_leaves", leaves),
        tokens=tuple(array(f"child_token_{level}", nodes[level + 1], kinds=kinds) for level in range(levels)),
        child_start=tuple(child_start),
        leaf_start=(*leaf_start, None),
    )
