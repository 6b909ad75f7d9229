"""Codes that others learned and published: measured and indexed like one's own, but for known items only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from recsys_core.errors import BuildError, ConfigError
from recsys_core.sids.codebooks import code_means
from recsys_core.sids.shape import finite_vectors


class PublishedCodesConfig(BaseModel):
    """Where the codes are from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = "a published file"
    """Named in messages, such as the file's name."""


class PublishedCodes:
    """Fixed codes; see :class:`~recsys_core.sids.protocol.Quantizer`.

    The codes needn't be unique; the layout's last level tells items apart. :meth:`fit` learns nothing but the mean
    vector of each code, for the quality report.

    Args:
        codes: ``int32[n, levels]`` in catalogue order, as ``catalog.benchmarks.read_published_sids`` gives them.
        config: where they are from.

    Raises:
        BuildError: the codes aren't a table of non-negative integers.
    """

    name = "published"
    keeps_own_paths = False
    terminal = False

    def __init__(self, codes: NDArray[np.int32], config: PublishedCodesConfig | None = None) -> None:
        self.config = config or PublishedCodesConfig()
        table = np.asarray(codes)
        if table.ndim != 2 or table.size == 0 or not np.issubdtype(table.dtype, np.integer) or table.min() < 0:
            raise BuildError(
                f"semantic IDs of {self.config.source}: expected non-negative integers [items, levels], "
                f"got {table.dtype}{list(table.shape)}"
            )
        self.codes = table.astype(np.int32)
        self.codebooks: list[NDArray[np.float32]] = []
        """Per level ``float32[codes, d]``, mean of what the levels before leave; filled by :meth:`fit`."""

    @property
    def levels(self) -> int:
        """Codes a path."""
        return int(self.codes.shape[1])

    @property
    def code_sizes(self) -> list[int]:
        """One more than the largest code of each level."""
        return [int(largest) + 1 for largest in self.codes.max(axis=0)]

    def fit(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """The published codes, ``int32[n, levels]``, with ``vectors`` ``float32[n, d]`` only measured.

        Raises:
            BuildError: NaN or infinite values, or another number of items than there are codes.
        """
        table = finite_vectors(vectors)
        if len(table) != len(self.codes):
            raise BuildError(
                f"semantic IDs of {self.config.source}: {len(self.codes)} items have codes, but there are {len(table)} "
                "item vectors; read the codes for the ids of this catalogue"
            )
        self.codebooks = code_means(table, self.codes, self.code_sizes)
        return self.codes.copy()

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """Not possible: the codebooks behind published codes aren't known.

        Raises:
            ConfigError: always.
        """
        self._refuse()

    def candidates(self, vectors: NDArray[np.float32], count: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Not possible, as :meth:`encode`.

        Raises:
            ConfigError: always.
        """
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ConfigError(
            f"the semantic IDs are those of {self.config.source}: the file gives codes of known items, not the model "
            "that made them, so further items can't be encoded; set `sids.quantizer` to one that learns, such as "
            '"residual_kmeans", and build again'
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What :meth:`from_arrays` needs."""
        return {"codes": self.codes} | {f"level_{level}": book for level, book in enumerate(self.codebooks)}

    @classmethod
    def from_arrays(cls, config: PublishedCodesConfig, arrays: Mapping[str, NDArray[Any]]) -> PublishedCodes:
        """The quantizer that gave these :meth:`arrays`.

        Raises:
            KeyError: an array is missing.
        """
        quantizer = cls(arrays["codes"], config)
        quantizer.codebooks = [arrays[f"level_{level}"] for level in range(quantizer.levels)]
        return quantizer
