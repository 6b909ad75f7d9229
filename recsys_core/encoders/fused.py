"""Fused vectors: text and behaviour side by side, weighted, compressed, normalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.encoders.collaborative import CollaborativeEncoder, normalised
from recsys_core.encoders.protocol import TrainSequences
from recsys_core.encoders.text import TextEncoder
from recsys_core.errors import BuildError


class FusedConfig(BaseModel):
    """How much each part counts and how wide the result is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text_weight: float = Field(default=1.0, ge=0)
    """Weight of the text part."""
    collaborative_weight: float = Field(default=0.5, ge=0)
    """Weight of the collaborative part; 0 leaves it out."""
    dimensions: int = Field(default=128, ge=1, le=4096)
    """Width after principal component analysis; columns beyond the rank of the data are zero."""


class FusedEncoder:
    """Text and collaborative vectors in one.

    Args:
        text: encoder of the text part.
        collaborative: encoder of the behaviour part.
        config: weights and width.
    """

    def __init__(
        self, text: TextEncoder, collaborative: CollaborativeEncoder, config: FusedConfig | None = None
    ) -> None:
        self.text = text
        self.collaborative = collaborative
        self.config = config or FusedConfig()

    def encode(self, catalogue: Catalogue, train: TrainSequences) -> NDArray[np.float32]:
        """See :class:`~recsys_core.encoders.protocol.ItemEncoder`."""
        return fuse(self.text.encode(catalogue), self.collaborative.encode(catalogue, train), self.config)


def fuse(
    text: NDArray[np.float32], collaborative: NDArray[np.float32], config: FusedConfig | None = None
) -> NDArray[np.float32]:
    """Weighted concatenation of the normalised parts, PCA, L2 normalisation.

    Args:
        text: ``float32[n, a]``.
        collaborative: ``float32[n, b]``; zero rows (items nobody chose) lean on their text alone.
        config: weights and width.

    Returns:
        ``float32[n, dimensions]``; a single item, which has no variance to analyse, keeps its leading components.

    Raises:
        BuildError: the parts disagree on the number of items, both weights are 0, or a value isn't finite.
    """
    wanted = config or FusedConfig()
    if len(text) != len(collaborative):
        raise BuildError(
            f"item vectors: {len(text)} text and {len(collaborative)} collaborative rows; build both again"
        )
    if wanted.text_weight == 0 and wanted.collaborative_weight == 0:
        raise BuildError("item vectors: `text_weight` and `collaborative_weight` are both 0; give one of them a weight")
    for name, part in (("text", text), ("collaborative", collaborative)):
        _refuse_nonfinite(name, part)
    # behaviour is centred as it stands: an item nobody chose sits at the average, which says nothing about it
    joined = np.concatenate(
        [wanted.text_weight * normalised(text), wanted.collaborative_weight * _filled(normalised(collaborative))],
        axis=1,
    )
    return normalised(_principal(joined, wanted.dimensions))


def _refuse_nonfinite(name: str, part: NDArray[np.float32]) -> None:
    bad = ~np.isfinite(part).all(axis=1)
    if bad.any():
        raise BuildError(
            f"item vectors: the {name} part has NaN or infinite values in {int(bad.sum())} of {len(part)} items "
            f"(first: item {int(np.flatnonzero(bad)[0])}); delete the vector cache and build again"
        )


def _filled(part: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero rows replaced by the mean of the others, so that centring makes them zero again."""
    known = np.abs(part).sum(axis=1) > 0
    if known.all() or not known.any():
        return part
    filled = part.copy()
    filled[~known] = part[known].mean(axis=0)
    return filled


def _principal(joined: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    values = joined.astype(np.float64)
    if len(values) > 1:
        values -= values.mean(axis=0)
    covariance = values.T @ values
    strength, axes = np.linalg.eigh(covariance)
    kept: Sequence[int] = np.argsort(-strength, kind="stable")[: min(dimensions, len(strength))].tolist()
    axes = axes[:, kept]
    peak = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[peak, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    projected = np.zeros((len(values), dimensions), dtype=np.float32)
    projected[:, : axes.shape[1]] = values @ axes
    return projected
