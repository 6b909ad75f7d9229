"""The two shapes of a semantic ID, over codes from any quantizer.

``hybrid``: a short prefix of codes, then one token that only this item has. ``pure``: codes all the way, then a last
level that counts the items which share them.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from recsys_core.errors import BuildError, ConfigError, ReleaseError
from recsys_core.sids.config import QUANTIZERS, SidConfig, make_quantizer
from recsys_core.sids.protocol import Codes, Quantizer, Sids, Vectors
from recsys_core.sids.quality import SidQuality, measure_quality
from recsys_core.sids.residual_kmeans import ResidualKMeans, ResidualKMeansConfig
from recsys_core.sids.shape import CodebookShape, finite_vectors

__all__ = [
    "LAYOUTS",
    "CodeTokenizer",
    "HybridTokenizer",
    "PureTokenizer",
    "SidConfig",
    "load_tokenizer",
    "make_tokenizer",
]


class CodeTokenizer(ABC):
    """What both layouts share: codes from a quantizer, the report, saving. A layout adds :meth:`_last_level`.

    Args:
        quantizer: not yet fitted; left out, residual k-means of the layout's own shape.
    """

    layout: str
    shape: CodebookShape
    """Levels and items a code that suit this layout."""
    collisions_by_design: bool

    def __init__(self, quantizer: Quantizer | None = None) -> None:
        self.quantizer: Quantizer = quantizer or ResidualKMeans(ResidualKMeansConfig(**self.shape.model_dump()))
        self.sids: Sids = np.empty((0, self.quantizer.levels + 1), dtype=np.int32)
        """``int32[n, levels + 1]``: every SID given so far, in the order of the items."""
        self._quality: SidQuality | None = None

    def fit(self, vectors: Vectors) -> Sids:
        """See :class:`~recsys_core.sids.protocol.SidTokenizer`."""
        table = finite_vectors(vectors)
        codes = self.quantizer.fit(table)
        self._quality = measure_quality(
            self.layout, table, codes, self.quantizer.codebooks, self.collisions_by_design, self.quantizer.terminal
        )
        self.sids = self.sids[:0]
        return self._give(codes)

    def encode(self, vectors: Vectors) -> Sids:
        """See :class:`~recsys_core.sids.protocol.SidTokenizer`."""
        return self._give(self.quantizer.encode(vectors))

    def quality(self) -> SidQuality:
        """See :class:`~recsys_core.sids.protocol.SidTokenizer`."""
        if self._quality is None:
            raise BuildError("semantic IDs: there is no quality report before fit")
        return self._quality

    def save(self, folder: Path) -> None:
        """Write ``codebooks.npz`` and, last, ``tokenizer.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        quality = self.quality().model_dump()
        arrays: dict[str, Any] = self.quantizer.arrays()
        np.savez(folder / "codebooks.npz", sids=self.sids, **arrays)
        header = {
            "layout": self.layout,
            "quantizer": self.quantizer.name,
            "config": self.quantizer.config.model_dump(mode="json"),
            "quality": quality,
        }
        (folder / "tokenizer.json").write_text(json.dumps(header, indent=1), encoding="utf-8")

    def restore(self, sids: Sids, quality: SidQuality) -> None:
        """Take up what a saved tokenizer of this layout had given.

        Args:
            sids: ``int32[n, levels + 1]``.
            quality: its report.
        """
        self.sids, self._quality = sids, quality

    def _give(self, codes: Codes) -> Sids:
        fresh = np.column_stack([codes, self._last_level(codes)]).astype(np.int32)
        self.sids = np.concatenate([self.sids, fresh])
        return fresh

    @abstractmethod
    def _last_level(self, codes: Codes) -> Sids:
        """The token that makes each new SID unique: ``int32[n]``."""


class HybridTokenizer(CodeTokenizer):
    """``[code, ..., item token]``; the item token is the item's index in the catalogue, so new items count on."""

    layout = "hybrid"
    shape = CodebookShape(levels=1, items_per_code=16)
    """One level of about 16 items a code: 64 codes for MovieLens-100K, 256 from 4,096 items on."""
    collisions_by_design = True

    def _last_level(self, codes: Codes) -> Sids:
        given = len(self.sids)
        return np.arange(given, given + len(codes), dtype=np.int32)


class PureTokenizer(CodeTokenizer):
    """``[code, ..., code, rank]``; the rank counts the items on the same codes in item order, 0 for most."""

    layout = "pure"
    shape = CodebookShape(levels=3, items_per_code=4)
    """Three levels of 256 codes from 1,024 items on, fewer below."""
    collisions_by_design = False

    def _last_level(self, codes: Codes) -> Sids:
        everything = np.concatenate([self.sids[:, :-1], codes])
        _, group = np.unique(everything, axis=0, return_inverse=True)
        group = group.reshape(-1)
        order = np.argsort(group, kind="stable")
        opens_group = np.r_[True, np.diff(group[order]) > 0]
        start = np.flatnonzero(opens_group)
        rank = np.empty(len(group), dtype=np.int32)
        rank[order] = np.arange(len(group)) - np.repeat(start, np.diff(np.r_[start, len(group)]))
        return rank[len(self.sids) :]


LAYOUTS: dict[str, type[HybridTokenizer] | type[PureTokenizer]] = {
    HybridTokenizer.layout: HybridTokenizer,
    PureTokenizer.layout: PureTokenizer,
}
"""Layouts by name."""


def make_tokenizer(
    config: SidConfig | None = None, quantizer: Quantizer | None = None
) -> HybridTokenizer | PureTokenizer:
    """The tokenizer that a configuration names, not yet fitted.

    Args:
        config: layout and quantizer.
        quantizer: used in place of the one that the configuration names, such as
            :class:`~recsys_core.sids.published.PublishedCodes`.

    Raises:
        ConfigError: a layout that doesn't exist.
    """
    wanted = config or SidConfig()
    if wanted.layout not in LAYOUTS:
        raise ConfigError(f"setting `sids.layout`: {wanted.layout!r} is none of {', '.join(sorted(LAYOUTS))}")
    layout = LAYOUTS[wanted.layout]
    return layout(quantizer or make_quantizer(wanted, layout.shape))


def load_tokenizer(folder: Path) -> HybridTokenizer | PureTokenizer:
    """Open what :meth:`CodeTokenizer.save` wrote.

    Raises:
        ReleaseError: a file is missing or damaged.
    """
    try:
        header = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        made, settings = QUANTIZERS[header["quantizer"]]
        with np.load(folder / "codebooks.npz") as stored:
            arrays = dict(stored)
        quantizer = made.from_arrays(settings.model_validate(header["config"]), arrays)
        tokenizer = LAYOUTS[header["layout"]](quantizer)
        tokenizer.restore(arrays["sids"], SidQuality.model_validate(header["quality"]))
    except (OSError, ValueError, KeyError) as error:
        raise ReleaseError(f"{folder}: damaged SID tokenizer ({error}); run `sidra build` again") from error
    return tokenizer
