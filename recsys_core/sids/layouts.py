"""The two shapes of a semantic ID, each chosen by name.

``hybrid``: a short prefix of residual codes, then one token that only this item has. ``pure``: residual codes all the
way, then a last level that counts the items which share them.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.errors import BuildError, ConfigError, ReleaseError
from recsys_core.sids.protocol import Sids, Vectors
from recsys_core.sids.quality import SidQuality, SidThresholds, measure_quality
from recsys_core.sids.residual_kmeans import ResidualKMeans, ResidualKMeansConfig, checked_vectors

HYBRID_CODES = ResidualKMeansConfig(levels=1, items_per_code=16)
"""One level of about 16 items a code: 64 codes for MovieLens-100K, 256 from 4,096 items on."""

PURE_CODES = ResidualKMeansConfig(levels=3, items_per_code=4)
"""Three levels of 256 codes from 1,024 items on, fewer below."""


class SidConfig(BaseModel):
    """Which semantic IDs a build makes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Literal["hybrid", "pure"] = "hybrid"
    """Short prefix and item token, or codes only."""
    codes: ResidualKMeansConfig | None = None
    """Shape of the codebooks; left out, the layout's own default."""
    thresholds: SidThresholds = Field(default_factory=SidThresholds)
    """Where the quality check stops the build."""


class _CodebookTokenizer(ABC):
    """What both layouts share: codebooks, the report, saving. A layout adds :meth:`_last_level`.

    Args:
        config: shape and training of the codebooks.
    """

    layout: str
    default_codes: ResidualKMeansConfig
    collisions_by_design: bool

    def __init__(self, config: ResidualKMeansConfig | None = None) -> None:
        self.config = config or self.default_codes
        self.quantizer = ResidualKMeans(self.config)
        self.sids: Sids = np.empty((0, self.config.levels + 1), dtype=np.int32)
        """``int32[n, levels + 1]``: every SID given so far, in the order of the items."""
        self._quality: SidQuality | None = None

    def fit(self, vectors: Vectors) -> Sids:
        """See :class:`~recsys_core.sids.protocol.SidTokenizer`."""
        table = checked_vectors(vectors)
        codes = self.quantizer.fit(table)
        self._quality = measure_quality(self.layout, table, codes, self.quantizer.codebooks, self.collisions_by_design)
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
        arrays: dict[str, Any] = {f"level_{level}": book for level, book in enumerate(self.quantizer.codebooks)}
        np.savez(folder / "codebooks.npz", sids=self.sids, **arrays)
        header = {
            "layout": self.layout,
            "config": self.config.model_dump(),
            "quality": self.quality().model_dump(),
        }
        (folder / "tokenizer.json").write_text(json.dumps(header, indent=1), encoding="utf-8")

    def _give(self, codes: Sids) -> Sids:
        fresh = np.column_stack([codes, self._last_level(codes)]).astype(np.int32)
        self.sids = np.concatenate([self.sids, fresh])
        return fresh

    @abstractmethod
    def _last_level(self, codes: Sids) -> Sids:
        """The token that makes each new SID unique: ``int32[n]``."""


class HybridTokenizer(_CodebookTokenizer):
    """``[code, ..., item token]``; the item token is the item's index in the catalogue, so new items count on."""

    layout = "hybrid"
    default_codes = HYBRID_CODES
    collisions_by_design = True

    def _last_level(self, codes: Sids) -> Sids:
        given = len(self.sids)
        return np.arange(given, given + len(codes), dtype=np.int32)


class PureTokenizer(_CodebookTokenizer):
    """``[code, ..., code, rank]``; the rank counts the items on the same codes in item order, 0 for most."""

    layout = "pure"
    default_codes = PURE_CODES
    collisions_by_design = False

    def _last_level(self, codes: Sids) -> Sids:
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


def make_tokenizer(config: SidConfig | None = None) -> HybridTokenizer | PureTokenizer:
    """The tokenizer that a configuration names, not yet fitted.

    Raises:
        ConfigError: a layout that doesn't exist.
    """
    wanted = config or SidConfig()
    if wanted.layout not in LAYOUTS:
        raise ConfigError(f"setting `sids.layout`: {wanted.layout!r} is none of {', '.join(sorted(LAYOUTS))}")
    return LAYOUTS[wanted.layout](wanted.codes)


def load_tokenizer(folder: Path) -> HybridTokenizer | PureTokenizer:
    """Open what :meth:`save` wrote.

    Raises:
        ReleaseError: a file is missing or damaged.
    """
    try:
        header = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        tokenizer = LAYOUTS[header["layout"]](ResidualKMeansConfig.model_validate(header["config"]))
        with np.load(folder / "codebooks.npz") as arrays:
            tokenizer.quantizer.codebooks = [arrays[f"level_{level}"] for level in range(tokenizer.config.levels)]
            tokenizer.sids = arrays["sids"]
        tokenizer._quality = SidQuality.model_validate(header["quality"])
    except (OSError, ValueError, KeyError) as error:
        raise ReleaseError(f"{folder}: damaged SID tokenizer ({error}); run `sidra build` again") from error
    return tokenizer
