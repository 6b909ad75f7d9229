"""What every quantizer asks of its vectors, and how many codes a level gets."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.errors import BuildError


class CodebookShape(BaseModel):
    """How many levels, and how many codes each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: int = Field(default=1, ge=1, le=8)
    """How many codebooks, each on the residual of the one before."""
    codes: Annotated[int, Field(ge=1, le=65_536)] | Literal["auto"] = "auto"
    """Codes a level; ``auto`` takes the largest power of two that leaves ``items_per_code`` items to each."""
    items_per_code: int = Field(default=16, ge=1)
    """How many items one code should stand for; used by ``auto``."""
    max_codes: int = Field(default=256, ge=1, le=65_536)
    """Upper limit for ``auto``."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of everything random in training."""

    def resolve_codes(self, vectors: NDArray[np.float32]) -> int:
        """Codes a level for these vectors.

        Args:
            vectors: float32[n, d], checked.

        Raises:
            BuildError: ``codes`` is a number and there are fewer distinct vectors.
        """
        # equal vectors can't be told apart by any codebook, so only distinct ones count
        distinct = len(np.unique(vectors, axis=0))
        if self.codes == "auto":
            room = max(1, distinct // self.items_per_code)
            return min(self.max_codes, 1 << (room.bit_length() - 1))
        if self.codes > distinct:
            raise BuildError(
                f"semantic IDs: fewer items than codes: setting `codes` is {self.codes}, but the catalogue has "
                f'{distinct} distinct item vectors ({len(vectors)} items); set codes = "auto" or at most {distinct}'
            )
        return self.codes


def finite_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors as C-contiguous ``float32[n, d]``.

    Raises:
        BuildError: not a two-dimensional array, or NaN or infinite values.
    """
    table = np.ascontiguousarray(vectors, dtype=np.float32)
    if table.ndim != 2 or table.shape[1] == 0:
        raise BuildError(f"semantic IDs: item vectors must be [items, dimensions], got shape {list(table.shape)}")
    bad = ~np.isfinite(table).all(axis=1)
    if bad.any():
        raise BuildError(
            f"semantic IDs: {int(bad.sum())} of {len(table)} item vectors hold NaN or infinite values "
            f"(first: item {int(np.flatnonzero(bad)[0])}); delete the vector cache and encode again"
        )
    return table


def checked_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """As :func:`finite_vectors`, and refuse what no codebook can be learned from.

    Raises:
        BuildError: also when there are no vectors, or several that are all equal.
    """
    table = finite_vectors(vectors)
    if len(table) == 0:
        raise BuildError("semantic IDs: there are no item vectors; the catalogue needs at least one item")
    if len(table) > 1 and float(np.ptp(table, axis=0).max()) <= 1e-7:
        raise BuildError(
            f"semantic IDs: all {len(table)} item vectors are equal, so nothing tells the items apart; "
            "check that the imported items have titles or texts that differ"
        )
    return table


def fitting_vectors(vectors: NDArray[np.float32], codebooks: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """As :func:`finite_vectors`, for vectors that learned codebooks are to encode.

    Raises:
        BuildError: also when nothing has been learned yet, or the width is another than the codebooks'.
    """
    if not codebooks:
        raise BuildError("semantic IDs: the codebooks haven't been learned; call fit first")
    table = finite_vectors(vectors)
    if table.shape[1] != codebooks[0].shape[1]:
        raise BuildError(
            f"semantic IDs: vectors have {table.shape[1]} dimensions, the codebooks {codebooks[0].shape[1]}; "
            "encode with the encoder that the codebooks were learned from"
        )
    return table
